import { afterAll, beforeAll, expect, test } from 'vitest';
import { newJobId } from '#bus-schemas';
import { digestOf } from '../core/digest.ts';
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

/** Creates an account that has earned 10 dollars, all matured, and bought 5 dollars with a card. */
async function newBuyer() {
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
  const { session } = answer;
  return { account, paid, session };
}
async function buyer() {
  const { account, paid, session } = await newBuyer();
  return { account, paid, ...under.stripe.bank.dispute(session, 500) };
}
async function bought() {
  const { account, paid, session } = await newBuyer();
  await tell(paid);
  return { account, session };
}
const tell = (event: Parameters<typeof under.stripe.sign>[0]) =>
  under.payments.webhook(under.stripe.sign(event));
/** Checks that the books balance and that Stripe has the money that they state. */
async function expectBooks({ openHolds = 0 } = {}) {
  expect(await under.payments.drift()).toBe(0);
  expect(await under.ledger.verify(true)).toMatchObject({
    unbalancedTransactions: 0,
    driftedBalances: 0,
    negativeBalances: 0,
    openHolds,
  });
}
/** Requests a hold of one dollar as settlement does. */
async function hold(account: string): Promise<string> {
  const { rows } = await under.database.query<{ results: string[] | null }>(
    `SELECT results FROM ledger_hold(ARRAY[$1], ARRAY['key'], ARRAY[$2], ARRAY[1], ARRAY[1], ARRAY['m'], ARRAY[NULL], ARRAY[NULL],
      ARRAY[1], ARRAY[1], ARRAY[1], ARRAY[1000000], ARRAY[0], ARRAY[0], ARRAY[NULL], 'x', ARRAY[1], ARRAY[false], ARRAY[now()], true)`,
    [account, newJobId()],
  );
  return rows[0]?.results?.[0] ?? 'held';
}
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

test('a lost dispute takes the payment back, in whatever order its events come', async () => {
  const { account, dispute, event } = await buyer();
  // The end of the dispute arrives first, and the event of the deposit never arrives.
  expect(await tell(under.stripe.bank.closeDispute(dispute, 'lost'))).toMatchObject({ ok: true });
  expect(await tell(event)).toEqual({ ok: true, result: 'known' });
  expect(await under.ledger.balance(account)).toMatchObject({
    available: 10 * DOLLAR,
    owed: 0,
    withdrawable: 10 * DOLLAR,
  });
  await expectBooks();
});

test('an open dispute takes the payment back, and a won one gives it back once', async () => {
  const { account, dispute, event, paid } = await buyer();
  for (const each of [paid, event, event]) await tell(each);
  expect((await under.ledger.balance(account)).available).toBe(10 * DOLLAR);
  const end = under.stripe.bank.closeDispute(dispute, 'won');
  for (const each of [end, event, end]) await tell(each);
  expect((await under.ledger.balance(account)).available).toBe(15 * DOLLAR);
  await expectBooks();
});

test('an inquiry of the bank stops withdrawals and takes no money', async () => {
  const { account, session } = await bought();
  const { dispute, event } = under.stripe.bank.dispute(session, 500, 'warning_needs_response');
  await tell(event);
  expect(await under.ledger.balance(account)).toMatchObject({
    available: 15 * DOLLAR,
    withdrawable: 0,
  });
  await tell(under.stripe.bank.closeDispute(dispute, 'warning_closed'));
  expect(await withdrawable(account)).toBe(10 * DOLLAR);
  await expectBooks();
});

test('refunds are taken back once for each cent, up to the refunded sum', async () => {
  const { account, session } = await bought();
  const first = under.stripe.bank.refund(session, 100);
  const second = under.stripe.bank.refund(session, 250);
  // The second event has the sum of both refunds, so the first one arrives too late to change
  // anything.
  expect(await tell(second)).toEqual({ ok: true, result: 'applied' });
  expect(await tell(first)).toEqual({ ok: true, result: 'known' });
  expect((await under.ledger.balance(account)).available).toBe(11.5 * DOLLAR);
  await tell(under.stripe.bank.refund(session, 150));
  expect((await under.ledger.balance(account)).available).toBe(10 * DOLLAR);
  await expectBooks();
});

test('a disputed payment that was spent is a debt: no holds and no withdrawals until it is paid', async () => {
  const account = newAccount();
  const pay = async (operation: string) => {
    const answer = await under.payments.checkout({
      account,
      amountMicroUsd: 5 * DOLLAR,
      operation,
      ...RETURN_URLS,
    });
    if (!answer.ok) throw new Error(answer.code);
    await tell(under.stripe.bank.pay(answer.session));
    return answer.session;
  };
  const session = await pay('first');
  const spend = {
    operation: `spend:${account}`,
    kind: 'credit' as const,
    digest: digestOf([account]),
    entries: [
      { account: `consumer:${account}`, kind: 'consumer' as const, amount: -4 * DOLLAR },
      { account: 'platform:fees', kind: 'platform' as const, amount: 4 * DOLLAR },
    ],
  };
  await under.ledger.post(spend);
  await tell(under.stripe.bank.dispute(session, 500).event);
  expect(await under.ledger.balance(account)).toMatchObject({ available: 0, owed: 4 * DOLLAR });
  // Promotional credit neither pays the debt nor can be spent while the account owes.
  await under.ledger.post({
    operation: `gift:${account}`,
    kind: 'credit',
    digest: digestOf([account, 'gift']),
    entries: [
      { account: `consumer:${account}`, kind: 'consumer', amount: DOLLAR },
      { account: 'external:promotions', kind: 'external', amount: -DOLLAR },
    ],
  });
  await under.payments.reconcile(0);
  expect(await under.ledger.balance(account)).toMatchObject({
    available: DOLLAR,
    owed: 4 * DOLLAR,
    withdrawable: 0,
  });
  expect(await hold(account)).toBe('insufficient_funds');
  await expectBooks();
  await pay('second');
  expect(await under.ledger.balance(account)).toMatchObject({ available: 2 * DOLLAR, owed: 0 });
  expect(await hold(account)).toBe('held');
  await expectBooks({ openHolds: 1 });
});

test('earnings of an account that owes pay its debt at the next reconciliation', async () => {
  const { account, session } = await bought();
  await under.ledger.post({
    operation: `spend:${account}`,
    kind: 'withdrawal',
    digest: digestOf([account, 'all']),
    entries: [
      {
        account: `consumer:${account}`,
        kind: 'consumer',
        amount: -15 * DOLLAR,
        earned: -10 * DOLLAR,
      },
      { account: 'platform:fees', kind: 'platform', amount: 15 * DOLLAR },
    ],
  });
  await tell(under.stripe.bank.refund(session, 500));
  await earn(under, account, 7 * DOLLAR);
  expect(await withdrawable(account)).toBe(0);
  await under.payments.reconcile(0);
  expect(await under.ledger.balance(account)).toMatchObject({
    available: 2 * DOLLAR,
    owed: 0,
    withdrawable: 2 * DOLLAR,
  });
});

test('a dispute is delivered again if Stripe does not answer the request for its session', async () => {
  const { account, event } = await buyer();
  under.stripe.fault('GET', /checkout\/sessions$/, 'error_500');
  expect(await tell(event)).toEqual({ ok: false, code: 'later' });
  expect(await tell(event)).toEqual({ ok: true, result: 'applied' });
  expect(await withdrawable(account)).toBe(0);
});
