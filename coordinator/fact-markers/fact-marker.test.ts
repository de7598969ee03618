import { connect } from '@nats-io/transport-node';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { consumers, events } from '#bus-schemas';
import { Bus } from '#coordinator/bus.ts';
import { connectDatabase } from '#coordinator/database.ts';
import { ensureStreams } from '#coordinator/streams.ts';
import { startTestDatabase, startTestHub, type TestDatabase } from '#testcontainers';
import { FactMarker } from './fact-marker.ts';

const consumer = consumers.settlementJobs;
const stack = new AsyncDisposableStack();
let postgres: TestDatabase;
let database: Pool;
let bus: Bus;

beforeAll(async () => {
  const hub = stack.use(await startTestHub());
  postgres = stack.use(await startTestDatabase());
  database = connectDatabase(postgres.databaseUrl, { max: 4 });
  database.on('error', () => undefined);
  stack.defer(() => database.end());
  const connection = await connect({ servers: hub.clientUrl });
  stack.defer(() => connection.close());
  bus = new Bus(connection);
}, 60_000);
afterAll(() => stack.disposeAsync());
beforeEach(async () => {
  const manager = await bus.manager();
  await ensureStreams(bus);
  await manager.streams.delete(consumer.stream);
  await ensureStreams(bus);
  await database.query('DELETE FROM fact_markers');
});

/** Publishes facts, and reads and acknowledges them as the durable consumer. */
async function publishAcknowledged(texts: readonly string[]): Promise<void> {
  for (const text of texts) await bus.jetstream.publish(events.jobEnded, text);
  const durable = await bus.jetstream.consumers.get(consumer.stream, consumer.name);
  const messages = await durable.fetch({ max_messages: texts.length });
  for await (const message of messages) await message.ackAck();
}

/** A process that starts, and records the facts that it reads again. */
function startProcess({ log = pino({ level: 'silent' }) } = {}) {
  const read: string[] = [];
  const marker = new FactMarker({
    bus,
    database,
    log,
    consumer,
    store: async (facts) => void read.push(...facts.map((fact) => fact.string())),
  });
  return { read, marker, [Symbol.asyncDispose]: () => marker[Symbol.asyncDispose]() };
}

async function storedMarker(): Promise<number> {
  const { rows } = await database.query<{ sequence: string }>('SELECT sequence FROM fact_markers');
  return Number(rows[0]?.sequence ?? -1);
}

test('a process that starts reads the facts after the marker again, and moves the marker behind them', async () => {
  await publishAcknowledged(['a', 'b']);
  {
    await using first = startProcess();
    await first.marker.complete();
    expect(first.read).toEqual(['a', 'b']);
  }
  expect(await storedMarker()).toBe(2);
  // The database is restored to a time before these two, which JetStream has as acknowledged.
  await publishAcknowledged(['c', 'd']);
  await using second = startProcess();
  await second.marker.complete();
  expect(second.read).toEqual(['c', 'd']);
  await vi.waitFor(async () => expect(await storedMarker()).toBe(4));
});

test('facts that no process has acknowledged are read too, and the marker stays before them', async () => {
  await publishAcknowledged(['a']);
  await bus.jetstream.publish(events.jobEnded, 'unread');
  await using process = startProcess();
  await process.marker.complete();
  expect(process.read).toEqual(['a', 'unread']);
  await vi.waitFor(async () => expect(await storedMarker()).toBe(1));
});

test('a process that goes on after its database was replaced reads the facts after the marker again', async () => {
  await publishAcknowledged(['a']);
  await using process = startProcess();
  await process.marker.complete();
  await vi.waitFor(async () => expect(await storedMarker()).toBe(1));
  await publishAcknowledged(['b']);
  expect(process.read).toEqual(['a']);
  await postgres.restart();
  await vi.waitFor(() => process.marker.complete());
  expect(process.read).toEqual(['a', 'b']);
});

test('all facts of a new stream are read, even if the marker of the old stream is higher', async () => {
  await publishAcknowledged(['a', 'b', 'c']);
  {
    await using first = startProcess();
    await first.marker.complete();
  }
  await (await bus.manager()).streams.delete(consumer.stream);
  await ensureStreams(bus);
  await publishAcknowledged(['x']);
  await using second = startProcess();
  await second.marker.complete();
  expect(second.read).toEqual(['x']);
  await vi.waitFor(async () => expect(await storedMarker()).toBe(1));
});

test('facts after the marker that the stream has removed are reported', async () => {
  await publishAcknowledged(['a']);
  {
    await using first = startProcess();
    await first.marker.complete();
  }
  await publishAcknowledged(['b', 'c', 'd']);
  await (await bus.manager()).streams.purge(consumer.stream, { seq: 4 });
  const lines: { msg: string; from?: number; until?: number }[] = [];
  const log = pino({}, { write: (line) => void lines.push(JSON.parse(line)) });
  await using second = startProcess({ log });
  await second.marker.complete();
  expect(second.read).toEqual(['d']);
  expect(lines.filter(({ msg }) => msg.includes('no longer has facts'))).toMatchObject([
    { from: 2, until: 3 },
  ]);
});

test('no server counts as complete while the stream cannot be read', async () => {
  await (await bus.manager()).streams.delete(consumer.stream);
  await using process = startProcess();
  await expect(process.marker.complete()).rejects.toThrow('stream not found');
  await ensureStreams(bus);
  await process.marker.complete();
  expect(process.read).toEqual([]);
});

test('several hundred facts are read in batches, each once and in order', async () => {
  const texts = Array.from({ length: 700 }, (_, index) => String(index));
  await publishAcknowledged(texts);
  await using process = startProcess();
  await process.marker.complete();
  expect(process.read).toEqual(texts);
});
