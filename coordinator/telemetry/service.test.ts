import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Pool } from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { consumers, events, JobEnded, newJobId, services } from '#bus-schemas';
import { Bus } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import { readConfig } from '#coordinator/config.ts';
import { connectDatabase } from '#coordinator/database.ts';
import { ensureStreams } from '#coordinator/streams.ts';
import type { NatsNode } from '#network';
import { startTestDatabase, startTestHub } from '#testcontainers';
import { startTelemetry } from './service.ts';

const stack = new AsyncDisposableStack();
const { stream, name } = consumers.telemetryJobs;
/** Tokens of each published job. */
const TOKENS = 5;
const poll = { timeout: 20_000, interval: 50 };

let hub: NatsNode;
let databaseUrl: string;
let database: Pool;
let bus: Bus;

beforeAll(async () => {
  hub = stack.use(await startTestHub());
  databaseUrl = stack.use(await startTestDatabase()).databaseUrl;
  // This pool connects as the owner of the tables, because components may not lock tables or end
  // connections.
  database = new Pool({ connectionString: databaseUrl, max: 4 });
  // Postgres stops before the last socket of the pool is closed, which the pool reports as an
  // error.
  database.on('error', () => undefined);
  stack.defer(() => database.end());
  bus = new Bus(await connectionIn(stack));
  await ensureStreams(bus);
  await shortenAckWait();
}, 60_000);
afterAll(() => stack.disposeAsync());
afterEach(async () => {
  const { rows } = await database.query<{ rows: string; counted: string; tokens: string }>(
    `SELECT (SELECT count(*) FROM generations) AS rows,
       (SELECT coalesce(sum(jobs), 0) FROM hourly_stats) AS counted,
       (SELECT coalesce(sum(delivered_tokens), 0) FROM hourly_stats) AS tokens`,
  );
  const jobs = rows[0]?.rows;
  expect(rows, 'each job is counted once in the statistics by hour').toEqual([
    { rows: jobs, counted: jobs, tokens: String(TOKENS * Number(jobs)) },
  ]);
});

/**
 * Shortens the wait after which the hub delivers the facts of a killed process again, from ten
 * seconds to four. Newer facts are stored before that.
 */
async function shortenAckWait(): Promise<void> {
  await (await bus.manager()).consumers.update(stream, name, { ack_wait: 4_000_000_000 });
}

function connectPool(owner: AsyncDisposableStack): Pool {
  const pool = connectDatabase(databaseUrl, { max: 4 });
  pool.on('error', () => undefined);
  owner.defer(async () => void (pool.ended || (await pool.end())));
  return pool;
}

async function connectionIn(owner: AsyncDisposableStack): Promise<NatsConnection> {
  const connection = await connect({ servers: hub.clientUrl });
  owner.defer(() => connection.close());
  return connection;
}

interface Process extends AsyncDisposable {
  readonly pool: Pool;
  readonly connection: NatsConnection;
  /** Returns the number of jobs in this process's own Prometheus counter. */
  jobsCounted(): Promise<number>;
}

/** Starts telemetry with connections of its own, like a separate process. */
async function startProcess(): Promise<Process> {
  await using own = new AsyncDisposableStack();
  const pool = connectPool(own);
  const connection = await connectionIn(own);
  const metrics = new Registry();
  const context = {
    bus: new Bus(connection),
    database: pool,
    config: readConfig({}),
    log: pino({ level: 'silent' }),
    metrics,
    now: Date.now,
  };
  const component: Component = own.use(await startTelemetry(context));
  expect(component.name).toBe('telemetry');
  const owned = own.move();
  return {
    pool,
    connection,
    jobsCounted: async () =>
      ((await metrics.getSingleMetric('dinf_jobs_total')?.get())?.values ?? []).reduce(
        (sum, { value }) => sum + value,
        0,
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Publishes the ends of `count` jobs and returns the ids of the jobs. */
async function publishEnds(count: number): Promise<string[]> {
  const jobs = Array.from({ length: count }, () => newJobId());
  for (const job of jobs) {
    const fact: JobEnded = {
      job,
      account: 'acct_telemetry',
      key: 'key_test',
      ingress: 'in_000000000000',
      model: 'sim',
      build: 'sim-build',
      provider: `A${'P'.repeat(55)}`,
      attempts: 1,
      result: 'completed',
      at: Date.now(),
      streamed: true,
      deliveredTokens: TOKENS,
      promptBound: 100,
      timing: { routeUs: 0, holdUs: 0, totalUs: 0 },
    };
    await bus.jetstream.publish(events.jobEnded, JobEnded.encode(fact), { msgID: `ended:${job}` });
  }
  return jobs.toSorted();
}

const stored = async (jobs: readonly string[]) =>
  (
    await database.query<{ job: string }>(
      'SELECT job FROM generations WHERE job = ANY($1) ORDER BY job',
      [jobs],
    )
  ).rows
    .map(({ job }) => job)
    .toSorted();

/**
 * Starts a process that has read the ends of `count` jobs and waits for the database to write them.
 */
async function readButNotWritten(count: number) {
  const lock = await database.connect();
  await lock.query('BEGIN; LOCK TABLE generations IN SHARE MODE');
  const victim = await startProcess();
  const jobs = await publishEnds(count);
  const waiting = async () =>
    Number(
      (
        await database.query(
          "SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND relation = 'generations'::regclass",
        )
      ).rows[0].n,
    );
  await expect.poll(waiting, poll).toBe(1);
  const unlock = async () => {
    await lock.query('ROLLBACK');
    lock.release();
  };
  return { victim, jobs, unlock };
}

test('facts that a process read and did not write before it was killed are written once, after newer ones', async () => {
  const { victim, jobs, unlock } = await readButNotWritten(3);
  await victim.connection.close();
  await database.query('SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted');
  const ended = victim.pool.end();
  await unlock();
  await ended;

  await using next = await startProcess();
  const newer = await publishEnds(3);
  await expect.poll(() => stored(newer), poll).toEqual(newer);
  await expect
    .poll(() => stored([...jobs, ...newer]), poll)
    .toEqual([...jobs, ...newer].toSorted());
  await expect.poll(() => next.jobsCounted(), poll).toBe(6);
  await victim[Symbol.asyncDispose]();
});

test('facts that a process wrote and did not acknowledge before it was killed are not counted again', async () => {
  const { victim, jobs, unlock } = await readButNotWritten(3);
  await victim.connection.close();
  await unlock();
  await expect.poll(() => stored(jobs), poll).toEqual(jobs);

  await using next = await startProcess();
  const newer = await publishEnds(2);
  const info = async () => (await bus.manager()).consumers.info(stream, name);
  await expect
    .poll(async () => (await info()).num_ack_pending + (await info()).num_pending, poll)
    .toBe(0);
  expect(await stored([...jobs, ...newer])).toEqual([...jobs, ...newer].toSorted());
  expect(await next.jobsCounted()).toBe(newer.length);
  await victim[Symbol.asyncDispose]();
});

test('every fact is written once after JetStream’s store was replaced and the database was not', async () => {
  const first = await startProcess();
  const before = await publishEnds(8);
  await expect.poll(() => stored(before), poll).toEqual(before);
  await first[Symbol.asyncDispose]();
  const manager = await bus.manager();
  await manager.streams.delete(stream);
  await ensureStreams(bus);
  await shortenAckWait();
  await using second = await startProcess();
  const after = await publishEnds(4);
  await expect
    .poll(() => stored([...before, ...after]), poll)
    .toEqual([...before, ...after].toSorted());
  await expect.poll(() => second.jobsCounted(), poll).toBe(after.length);
});

test('facts that the stream removed before telemetry read them are counted as lost and reported to the ingress', async () => {
  const manager = await bus.manager();
  await publishEnds(5);
  await manager.streams.update(stream, { max_msgs: 2 });
  await using own = new AsyncDisposableStack();
  const metrics = new Registry();
  const context = {
    bus: new Bus(await connectionIn(own)),
    database: connectPool(own),
    config: readConfig({}),
    log: pino({ level: 'silent' }),
    metrics,
    now: Date.now,
  };
  own.use(await startTelemetry(context));
  const lost = async () =>
    (await metrics.getSingleMetric('dinf_telemetry_facts_lost_total')?.get())?.values.find(
      ({ labels }) => labels['stream'] === stream,
    )?.value;
  await expect.poll(lost, poll).toBe(3);
  const { streams } = await bus.call(services.telemetry.losses, {}, { timeoutMs: poll.timeout });
  const [loss] = streams;
  expect(streams).toEqual([
    { stream, facts: 3, firstAt: loss?.lastAt, lastAt: expect.closeTo(Date.now(), -6) },
  ]);
});
