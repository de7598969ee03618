import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  earn,
  newAccount,
  onboard,
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

/** An account that bought 5 dollars with a card and earned 10, all of which has matured. */
async function buyer() {
  const account = newAccount();
  await earn(under, account, 10 * DOLLAR);
  await onboard(under, account);
  const answer = await under.payments.checkout({
    account,
    amountMicroUsd: 5 * DOLLAR,
    operation: 'first',
    ...RETURN_URLS,
  });
  if (!answer.ok) throw new Error(answer.code);
  const paid = under.stripe.bank.pay(answer.session);
  return { account, paid, ...under.stripe.bank.dispute(answer.session, 500) };
}
const tell = (event: Parameters<typeof under.stripe.sign>[0]) =>
  under.payments.webhook(under.stripe.sign(event));
const withdrawable = async (account: string) => (await under.ledger.balance(account)).withdrawable;
const withdraw = (account: string, operation: string) =>
  under.payments.withdraw({ account, amountMicroUsd: 2 * DOLLAR, instant: false, operation });

test('an account withdraws nothing while a deposit is disputed, and again once it is won', async () => {
  const { account, paid, dispute, event } = await buyer();
  await tell(paid);
  expect(await withdrawable(account)).toBe(10 * DOLLAR);
  expect(await tell(event)).toEqual({ ok: true, result: 'applied' });
  expect(await tell(event)).toEqual({ ok: true, result: 'known' });
  expect(await withdraw(account, 'meanwhile')).toEqual({ ok: false, code: 'insufficient_funds' });
  await tell(under.stripe.bank.closeDispute(dispute, 'won'));
  expect(await withdrawable(account)).toBe(10 * DOLLAR);
  expect(await withdraw(account, 'afterwards')).toMatchObject({ ok: true });
});

test('the amount of a lost dispute cannot be withdrawn, in whatever order its events come', async () => {
  const { account, dispute, event } = await buyer();
  // The end of the dispute arrives first, and the event of the deposit never.
  expect(await tell(under.stripe.bank.closeDispute(dispute, 'lost'))).toMatchObject({ ok: true });
  expect(await tell(event)).toEqual({ ok: true, result: 'known' });
  expect(await under.ledger.balance(account)).toMatchObject({
    available: 15 * DOLLAR,
    withdrawable: 5 * DOLLAR,
  });
});

test('a dispute is delivered again when Stripe cannot be asked for its session', async () => {
  const { account, event } = await buyer();
  under.stripe.fault('GET', /checkout\/sessions$/, 'error_500');
  expect(await tell(event)).toEqual({ ok: false, code: 'later' });
  expect(await tell(event)).toEqual({ ok: true, result: 'applied' });
  expect(await withdrawable(account)).toBe(0);
});
