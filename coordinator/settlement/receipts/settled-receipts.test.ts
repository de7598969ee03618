import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  core,
  faultOfReceipt,
  newJobId,
  newP256Key,
  p256Signer,
  type Receipt,
  Receipts,
  services,
} from '#bus-schemas';
import { rotateReceiptKey } from '#coordinator/founding/receipt-key-files.ts';
import { ended, jobsOf, receiptOf } from '../jobs-under-test.ts';
import {
  KEY,
  OTHER_PROVIDER,
  PROVIDER,
  type Settlement,
  signed,
  startSettlementUnderTest,
} from '../settlement-under-test.ts';

let settlement: Settlement;
beforeAll(async () => {
  settlement = await startSettlementUnderTest();
}, 60_000);
afterAll(() => settlement[Symbol.asyncDispose]());

const timeoutMs = 20_000;
const { ask, fundedAccount, shows, tell } = jobsOf(() => settlement);
const sendReceipt = (receipt: Receipt, provider = PROVIDER) =>
  settlement.bus.publish(core.up(provider, 'receipt'), Receipts, { receipts: [receipt] });
const receiptFor = (account: string, job: string, key?: string) =>
  settlement.bus.call(
    services.settlement.receipt,
    { account, job, ...(key && { key }) },
    { timeoutMs },
  );

/** Settles a job of 70 micro-dollars after its providers sent the given receipts. */
async function served(...receipts: ((job: string) => void)[]) {
  const account = await fundedAccount(1_000);
  const job = newJobId();
  await ask({ job, account });
  for (const send of receipts) send(job);
  tell(ended(job, account));
  await shows(account, 930, 0);
  return { account, job };
}

test('a signed and paid job is countersigned, with the newest key in the operator’s folder', async () => {
  const { account, job } = await served((name) => sendReceipt(signed(receiptOf(name))));
  const [firstKey] = (await settlement.bus.call(services.settlement.receiptKeys, {}, { timeoutMs }))
    .keys;
  const answer = () =>
    vi
      .waitFor(async () => expect(await receiptFor(account, job)).toMatchObject({ ok: true }), {
        timeout: timeoutMs,
      })
      .then(() => receiptFor(account, job));
  const first = await answer();
  expect(first).toMatchObject({
    receipt: { job, provider: PROVIDER, charged_micro_usd: 70, coordinator_key: firstKey },
  });
  expect(first.ok && faultOfReceipt(first.receipt)).toBeUndefined();
  await rotateReceiptKey(join(settlement.home, 'keys'));
  await settlement.restart();
  const { keys } = await settlement.bus.call(services.settlement.receiptKeys, {}, { timeoutMs });
  expect([keys.length, keys[1]]).toEqual([2, firstKey]);
  const second = await answer();
  expect(second.ok && [second.receipt.coordinator_key, faultOfReceipt(second.receipt)]).toEqual([
    keys[0],
    undefined,
  ]);
});

test('receipts of both versions are countersigned as they were signed', async () => {
  for (const version of [undefined, 2] as const) {
    const { account, job } = await served((name) =>
      sendReceipt(signed({ ...receiptOf(name), ...(version && { version }) })),
    );
    const reply = await vi.waitFor(
      async () => {
        const answer = await receiptFor(account, job);
        expect(answer).toMatchObject({ ok: true });
        return answer;
      },
      { timeout: timeoutMs },
    );
    expect(reply.ok && [reply.receipt.version, faultOfReceipt(reply.receipt)]).toEqual([
      version,
      undefined,
    ]);
  }
});

test('a job whose receipt does not match its signature has no countersigned receipt', async () => {
  const otherUsage = { promptTokens: 30, cachedTokens: 0, completionTokens: 1 };
  const { account, job } = await served((name) =>
    sendReceipt({ ...signed(receiptOf(name)), usage: otherUsage }),
  );
  await vi.waitFor(
    async () => expect(await receiptFor(account, job)).toMatchObject({ ok: false, code: 'forged' }),
    { timeout: timeoutMs },
  );
});

test('a job signed with a key that the machine never showed has no countersigned receipt', async () => {
  const { account, job } = await served((name) => sendReceipt(signed(receiptOf(name))));
  await vi.waitFor(async () => expect(await receiptFor(account, job)).toMatchObject({ ok: true }), {
    timeout: timeoutMs,
  });
  const { signingKey } = settlement.trustedKey;
  settlement.trustedKey.signingKey = p256Signer(newP256Key()).publicKey;
  expect(await receiptFor(account, job)).toMatchObject({ ok: false, code: 'forged' });
  settlement.trustedKey.signingKey = signingKey;
});

test('a job that is unsigned, signed by another machine or of another account has no countersigned receipt', async () => {
  const { account, job } = await served(
    (name) => sendReceipt(receiptOf(name)),
    (name) => sendReceipt(signed(receiptOf(name)), OTHER_PROVIDER),
  );
  expect(await receiptFor(account, job)).toMatchObject({ ok: false, code: 'unsigned' });
  const whole = await served((name) => sendReceipt(signed(receiptOf(name))));
  await vi.waitFor(
    async () => expect(await receiptFor(whole.account, whole.job, KEY)).toMatchObject({ ok: true }),
    { timeout: timeoutMs },
  );
  expect(await receiptFor(whole.account, whole.job, 'key_other')).toMatchObject({
    ok: false,
    code: 'unknown_job',
  });
  expect(await receiptFor(account, whole.job)).toMatchObject({ ok: false, code: 'unknown_job' });
  expect(await receiptFor(account, newJobId())).toMatchObject({ ok: false, code: 'unknown_job' });
});
