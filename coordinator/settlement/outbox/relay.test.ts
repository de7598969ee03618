import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { events, newJobId, SettlementPosted, SettlementSettled, services } from '#bus-schemas';
import { ended, jobsOf } from '../jobs-under-test.ts';
import { type Settlement, startSettlementUnderTest } from '../settlement-under-test.ts';
import { OutboxStore } from './outbox-store.ts';
import { OutboxRelay } from './relay.ts';

let settlement: Settlement;
beforeAll(async () => {
  settlement = await startSettlementUnderTest();
}, 60_000);
afterAll(() => settlement[Symbol.asyncDispose]());

const timeoutMs = 20_000;
const { ask, fundedAccount, tell } = jobsOf(() => settlement);
const waiting = async () =>
  (await settlement.database.query('SELECT 1 FROM settlement_outbox WHERE parked_at IS NULL'))
    .rowCount;

async function everyFact<T>(subject: string, decode: (data: Uint8Array) => T): Promise<T[]> {
  await vi.waitFor(async () => expect(await waiting()).toBe(0), { timeout: timeoutMs });
  const manager = await settlement.bus.manager();
  const { state } = await manager.streams.info('SETTLEMENT');
  const facts: T[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage('SETTLEMENT', { seq }).catch(() => undefined);
    if (message?.subject === subject) facts.push(decode(message.data));
  }
  return facts;
}

test('the facts of one account are published once, in the order in which they happened', async () => {
  const account = await fundedAccount(1_000_000);
  const jobs = Array.from({ length: 40 }, () => newJobId());
  for (const job of jobs) {
    await ask({ job, account });
    tell(ended(job, account));
  }
  await vi.waitFor(
    async () =>
      expect(
        (await settlement.database.query('SELECT 1 FROM charges WHERE account = $1', [account]))
          .rowCount,
      ).toBe(40),
    {
      timeout: timeoutMs,
    },
  );
  const published = (await everyFact(events.settlementSettled, SettlementSettled.decode)).filter(
    (fact) => fact.account === account,
  );
  expect(published.map(({ job }) => job)).toEqual(jobs);
  const deposits = (await everyFact(events.settlementPosted, SettlementPosted.decode)).filter(
    ({ operation }) => operation.includes(account),
  );
  expect(deposits).toMatchObject([
    { kind: 'deposit', entries: [{ amountMicroUsd: 1_000_000 }, { amountMicroUsd: -1_000_000 }] },
  ]);
});

test('a fact of another process, which nudges no relay here, is published by the next poll', async () => {
  await fundedAccount(79);
  const facts = () => everyFact(events.settlementPosted, (data) => Buffer.from(data));
  const before = await facts();
  await settlement.database.query(
    'INSERT INTO settlement_outbox (subject, message_ids, payloads) VALUES ($1, $2, $3)',
    [events.settlementPosted, ['of another process'], before.slice(0, 1)],
  );
  expect(await facts()).toEqual([...before, before[0]]);
});

test('a fact that the stream keeps refusing is parked and listed, delays no other, and is published on replay', async () => {
  const manager = await settlement.bus.manager();
  const limit = async (max_msg_size: number) =>
    void (await manager.streams.update('SETTLEMENT', { max_msg_size }));
  const alerts: string[] = [];
  const store = new OutboxStore(settlement.database);
  await using relay = new OutboxRelay({
    bus: settlement.bus,
    store,
    log: pino({ level: 'silent' }),
    firstPauseMs: 1,
    alerts: { raise: (alert, subject) => void alerts.push(`${alert} ${subject}`) },
  });
  const parked = async () =>
    (await settlement.bus.call(services.settlement.parked, {}, { timeoutMs })).rows;
  await limit(64);
  const account = await fundedAccount(77);
  relay.nudge();
  await vi.waitFor(
    async () =>
      expect(await parked()).toMatchObject([{ subject: events.settlementPosted, messages: 1 }]),
    { timeout: timeoutMs },
  );
  expect(alerts).toHaveLength(1);
  await limit(-1);
  const later = await fundedAccount(78);
  const posted = async () =>
    (await everyFact(events.settlementPosted, SettlementPosted.decode)).map(
      ({ operation }) => operation,
    );
  expect(await posted()).toContain(`deposit:${later}`);
  expect(await posted()).not.toContain(`deposit:${account}`);
  expect(await settlement.bus.call(services.settlement.replay, {}, { timeoutMs })).toMatchObject({
    rows: 1,
  });
  expect(await posted()).toContain(`deposit:${account}`);
  expect(await parked()).toEqual([]);
}, 60_000);
