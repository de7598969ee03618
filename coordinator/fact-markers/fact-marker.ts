import type { JsMsg } from '@nats-io/jetstream';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { DurableConsumer } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { factsBetween } from './facts-between.ts';

const EVERY_MS = 10_000;

/** Selects the marker of a consumer together with the start of the server that answers. */
const MARKER = namedStatement<Marker & { [column: string]: unknown }>('fact-markers.marker')`
  SELECT extract(epoch FROM pg_postmaster_start_time())::text AS "startedAt",
    m.stream_created AS "streamCreated", m.sequence
  FROM (SELECT) this
  LEFT JOIN fact_markers m ON m.stream = ${'stream'} AND m.consumer = ${'consumer'}`;

/** Changes nothing if another server answers than the one whose facts are complete. */
const MOVE_MARKER = namedStatement('fact-markers.move-marker')`
  INSERT INTO fact_markers (stream, consumer, stream_created, sequence)
  SELECT ${'stream'}, ${'consumer'}, ${'streamCreated'}, ${'sequence'}
  WHERE extract(epoch FROM pg_postmaster_start_time())::text = ${'startedAt'}
  ON CONFLICT (stream, consumer) DO UPDATE
  SET stream_created = excluded.stream_created, sequence = excluded.sequence
  WHERE (fact_markers.stream_created, fact_markers.sequence)
    IS DISTINCT FROM (excluded.stream_created, excluded.sequence)`;

export interface FactMarkerOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly log: Logger;
  readonly consumer: DurableConsumer;
  /** Stores facts that the database may lack. A fact that it has already changes nothing. */
  readonly store: (facts: readonly JsMsg[]) => Promise<void>;
}

interface Marker {
  /** Start time of the database server. It differs after a restart, a failover and a restore. */
  readonly startedAt: string;
  readonly streamCreated: string | null;
  readonly sequence: string | null;
}

/**
 * Finds facts that were acknowledged to JetStream and are not in the database: it was restored from
 * a backup, or a standby that was behind has become the primary. JetStream does not deliver such
 * facts again by itself.
 *
 * Invariant: all facts up to the marker in the database are stored in that database. The marker is
 * the consumer's acknowledged position, written after those facts were committed. A copy of the
 * database that has the marker therefore has the facts too. Whenever another server answers than
 * before, and at each start, the facts after the marker are read from the stream again.
 */
export class FactMarker implements AsyncDisposable {
  readonly #options: FactMarkerOptions;
  readonly #timer: NodeJS.Timeout;
  /** Start time of the server that has all facts of the stream; undefined before the first round. */
  #completeServer: string | undefined;
  #round: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: FactMarkerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#runInBackground(), EVERY_MS);
    this.#runInBackground();
  }

  /**
   * Resolves when the server that answers now has every fact that the stream had when this server
   * was first seen. Rejects while JetStream or the database does not answer.
   */
  async complete(): Promise<void> {
    const { startedAt } = await this.#marker();
    if (startedAt !== this.#completeServer) await this.#run();
  }

  #runInBackground(): void {
    this.#run().catch((error: unknown) => {
      if (this.#isStopped) return;
      const { log, consumer } = this.#options;
      log.warn(
        { err: error, consumer: consumer.name, stream: consumer.stream },
        'the facts of the stream could not be compared with the database; the next attempt follows in ten seconds',
      );
    });
  }

  #run(): Promise<void> {
    this.#round ??= this.#compare().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #compare(): Promise<void> {
    const { bus, database, consumer } = this.#options;
    const { stream, name } = consumer;
    const marker = await this.#marker();
    const manager = await bus.manager();
    const { created, state } = await manager.streams.info(stream);
    // The position is read after the server: facts that were acknowledged by then were committed
    // to this server, or to an earlier one and are read again now.
    const { ack_floor: acknowledged } = await manager.consumers.info(stream, name);
    if (marker.startedAt !== this.#completeServer) {
      const isSameStream = marker.streamCreated === created;
      const from = isSameStream ? Number(marker.sequence) : 0;
      if (isSameStream) this.#reportGap(from, state.first_seq);
      await this.#readAgain(from, state.last_seq);
      this.#completeServer = marker.startedAt;
    }
    await queryNamed(database, MOVE_MARKER, {
      stream,
      consumer: name,
      streamCreated: created,
      sequence: acknowledged.stream_seq,
      startedAt: marker.startedAt,
    });
  }

  async #marker(): Promise<Marker> {
    const { database, consumer } = this.#options;
    const [marker] = await queryNamed(database, MARKER, {
      stream: consumer.stream,
      consumer: consumer.name,
    });
    if (marker === undefined) throw new Error('the database returned no row for a marker');
    return marker;
  }

  async #readAgain(from: number, until: number): Promise<void> {
    const { bus, consumer, store, log } = this.#options;
    let read = 0;
    for await (const facts of factsBetween(bus, consumer, { from, until })) {
      if (this.#isStopped) throw new Error('the process stops');
      await store(facts);
      read += facts.length;
    }
    if (read > 0)
      log.info(
        { stream: consumer.stream, consumer: consumer.name, from, until, facts: read },
        'facts after the marker in the database were read again',
      );
  }

  /** Retention may have removed facts from the stream that this database lacks. */
  #reportGap(from: number, firstInStream: number): void {
    const lost = firstInStream - 1 - from;
    if (lost <= 0) return;
    const { consumer, log } = this.#options;
    log.error(
      { stream: consumer.stream, from: from + 1, until: firstInStream - 1 },
      'the stream no longer has facts that this database may lack; their jobs are not charged',
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#round?.catch(() => undefined);
  }
}
