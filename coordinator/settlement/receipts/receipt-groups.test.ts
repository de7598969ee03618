import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  core,
  faultOfReceipt,
  type JobEnded,
  newJobId,
  type Receipt,
  Receipts,
  services,
} from '#bus-schemas';
import { ended, jobsOf, receiptOf } from '../jobs-under-test.ts';
import {
  PROVIDER,
  type Settlement,
  signedTogether,
  startSettlementUnderTest,
} from '../settlement-under-test.ts';

let settlement: Settlement;
beforeAll(async () => {
  settlement = await startSettlementUnderTest();
}, 60_000);
afterAll(() => settlement[Symbol.asyncDispose]());

const timeoutMs = 20_000;
const { ask, fundedAccount, shows, tell } = jobsOf(() => settlement);
const sendReceipts = (receipts: Receipt[]) =>
  settlement.bus.publish(core.up(PROVIDER, 'receipt'), Receipts, { receipts });

interface Asked {
  readonly account: string;
  readonly job: string;
}

const askSeveral = (count: number): Promise<Asked[]> =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const asked = { account: await fundedAccount(1_000), job: newJobId() };
      await ask(asked);
      return asked;
    }),
  );
const receiptFor = (asked: Asked) =>
  settlement.bus.call(services.settlement.receipt, asked, { timeoutMs });
/** The end of a job whose ingress got no receipt that it could check. */
const withoutReceipt = ({ account, job }: Asked): JobEnded => {
  const { receiptKey: _, ...fact } = ended(job, account);
  return fact;
};
const moreTokens = { promptTokens: 30, cachedTokens: 0, completionTokens: 21 };

test('receipts of a group are stored and countersigned one by one, and each is valid alone', async () => {
  const jobs = await askSeveral(5);
  sendReceipts(signedTogether(jobs.map(({ job }) => receiptOf(job))));
  for (const { account, job } of jobs) tell(ended(job, account));
  for (const [index, asked] of jobs.entries()) {
    await shows(asked.account, 930, 0);
    const answer = await vi.waitFor(
      async () => {
        const told = await receiptFor(asked);
        if (!told.ok) throw new Error(told.code);
        return told;
      },
      { timeout: timeoutMs },
    );
    expect(answer.receipt).toMatchObject({ job: asked.job, group: { index, size: 5 } });
    expect(faultOfReceipt(answer.receipt)).toBeUndefined();
    const text = JSON.stringify(answer.receipt);
    for (const { job } of jobs) expect(text.includes(job)).toBe(job === asked.job);
  }
});

test('one forged receipt of a group is not paid, and the others are', async () => {
  const jobs = await askSeveral(4);
  const receipts = signedTogether(jobs.map(({ job }) => receiptOf(job)));
  sendReceipts(
    receipts.map((each, index) => (index === 2 ? { ...each, usage: moreTokens } : each)),
  );
  for (const asked of jobs) tell(withoutReceipt(asked));
  for (const [index, { account }] of jobs.entries())
    await shows(account, index === 2 ? 1_000 : 930, 0);
  expect(await receiptFor(jobs[2] as Asked)).toMatchObject({ ok: false });
});

test('a receipt with the place of another one of its group is not paid', async () => {
  const [one, other] = (await askSeveral(2)) as [Asked, Asked];
  const [first, second] = signedTogether([receiptOf(one.job), receiptOf(other.job)]) as [
    Receipt,
    Receipt,
  ];
  sendReceipts([{ ...first, ...(second.group && { group: second.group }) }, second]);
  for (const asked of [one, other]) tell(withoutReceipt(asked));
  await shows(other.account, 930, 0);
  await shows(one.account, 1_000, 0);
});
