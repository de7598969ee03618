import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultKind } from '#testcontainers';
import {
  newAccount,
  type PaymentsUnderTest,
  RETURN_URLS,
  startPaymentsUnderTest,
} from './payments-under-test.ts';

const DOLLAR = 1_000_000;

let under: PaymentsUnderTest;
beforeAll(async () => {
  under = await startPaymentsUnderTest();
}, 60_000);
afterAll(() => under[Symbol.asyncDispose]());

async function order(account: string, amountMicroUsd: number): Promise<string> {
  const asked = { account, amountMicroUsd, operation: `of-${amountMicroUsd}`, ...RETURN_URLS };
  const made = await under.payments.checkout(asked);
  if (!made.ok) throw new Error(made.code);
  return made.session;
}
const deposits = async (account: string) => (await under.payments.deposits(account)).deposits;

test('deposits are listed with their state and what was paid back, newest first', async () => {
  const { payments, stripe } = under;
  const account = newAccount();
  const paid = await order(account, 5 * DOLLAR);
  await payments.webhook(stripe.sign(stripe.bank.pay(paid)));
  await order(account, 7 * DOLLAR);
  const expired = await order(account, 9 * DOLLAR);
  await payments.webhook(stripe.sign(stripe.bank.expire(expired)));
  await payments.webhook(stripe.sign(stripe.bank.refund(paid, 200)));
  expect(await deposits(account)).toMatchObject([
    { amountMicroUsd: 9 * DOLLAR, state: 'expired' },
    { amountMicroUsd: 7 * DOLLAR, state: 'pending', returnedMicroUsd: 0 },
    { amountMicroUsd: 5 * DOLLAR, state: 'paid', returnedMicroUsd: 2 * DOLLAR },
  ]);
});

test('only the payer gets the receipt, and only of a paid deposit', async () => {
  const { payments, stripe } = under;
  const account = newAccount();
  const session = await order(account, 5 * DOLLAR);
  const [{ deposit = '' } = {}] = await deposits(account);
  const unknown = { ok: false, code: 'unknown' };
  expect(await payments.depositReceipt({ account, deposit })).toEqual(unknown);
  await payments.webhook(stripe.sign(stripe.bank.pay(session)));
  const receipt = await payments.depositReceipt({ account, deposit });
  expect(receipt).toMatchObject({
    ok: true,
    deposit: { deposit, amountMicroUsd: 5 * DOLLAR, state: 'paid' },
  });
  expect(receipt.ok && receipt.receiptUrl).toBe(
    `https://pay.example/receipts/${receipt.ok && receipt.payment}`,
  );
  expect(await payments.depositReceipt({ account: newAccount(), deposit })).toEqual(unknown);
});

test.each<FaultKind>(['lost_request', 'lost_answer', 'error_500', 'error_429', 'rejected'])(
  'after %s of Stripe the receipt is unavailable, and the next call has it',
  async (kind) => {
    const { payments, stripe } = under;
    const account = newAccount();
    await payments.webhook(stripe.sign(stripe.bank.pay(await order(account, 5 * DOLLAR))));
    const [{ deposit = '' } = {}] = await deposits(account);
    stripe.fault('GET', /checkout/, kind, 2);
    expect(await payments.depositReceipt({ account, deposit })).toEqual({
      ok: false,
      code: 'unavailable',
    });
    stripe.clearFaults();
    expect(await payments.depositReceipt({ account, deposit })).toMatchObject({ ok: true });
  },
);
