import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { type CounterOf, counter, measured } from '#observability';
import { MAX_PROVIDERS } from '../core/fleet.ts';
import { type MachineMemory, readMemory, type StoredAt } from '../core/machine-memory.ts';
import { type MachineCounts, UnwrittenRecords } from '../core/unwritten-records.ts';
import {
  type Computer,
  deleteUnseen,
  putRecords,
  readRecords,
  type StoredRecord,
} from './record-store.ts';

const TICK_MS = 1_000;
/** Time between two writes, in milliseconds: a killed router loses at most what it saw in it. */
const WRITE_EVERY_MS = 5_000;
/** Most rows of one statement. While more machines wait, a statement follows each second. */
const BATCH = 1_000;
/** How long a machine waits for its record before it gets jobs without it, in milliseconds. */
const PATIENCE_MS = 2_000;
/** A connected machine of which nothing is observed is written once in this time. */
const TOUCH_EVERY_MS = 86_400_000;
const DELETE_EVERY_MS = 3_600_000;

export interface MachineRecordsOptions {
  readonly database: Pool;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly clock: () => number;
  /** Name of this router. */
  readonly writer: string;
  /** True if this router decides for the machine: only one router writes its record. */
  readonly isServed: (provider: string) => boolean;
  readonly memoryOf: (provider: string) => MachineMemory;
  readonly computerOf: (provider: string) => Computer | undefined;
  readonly restore: (provider: string, memory: MachineMemory, stored: StoredAt) => void;
}

/** A machine whose row was read. */
interface ReadRecord {
  /** Time at which the row has to be written again, even if nothing was observed. */
  readonly touchAt: number;
  /** Age of the state that was restored; undefined if none was. */
  readonly restoredAgeMs: number | undefined;
}

/**
 * Keeps the records of machines in Postgres (table `machine_records`): reads the record of a
 * machine before the machine joins the fleet, and writes the changed ones together. No request and
 * no decision waits for it, and without Postgres the router starts with empty records.
 *
 *   unread → read (or the database is away: served without a record, and read later) → changed →
 *   in a batch → written
 */
export class MachineRecords implements AsyncDisposable {
  readonly #options: MachineRecordsOptions;
  /** Machines whose row has to be read, with the announcement that waits for it. */
  readonly #unread = new Map<string, (() => void) | undefined>();
  readonly #read = new Map<string, ReadRecord>();
  readonly #unwritten = new UnwrittenRecords(MAX_PROVIDERS);
  readonly #failures: CounterOf<'dinf_routing_record_failures_total'>;
  readonly #timer: NodeJS.Timeout;
  #reading: Promise<void> | undefined;
  #writing: Promise<boolean> | undefined;
  #writtenAt: number;
  #deleteAt: number;
  #isAway = false;
  #isFormReported = false;
  #isStopping = false;

  constructor(options: MachineRecordsOptions) {
    this.#options = options;
    this.#writtenAt = options.clock();
    this.#deleteAt = options.clock() + DELETE_EVERY_MS;
    this.#failures = counter(options.metrics, 'dinf_routing_record_failures_total');
    measured(options.metrics, 'dinf_routing_records_unwritten', () => this.#unwritten.size);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /**
   * Calls `act` as soon as the record of the machine was read, which is at once for a known
   * machine and while the database is away. A later call for the same machine replaces `act`.
   */
  whenRead(provider: string, act: () => void): void {
    if (this.#read.has(provider) || this.#isAway || this.#unread.size >= MAX_PROVIDERS) {
      if (!this.#read.has(provider)) this.#expect(provider);
      return act();
    }
    this.#unread.set(provider, act);
    this.#readSoon();
  }

  /** The machine has left: an announcement that still waits is void. */
  left(provider: string): void {
    if (this.#unread.get(provider) !== undefined) this.#unread.delete(provider);
  }

  /** Another router has written the records meanwhile: all are read again. */
  readAgain(): void {
    for (const provider of this.#read.keys()) this.#expect(provider);
    this.#readSoon();
  }

  observe(provider: string, counts: Partial<MachineCounts>): void {
    if (this.#options.isServed(provider))
      this.#unwritten.observe(provider, counts, this.#options.clock());
  }

  /** Age of the stored state when it was restored; undefined if none was. */
  restoredAgeMs(provider: string): number | undefined {
    return this.#read.get(provider)?.restoredAgeMs;
  }

  /** The memory of the machine is not written yet, so the router must keep it. */
  isUnwritten(provider: string): boolean {
    return this.#unwritten.has(provider);
  }

  /** Forgets machines that have left and are written, and touches those that are connected. */
  sweep(isKnown: (provider: string) => boolean): void {
    const now = this.#options.clock();
    const isGone = (provider: string) => !isKnown(provider) && !this.#unwritten.has(provider);
    for (const [provider, act] of this.#unread)
      if (act === undefined && isGone(provider)) this.#unread.delete(provider);
    for (const [provider, { touchAt }] of this.#read) {
      if (isGone(provider)) this.#read.delete(provider);
      else if (now >= touchAt && this.#options.isServed(provider)) this.#unwritten.touch(provider);
    }
  }

  /** Writes what is unwritten, as far as the database takes it within `PATIENCE_MS`. */
  async flush(): Promise<void> {
    const patience = new AbortController();
    const timeout = delay(PATIENCE_MS, undefined, { signal: patience.signal });
    await Promise.race([this.#writeAll(), timeout]);
    patience.abort();
    await timeout.catch(() => undefined);
  }

  async #writeAll(): Promise<void> {
    while (this.#unwritten.size > 0 && (await this.#write()));
  }

  #expect(provider: string): void {
    if (this.#unread.size < MAX_PROVIDERS || this.#unread.has(provider))
      this.#unread.set(provider, this.#unread.get(provider));
  }

  #tick(): void {
    const now = this.#options.clock();
    this.#readSoon();
    const isDue = now - this.#writtenAt >= WRITE_EVERY_MS || this.#unwritten.size > BATCH;
    if (!isDue) return;
    this.#writtenAt = now;
    void this.#write().then(() => this.#delete(now));
  }

  #readSoon(): void {
    if (this.#reading !== undefined || this.#unread.size === 0 || this.#isStopping) return;
    // An answer that does not come must not keep machines out of the fleet.
    const patience = setTimeout(() => {
      this.#failed('read', new Error(`no answer within ${PATIENCE_MS} ms`));
      this.#actWithoutRecords();
    }, PATIENCE_MS);
    this.#reading = this.#readBatch()
      .finally(() => {
        clearTimeout(patience);
        this.#reading = undefined;
      })
      .then((isDone) => {
        if (isDone) this.#readSoon();
      });
  }

  async #readBatch(): Promise<boolean> {
    const { database, clock } = this.#options;
    const providers = [...this.#unread.keys()].slice(0, BATCH);
    const rows = await readRecords(database, providers).catch((error: unknown) =>
      this.#failed('read', error),
    );
    if (rows === undefined) {
      this.#actWithoutRecords();
      return false;
    }
    this.#succeeded();
    const now = clock();
    const found = new Map(rows.map((row) => [row.provider, row]));
    for (const provider of providers) {
      if (!this.#unread.has(provider)) continue;
      const act = this.#unread.get(provider);
      this.#unread.delete(provider);
      this.#take(provider, found.get(provider), now);
      act?.();
    }
    return true;
  }

  #take(provider: string, row: StoredRecord | undefined, now: number): void {
    // A machine without a row gets one with the next batch.
    const touchAt = row === undefined ? now : now + TOUCH_EVERY_MS - row.seenAgeMs;
    const memory = row && readMemory(row.state);
    if (row === undefined || memory === undefined) {
      if (row !== undefined) this.#reportForm(provider);
      this.#read.set(provider, { touchAt, restoredAgeMs: undefined });
      return;
    }
    this.#read.set(provider, { touchAt, restoredAgeMs: row.stateAgeMs });
    const isOwn = row.writer === this.#options.writer;
    this.#options.restore(provider, memory, { at: now - row.stateAgeMs, now, isOwn });
  }

  /** Once, because another release may have written all records. */
  #reportForm(provider: string): void {
    if (this.#isFormReported) return;
    this.#isFormReported = true;
    this.#options.log.warn(
      { provider },
      'the stored state of a machine has an unknown form: it is ignored, and so are all others like it',
    );
  }

  #actWithoutRecords(): void {
    for (const [provider, act] of this.#unread) {
      this.#unread.set(provider, undefined);
      act?.();
    }
  }

  /** Writes one batch. Resolves to whether the database took it. */
  #write(): Promise<boolean> {
    this.#writing ??= this.#writeBatch().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeBatch(): Promise<boolean> {
    const { database, writer, memoryOf, computerOf, clock } = this.#options;
    // The state in the database may be better than the state of a router that has not read it.
    const isReady = (provider: string) => this.#read.has(provider) && !this.#unread.has(provider);
    const batch = this.#unwritten.batch(BATCH, isReady);
    if (batch === undefined) return false;
    const now = clock();
    const written = await putRecords(database, { writer, batch, memoryOf, computerOf, now }).then(
      () => true,
      (error: unknown) => this.#failed('write', error),
    );
    if (written === undefined) return false;
    this.#succeeded();
    this.#unwritten.acknowledge(batch.number);
    for (const provider of batch.records.keys()) {
      const read = this.#read.get(provider);
      if (read !== undefined) this.#read.set(provider, { ...read, touchAt: now + TOUCH_EVERY_MS });
    }
    return true;
  }

  async #delete(now: number): Promise<void> {
    if (this.#isAway || now < this.#deleteAt) return;
    this.#deleteAt = now + DELETE_EVERY_MS;
    const isMore = await deleteUnseen(this.#options.database, BATCH).catch((error: unknown) =>
      this.#failed('delete', error),
    );
    if (isMore !== false) this.#deleteAt = now;
  }

  #failed(work: 'read' | 'write' | 'delete', error: unknown): undefined {
    this.#failures.inc({ work });
    if (this.#isAway) return;
    this.#isAway = true;
    this.#options.log.warn(
      { err: error, work },
      'the records of machines are out of reach in the database: routing goes on without them and tries again every few seconds',
    );
  }

  #succeeded(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#options.log.info('the records of machines can be read and written again');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    if (!this.#isAway) await this.flush();
  }
}
