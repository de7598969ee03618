import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultKind } from '#testcontainers';
import {
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
