import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  Ack,
  core,
  events,
  JobEnded,
  newJobId,
  Receipts,
  randomToken,
  services,
} from '#bus-schemas';
import { BusError } from '#coordinator/bus.ts';
import { receiptOf } from './jobs-under-test.ts';
import {
  KEY,
  MODEL,
  PROVIDER,
  RECEIPT_KEY,
  type Settlement,
  signed,
  startSettlementUnderTest,
} from './settlement-under-test.ts';

const JOBS = 300;
const WAIT = { timeout: 60_000, interval: 50 };
const { hold, credit, balance, verify } = services.settlement;

let settlement: Settlement;
let account: string;
beforeEach(async () => {
  settlement = await startSettlementUnderTest({ receiptGraceMs: 500 });
  account = `acct_${randomToken(12)}`;
  await settlement.bus.call(
    credit,
    { account, amountMicroUsd: 1_000 * JOBS, operation: 'start' },
    { timeoutMs: 5_000 },
  );
}, 60_000);
afterEach(() => settlement[Symbol.asyncDispose]());

/** Repeats the same request until it is answered, as an ingress does. */
async function held(job: string): Promise<void> {
  for (;;) {
    try {
      const ask = {
        job,
        account,
        key: KEY,
        model: MODEL.id,
        provider: PROVIDER,
        promptBound: 100,
        outputBound: 50,
      };
      const request = { ...ask, expiresAt: Date.now() + 600_000 };
      expect(await settlement.bus.call(hold, request, { timeoutMs: 1_000 })).toMatchObject({
        ok: true,
        heldMicroUsd: 200,
      });
      return;
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
    }
  }
}

function finish(job: string): void {
  const fact: JobEnded = {
    job,
    account,
    key: KEY,
    ingress: 'in_000000000000',
    model: MODEL.id,
    build: 'b',
    provider: PROVIDER,
    attempts: 1,
    at: 1,
    result: 'completed',
    finish: 'stop',
    streamed: true,
    deliveredTokens: 20,
    promptBound: 100,
    usage: { promptTokens: 30, cachedTokens: 0, completionTokens: 20 },
    receiptKey: RECEIPT_KEY,
    timing: { routeUs: 0, holdUs: 0, totalUs: 0 },
  };
  settlement.bus.emit(events.jobEnded, JobEnded, fact, `ended:${job}`);
}

function sendReceipt(job: string): void {
  const tokens = 20;
  const delivered = {
    tokens,
    proof: settlement.proofs.prove({ provider: PROVIDER, job, attempt: 1, tokens }),
  };
  settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, {
    receipts: [signed(receiptOf(job, { delivered }))],
  });
}

/** Runs the jobs, several at a time, and calls `interrupt` after a third of them. */
async function runJobs(end: (job: string) => void, interrupt: () => Promise<void>): Promise<void> {
  const jobs = Array.from({ length: JOBS }, newJobId);
  let interruption: Promise<void> | undefined;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < JOBS) {
      const index = next++;
      if (index >= JOBS / 3) interruption ??= interrupt();
      const job = jobs[index] as string;
      await held(job);
      end(job);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  await interruption;
}

/** Checks that each job moved exactly 70 micro-dollars, in every table. */
async function everythingSettledOnce(): Promise<void> {
  const timeoutMs = 5_000;
  await vi.waitFor(
    async () =>
      expect(await settlement.bus.call(balance, { account }, { timeoutMs })).toMatchObject({
        availableMicroUsd: 930 * JOBS,
        heldMicroUsd: 0,
      }),
    WAIT,
  );
  expect(await settlement.bus.call(verify, {}, { timeoutMs })).toMatchObject({
    ok: true,
    openHolds: 0,
  });
  const { rows } = await settlement.database.query<{ balance: string }>(
    "SELECT balance FROM ledger_accounts WHERE kind IN ('provider', 'platform') AND balance <> 0 ORDER BY kind",
  );
  expect(rows.map((row) => Number(row.balance))).toEqual([3 * JOBS, 67 * JOBS]);
  await vi.waitFor(
    async () =>
      expect((await settlement.database.query('SELECT 1 FROM settlement_outbox')).rowCount).toBe(0),
    WAIT,
  );
  const manager = await settlement.bus.manager();
  await vi.waitFor(async () => {
    const { state } = await manager.streams.info('SETTLEMENT', {
      subjects_filter: events.settlementSettled,
    });
    expect(state.subjects?.[events.settlementSettled]).toBe(JOBS);
  }, WAIT);
}

test('Postgres killed and restarted in the middle: every job is settled once and published once', async () => {
  await runJobs(finish, async () => {
    await settlement.postgres.kill();
    await settlement.postgres.restart();
  });
  await everythingSettledOnce();
}, 120_000);

test('the hub killed and restarted in the middle: every job is settled once and published once', async () => {
  await runJobs(finish, async () => {
    await settlement.hub.kill();
    await settlement.hub.restart();
  });
  await everythingSettledOnce();
}, 120_000);

test('settlement restarted in the middle: every job is settled once and published once', async () => {
  await runJobs(finish, () => settlement.restart());
  await everythingSettledOnce();
}, 120_000);

test('without reports of an ingress, and while Postgres is killed, repeated receipts settle each job once', async () => {
  const unacknowledged = new Set<string>();
  settlement.bus.subscribe({
    subject: core.down(PROVIDER, 'ack'),
    kind: Ack,
    handle: ({ receipts }) => {
      for (const { job } of receipts) unacknowledged.delete(job);
    },
  });
  await runJobs(
    (job) => {
      unacknowledged.add(job);
      sendReceipt(job);
    },
    async () => {
      await settlement.postgres.kill();
      await settlement.postgres.restart();
    },
  );
  await vi.waitFor(() => {
    for (const job of unacknowledged) sendReceipt(job);
    expect(unacknowledged.size).toBe(0);
  }, WAIT);
  await everythingSettledOnce();
}, 120_000);
