import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultKind } from '#testcontainers';
import {
  earn,
  newAccount,
  onboard,
  type PaymentsUnderTest,
  startPaymentsUnderTest,
} from './payments-under-test.ts';

let under: PaymentsUnderTest;
beforeAll(async () => {
  under = await startPaymentsUnderTest();
}, 60_000);
afterAll(() => under[Symbol.asyncDispose]());

const RETURN = { refreshUrl: 'https://example.com/again', returnUrl: 'https://example.com/back' };

test('the connection follows the account at Stripe: none, incomplete, ready with its destination', async () => {
  const { payments, stripe } = under;
  const account = newAccount();
  const read = async () => payments.connection({ account });
  expect(await read()).toEqual({ ok: true, connection: { state: 'none', missing: [] } });
  await payments.onboard({ account, ...RETURN });
  expect(await read()).toMatchObject({
    connection: {
      state: 'incomplete',
      country: 'US',
      missing: ['external_account', 'individual.id_number'],
    },
  });
  expect(await payments.dashboard({ account })).toEqual({ ok: false, code: 'not_onboarded' });
  const id = await onboard(under, account);
  expect(await read()).toEqual({
    ok: true,
    connection: {
      state: 'ready',
      country: 'US',
      missing: [],
      destination: { kind: 'bank', name: 'STRIPE TEST BANK', last4: '6789', currency: 'usd' },
    },
  });
  expect(await payments.dashboard({ account })).toEqual({
    ok: true,
    url: `https://connect.example/express/${id}`,
  });
  expect(stripe.bank.accounts.size).toBe(1);
});

test.each<FaultKind>(['lost_answer', 'error_500', 'error_429', 'rejected'])(
  'after %s of Stripe nothing is shown as known',
  async (kind) => {
    const { payments, stripe } = under;
    const account = newAccount();
    await onboard(under, account);
    stripe.fault('GET', /accounts/, kind, 2);
    stripe.fault('POST', /login_links/, kind, 2);
    expect(await payments.connection({ account })).toEqual({ ok: false, code: 'unavailable' });
    expect(await payments.dashboard({ account })).toEqual({ ok: false, code: 'unavailable' });
    stripe.clearFaults();
    expect(await payments.connection({ account })).toMatchObject({ ok: true });
  },
);

test.each([
  [
    12_345_678,
    false,
    { ok: true, amountMicroUsd: 12_340_000, feeMicroUsd: 0, receivedMicroUsd: 12_340_000 },
  ],
  [
    100_000_000,
    true,
    { ok: true, amountMicroUsd: 100_000_000, feeMicroUsd: 1_500_000, receivedMicroUsd: 98_500_000 },
  ],
  [990_000, false, { ok: false, code: 'too_small' }],
])(
  'a withdrawal of %d micro-dollars, instant %s, is quoted as it is made',
  async (amountMicroUsd, instant, quote) => {
    expect(await under.payments.quoteWithdrawal({ amountMicroUsd, instant })).toEqual(quote);
  },
);

test('a disconnected account is deleted at Stripe, and a new one can be set up at once', async () => {
  const { payments, stripe, database } = under;
  const account = newAccount();
  expect(await payments.disconnect({ account })).toEqual({ ok: false, code: 'not_connected' });
  const first = await onboard(under, account);
  expect(await payments.disconnect({ account })).toEqual({ ok: true });
  expect(stripe.bank.accounts.has(first)).toBe(false);
  expect(await payments.connection({ account })).toMatchObject({ connection: { state: 'none' } });
  expect(await payments.payouts(account)).toMatchObject({ onboarded: false });
  const second = await onboard(under, account);
  expect(second).not.toBe(first);
  expect(await payments.connection({ account })).toMatchObject({ connection: { state: 'ready' } });
  const { rows } = await database.query(
    'SELECT stripe_account FROM disconnected_accounts WHERE account = $1',
    [account],
  );
  expect(rows).toEqual([{ stripe_account: first }]);
});

test('an account is not disconnected while money is on its way to it or left in it', async () => {
  const { payments, stripe } = under;
  const account = newAccount();
  const refused = { ok: false, code: 'money_on_the_way' };
  await earn(under, account, 10_000_000);
  const id = await onboard(under, account);
  stripe.fault('POST', /transfers/, 'lost_answer', 2);
  const asked = { account, amountMicroUsd: 5_000_000, instant: false, operation: 'first' };
  expect(await payments.withdraw(asked)).toMatchObject({ ok: true, payout: { state: 'pending' } });
  expect(await payments.disconnect({ account })).toEqual(refused);
  stripe.clearFaults();
  await payments.reconcile(0);
  expect(await payments.disconnect({ account }), 'Stripe has the money').toEqual(refused);
  expect(await payments.connection({ account })).toMatchObject({ connection: { state: 'ready' } });
  stripe.bank.payOut(id);
  expect(await payments.disconnect({ account })).toEqual({ ok: true });
  expect(await payments.drift()).toBe(0);
});

test.each<FaultKind>(['lost_request', 'lost_answer', 'error_500', 'error_429'])(
  'after %s of a disconnection the connection stays, and the next one ends it',
  async (kind) => {
    const { payments, stripe } = under;
    const account = newAccount();
    await onboard(under, account);
    stripe.fault('DELETE', /accounts/, kind, 2);
    expect(await payments.disconnect({ account })).toMatchObject({ ok: false });
    stripe.clearFaults();
    expect((await payments.payouts(account)).onboarded).toBe(true);
    expect(await payments.disconnect({ account })).toEqual({ ok: true });
    expect((await payments.payouts(account)).onboarded).toBe(false);
  },
);

test('a connection that its owner ends at Stripe is ended here too', async () => {
  const { payments, stripe } = under;
  const account = newAccount();
  const event = stripe.bank.deauthorize(await onboard(under, account));
  expect(await payments.webhook(stripe.sign(event))).toEqual({ ok: true, result: 'applied' });
  expect(await payments.webhook(stripe.sign(event))).toEqual({ ok: true, result: 'known' });
  expect(await payments.connection({ account })).toMatchObject({ connection: { state: 'none' } });
});
