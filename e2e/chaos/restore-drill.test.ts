import { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type ComponentName, events, SettlementSettled, services } from '#bus-schemas';
import { componentNames } from '#coordinator';
import { type ArchivedPostgres, startArchivedPostgres } from '#testcontainers';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

/** Requests before the backup, between backup and target time, and after the target time. */
const REQUESTS = 12;
/** A stream that is generated for about a second, so that the target time falls into it. */
const LONG_ANSWER_TOKENS = 500;
/** Key of the lock that a process has while it publishes the outbox (`outbox-store.ts`). */
const PUBLISHER_LOCK = 4_711_003;
/** JetStream drops repeated message ids for this time, in nanoseconds; the minimum. */
const SHORT_DUPLICATE_WINDOW = 100_000_000;

const separate = componentNames.filter((name): name is ComponentName => name !== 'ingress');

let postgres: ArchivedPostgres;
let databaseUrl: string;
let network: TestNetwork;
beforeAll(async () => {
  postgres = await startArchivedPostgres();
  databaseUrl = await postgres.createDatabase('dinf');
  network = await startTestNetwork({ providers: 2, tokenMs: 2, databaseUrl, apart: separate });
}, 120_000);
afterAll(async () => {
  await network?.[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

async function asOwner<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const rows = (statement: string) =>
  asOwner(async (client) => (await client.query<Record<string, string>>(statement)).rows);

const charges = () =>
  rows(
    'SELECT job, outcome, account, provider, prompt_tokens, completion_tokens, charged, fee FROM charges ORDER BY job',
  );
const accounts = () =>
  rows('SELECT id, balance, earned, promotional, held FROM ledger_accounts ORDER BY id');
const generations = () => rows('SELECT job, result FROM generations ORDER BY job');
const outbox = () => rows('SELECT id FROM settlement_outbox');

const messages = [{ role: 'user' as const, content: 'Is this in the backup?' }];
const askAll = (count: number) =>
  Promise.all(
    Array.from({ length: count }, () =>
      network.openai().chat.completions.create({
        model: 'sim-llama-8b',
        messages,
        max_tokens: 5,
      }),
    ),
  );

async function everyJobIsEnded(jobs: number): Promise<void> {
  await vi.waitFor(async () => expect(await charges()).toHaveLength(jobs));
  await vi.waitFor(async () => expect(await generations()).toHaveLength(jobs));
}

interface Published {
  readonly id: string;
  readonly fact: SettlementSettled;
}

/** Returns all settled facts of the stream, with their message ids. */
async function settledFacts(): Promise<Published[]> {
  const manager = await network.network.coordinator.bus.manager();
  const { state } = await manager.streams.info('SETTLEMENT');
  const facts: Published[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage('SETTLEMENT', { seq });
    if (message?.subject !== events.settlementSettled) continue;
    const id = message.header.get('Nats-Msg-Id');
    facts.push({ id, fact: SettlementSettled.decode(message.data) });
  }
  return facts;
}

async function startComponents(): Promise<void> {
  for (const name of separate) await network.apart.start(name);
}

async function stopComponents(): Promise<void> {
  for (const name of separate.toReversed()) await network.apart.stop(name);
}

test('a database restored to a time before the last jobs charges them again from JetStream, each once and with the same amounts', async () => {
  const manager = await network.network.coordinator.bus.manager();
  await manager.streams.update('SETTLEMENT', { duplicate_window: SHORT_DUPLICATE_WINDOW });
  await askAll(REQUESTS);
  await postgres.backUp();

  // The outbox at the target time has facts that are published only later.
  const { target, stream } = await asOwner(async (lock) => {
    await lock.query('SELECT pg_advisory_lock($1)', [PUBLISHER_LOCK]);
    await askAll(REQUESTS);
    const stream = await network.openai().chat.completions.create({
      model: 'sim-llama-8b',
      messages,
      max_tokens: LONG_ANSWER_TOKENS,
      stream: true,
    });
    await vi.waitFor(async () => {
      expect(await charges()).toHaveLength(2 * REQUESTS);
      expect((await rows('SELECT job FROM holds')).length).toBe(1);
    });
    const time = await lock.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
    return { target: time.rows[0]?.now ?? '', stream };
  });
  for await (const _chunk of stream);
  await askAll(REQUESTS);
  const jobs = 3 * REQUESTS + 1;
  await everyJobIsEnded(jobs);
  await vi.waitFor(async () => expect(await outbox()).toEqual([]));
  const before = {
    charges: await charges(),
    accounts: await accounts(),
    generations: await generations(),
  };
  await postgres.archiveAll();

  await stopComponents();
  await postgres.destroy();
  const destroyedAt = performance.now();
  await postgres.restore(target);
  const restoredAt = performance.now();
  const restored = await charges();
  expect(restored.length).toBeLessThan(jobs);
  const again = (await outbox()).length;
  expect(again).toBeGreaterThan(0);
  // As if the restore had taken longer than a hold lives: its job must be charged, not refunded.
  await rows("UPDATE holds SET expires_at = now() - interval '1 minute'");
  expect(await rows('SELECT job FROM holds')).toHaveLength(1);
  await startComponents();
  await everyJobIsEnded(jobs);
  await vi.waitFor(async () => expect(await outbox()).toEqual([]));
  console.log(
    `${jobs} jobs, ${jobs - restored.length} of them settled again after the restore; ${Math.round(restoredAt - destroyedAt)} ms until Postgres accepted writes, ${Math.round(performance.now() - restoredAt)} ms from then until all jobs were settled`,
  );

  expect(await charges()).toEqual(before.charges);
  expect(await accounts()).toEqual(before.accounts);
  expect(await generations()).toEqual(before.generations);
  const { bus } = network.network.coordinator;
  const call = { timeoutMs: 10_000 };
  expect(await bus.call(services.settlement.verify, { full: true }, call)).toMatchObject({
    ok: true,
    openHolds: 0,
    parked: 0,
  });

  // A consumer that counts each message id once gets the sum of the charges.
  const facts = await settledFacts();
  const byId = Map.groupBy(facts, ({ id }) => id);
  expect([...byId.values()].filter(({ length }) => length > 1).length).toBeGreaterThan(0);
  for (const [id, copies] of byId) {
    expect(id).toBe(`settled:${copies[0]?.fact.job}`);
    expect(new Set(copies.map(({ fact }) => amountsOf(fact))).size).toBe(1);
  }
  const published = [...byId.values()].map(([copy]) => copy?.fact.chargedMicroUsd ?? 0);
  expect(sum(published)).toBe(sum(before.charges.map(({ charged }) => Number(charged))));

  // A second start reads the same facts again and changes nothing; new requests are served.
  await stopComponents();
  await startComponents();
  await vi.waitFor(async () => expect(await askAll(1)).toHaveLength(1));
  await everyJobIsEnded(jobs + 1);
  await network.expectMoneyBalances();
}, 180_000);

const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0);

const amountsOf = ({ at, heldMicroUsd, ...fact }: SettlementSettled): string =>
  JSON.stringify(fact);
