import { afterAll, beforeAll, expect, test } from 'vitest';
import { newJobId, randomToken } from '#bus-schemas';
import { transaction } from '#coordinator/sql.ts';
import { lockWaits } from '#testcontainers';
import { digestOf } from '../core/digest.ts';
import { ended, jobsOf, newAccount } from '../jobs-under-test.ts';
import { LedgerStore, type Posting } from '../ledger/ledger-store.ts';
import { type Settlement, startSettlementUnderTest } from '../settlement-under-test.ts';

let settlement: Settlement;
let ledger: LedgerStore;
const jobs = jobsOf(() => settlement);
beforeAll(async () => {
  settlement = await startSettlementUnderTest();
  ledger = new LedgerStore(settlement.database, Date.now);
}, 60_000);
afterAll(() => settlement?.[Symbol.asyncDispose]());

interface Parts {
  readonly kind: Posting['kind'];
  readonly amount: number;
  readonly earned?: number;
}

const posting = (account: string, { kind, amount, earned = 0 }: Parts): Posting => ({
  operation: `${kind}:${randomToken(12)}`,
  kind,
  digest: digestOf([account, amount]),
  entries: [
    { account: `consumer:${account}`, kind: 'consumer', amount, earned },
    { account: 'external:stripe', kind: 'external', amount: -amount },
  ],
});

/** A charge of 70 micro-dollars is written while these movements of the account are not committed. */
async function chargeBeside(
  before: readonly Parts[],
  meanwhile: Parts,
): Promise<{ balance: number; earned: number; held: number }> {
  const account = newAccount();
  for (const parts of before) await ledger.post(posting(account, parts));
  const job = newJobId();
  expect(await jobs.ask({ job, account })).toMatchObject({ ok: true, heldMicroUsd: 200 });
  await transaction(settlement.database, async (client) => {
    expect(await ledger.post(posting(account, meanwhile), client)).toBe(true);
    jobs.tell(ended(job, account));
    // Nothing else uses the database, so what waits for the account is the end of the job.
    await expect.poll(() => lockWaits(settlement.database), { timeout: 20_000 }).toBe(1);
  });
  await expect
    .poll(async () => (await jobs.balanceOf(account)).heldMicroUsd, { timeout: 20_000 })
    .toBe(0);
  const { rows } = await settlement.database.query<{
    balance: number;
    earned: number;
    held: number;
  }>('SELECT balance::int, earned::int, held::int FROM ledger_accounts WHERE id = $1', [
    `consumer:${account}`,
  ]);
  return rows[0] as (typeof rows)[0];
}

const EARNED: Parts = { kind: 'withdrawal_returned', amount: 1_000, earned: 1_000 };

test('money that is deposited while a job ends pays for it', async () => {
  const balance = await chargeBeside([EARNED], { kind: 'deposit', amount: 5_000 });
  expect(balance).toEqual({ balance: 5_930, earned: 1_000, held: 0 });
});

test('a job whose bought money is taken back while it ends is paid from earned money', async () => {
  const balance = await chargeBeside([{ kind: 'deposit', amount: 5_000 }, EARNED], {
    kind: 'payment_reversed',
    amount: -5_000,
  });
  expect(balance).toEqual({ balance: 930, earned: 930, held: 0 });
});
