import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FaultKind } from '#testcontainers';
import type { Payments } from './payments.ts';
import {
  earn,
  newAccount,
  onboard,
  type PaymentsUnderTest,
  RETURN_URLS,
  startPaymentsUnderTest,
} from './payments-under-test.ts';

const DOLLAR = 1_000_000;
/**
 * The number of requests for one call: Stripe's client itself repeats it once after a broken
 * connection.
 */
const BOTH_TRIES = 2;

let under: PaymentsUnderTest;
beforeAll(async () => {
  under = await startPaymentsUnderTest();
}, 60_000);
afterAll(() => under[Symbol.asyncDispose]());

const balanceOf = (account: string) => under.ledger.balance(account);
async function checkout(
  account: string,
  amountMicroUsd = 5 * DOLLAR,
  operation = 'first',
): Promise<string> {
  const answer = await under.payments.checkout({
    account,
    amountMicroUsd,
    operation,
    ...RETURN_URLS,
  });
  if (!answer.ok) throw new Error(answer.code);
  return answer.session;
}
const withdraw = (
  account: string,
  amountMicroUsd: number,
  options: { instant?: boolean; operation?: string } = {},
) =>
  under.payments.withdraw({
    account,
    amountMicroUsd,
    instant: options.instant ?? false,
    operation: options.operation ?? 'first',
  });
async function worker(amount: number): Promise<string> {
  const account = newAccount();
  await earn(under, account, amount);
  await onboard(under, account);
  return account;
}
const lastPayout = async (account: string) => (await under.payments.payouts(account)).payouts[0];
async function expectNoDrift(): Promise<void> {
  expect(await under.payments.drift()).toBe(0);
  expect(await under.ledger.verify(false)).toMatchObject({
    driftedBalances: 0,
    unbalancedTransactions: 0,
    negativeBalances: 0,
  });
}

describe('a deposit', () => {
  test('is credited once for a thousand deliveries of its event through two copies, and cannot be withdrawn', async () => {
    const account = newAccount();
    const session = await checkout(account);
    expect(await checkout(account)).toBe(session);
    expect((await balanceOf(account)).available).toBe(0);
    const event = under.stripe.bank.pay(session);
    const second = under.copy();
    const answers: Awaited<ReturnType<Payments['webhook']>>[] = [];
    // More at a time could wait longer for a connection than the pool lets them wait. A delivery
    // that fails and is repeated would not know that its event was applied.
    while (answers.length < 1_000)
      answers.push(
        ...(await Promise.all(
          Array.from({ length: 50 }, (_, index) =>
            (index % 2 === 0 ? under.payments : second).webhook(under.stripe.sign(event)),
          ),
        )),
      );
    expect(answers.filter((answer) => answer.ok && answer.result === 'applied')).toHaveLength(1);
    expect(answers.filter((answer) => answer.ok && answer.result === 'known')).toHaveLength(999);
    expect(await balanceOf(account)).toMatchObject({ available: 5 * DOLLAR, withdrawable: 0 });
    await expectNoDrift();
  }, 60_000);

  test('with the same name and another amount is a conflict; less than a dollar is refused', async () => {
    const account = newAccount();
    await checkout(account);
    expect(
      await under.payments.checkout({
        account,
        amountMicroUsd: 6 * DOLLAR,
        operation: 'first',
        ...RETURN_URLS,
      }),
    ).toMatchObject({
      code: 'operation_conflict',
    });
    expect(
      await under.payments.checkout({
        account,
        amountMicroUsd: DOLLAR - 1,
        operation: 'other',
        ...RETURN_URLS,
      }),
    ).toMatchObject({ code: 'too_small' });
  });

  test('whose answer was lost gets the same session when it is requested again', async () => {
    const account = newAccount();
    under.stripe.fault('POST', /checkout/, 'lost_answer', BOTH_TRIES);
    const ask = () =>
      under.payments.checkout({
        account,
        amountMicroUsd: DOLLAR,
        operation: 'first',
        ...RETURN_URLS,
      });
    expect(await ask()).toMatchObject({ ok: false, code: 'unavailable' });
    const before = under.stripe.bank.sessions.size;
    expect(await ask()).toMatchObject({ ok: true });
    expect(under.stripe.bank.sessions.size).toBe(before);
  });

  test('whose event was lost is found by the reconciliation', async () => {
    const account = newAccount();
    under.stripe.bank.pay(await checkout(account));
    await under.payments.reconcile(0);
    expect((await balanceOf(account)).available).toBe(5 * DOLLAR);
    await expectNoDrift();
  });

  test('is accepted only with a fresh signature, in full, in dollars and for a known deposit', async () => {
    const account = newAccount();
    const session = await checkout(account);
    const event = under.stripe.bank.pay(session);
    const { stripe, payments } = under;
    expect(await payments.webhook(stripe.sign(event, { secret: 'whsec_other' }))).toMatchObject({
      ok: false,
      code: 'bad_signature',
    });
    expect(
      await payments.webhook(stripe.sign(event, { at: Date.now() / 1_000 - 3_600 })),
    ).toMatchObject({ ok: false, code: 'bad_signature' });
    const changed = (fields: object) => ({
      ...event,
      data: { object: { ...event.data.object, ...fields } },
    });
    expect(await payments.webhook(stripe.sign(changed({ amount_total: 50_000 })))).toMatchObject({
      ok: true,
      result: 'ignored',
    });
    expect(await payments.webhook(stripe.sign(changed({ currency: 'jpy' })))).toMatchObject({
      ok: true,
      result: 'ignored',
    });
    expect(
      under.alerts.filter((alert) => alert === `operation_conflict deposit:${session}`),
    ).toHaveLength(2);
    const stranger = { metadata: { deposit: 'dep_nobody', account } };
    expect(await payments.webhook(stripe.sign(changed(stranger)))).toMatchObject({
      ok: false,
      code: 'later',
    });
    expect(await payments.webhook(stripe.sign(changed({ metadata: {} })))).toMatchObject({
      ok: true,
      result: 'ignored',
    });
    expect((await balanceOf(account)).available).toBe(0);
    await payments.webhook(stripe.sign(event));
    expect((await balanceOf(account)).available).toBe(5 * DOLLAR);
  });

  test('that has expired is closed', async () => {
    const account = newAccount();
    const event = under.stripe.bank.expire(await checkout(account));
    expect(await under.payments.webhook(under.stripe.sign(event))).toMatchObject({
      ok: true,
      result: 'applied',
    });
    expect(await under.payments.webhook(under.stripe.sign(event))).toMatchObject({
      ok: true,
      result: 'known',
    });
  });
});

describe('a withdrawal', () => {
  test('takes only earned money, rounded down to whole cents, once for each name', async () => {
    const account = await worker(7 * DOLLAR);
    await under.payments.webhook(under.stripe.sign(under.stripe.bank.pay(await checkout(account))));
    expect(await balanceOf(account)).toMatchObject({
      available: 12 * DOLLAR,
      withdrawable: 7 * DOLLAR,
    });
    expect(await withdraw(account, 8 * DOLLAR)).toMatchObject({
      ok: false,
      code: 'insufficient_funds',
    });
    const answers = await Promise.all([1, 2, 3].map(() => withdraw(account, 3 * DOLLAR + 4_321)));
    expect(answers).toMatchObject(
      answers.map(() => ({ ok: true, payout: { amountMicroUsd: 3 * DOLLAR, feeMicroUsd: 0 } })),
    );
    expect(await lastPayout(account)).toMatchObject({ state: 'transferred', returned: false });
    expect(await withdraw(account, 2 * DOLLAR)).toMatchObject({
      ok: false,
      code: 'operation_conflict',
    });
    expect(await balanceOf(account)).toMatchObject({
      available: 9 * DOLLAR,
      withdrawable: 4 * DOLLAR,
    });
    const payout = (await lastPayout(account))?.payout;
    expect(
      [...under.stripe.bank.transfers.values()].filter(
        ({ transfer_group }) => transfer_group === payout,
      ),
    ).toHaveLength(1);
    await expectNoDrift();
  });

  test('needs a person who is registered with Stripe, by its newest event', async () => {
    const account = newAccount();
    await earn(under, account, 5 * DOLLAR);
    expect(await withdraw(account, 2 * DOLLAR)).toMatchObject({ ok: false, code: 'not_onboarded' });
    const id = await onboard(under, account);
    const stale = under.stripe.bank.onboard(id, false, Math.floor(Date.now() / 1_000) - 60);
    expect(await under.payments.webhook(under.stripe.sign(stale))).toMatchObject({
      ok: true,
      result: 'known',
    });
    expect(await withdraw(account, DOLLAR / 2)).toMatchObject({ ok: false, code: 'too_small' });
    expect(await withdraw(account, 2 * DOLLAR)).toMatchObject({ ok: true });
  });

  test.each<FaultKind>(['lost_answer', 'lost_request', 'error_500', 'error_429'])(
    'stays pending after %s, is shown to operators, is not refunded blindly, and arrives once',
    async (kind) => {
      const open = async (of: string) =>
        (await under.payments.openPayouts()).payouts.filter(({ account }) => account === of);
      const account = await worker(5 * DOLLAR);
      under.stripe.fault('POST', /transfers/, kind, kind.startsWith('lost') ? BOTH_TRIES : 1);
      expect(await withdraw(account, 2 * DOLLAR)).toMatchObject({
        ok: true,
        payout: { state: 'pending' },
      });
      expect((await balanceOf(account)).available).toBe(3 * DOLLAR);
      expect(await open(account)).toMatchObject([
        { state: 'pending', amountMicroUsd: 2 * DOLLAR, payout: expect.any(String) },
      ]);
      // Stripe repeats its failure for the same idempotency key until a new key is used.
      for (let round = 0; round < 3; round += 1) await under.payments.reconcile(0);
      const payout = await lastPayout(account);
      expect(payout).toMatchObject({ state: 'transferred' });
      expect(await open(account)).toEqual([]);
      expect(
        [...under.stripe.bank.transfers.values()].filter(
          ({ transfer_group }) => transfer_group === payout?.payout,
        ),
      ).toHaveLength(1);
      await expectNoDrift();
    },
  );

  test('that Stripe rejects returns to the account, once', async () => {
    const account = await worker(5 * DOLLAR);
    under.stripe.fault('POST', /transfers/, 'rejected');
    expect(await withdraw(account, 2 * DOLLAR)).toMatchObject({
      ok: true,
      payout: { state: 'failed', returned: true },
    });
    await under.payments.reconcile(0);
    expect(await balanceOf(account)).toMatchObject({
      available: 5 * DOLLAR,
      withdrawable: 5 * DOLLAR,
    });
    await expectNoDrift();
  });

  test('as an instant payout costs a fee, and is paid in whatever order its events arrive', async () => {
    const account = await worker(100 * DOLLAR);
    expect(await withdraw(account, 100 * DOLLAR, { instant: true })).toMatchObject({
      ok: true,
      payout: { feeMicroUsd: 1.5 * DOLLAR },
    });
    const { id } = [...under.stripe.bank.payouts.values()].at(-1) as { id: string };
    const paid = under.stripe.sign(under.stripe.bank.endPayout(id, 'paid'));
    expect(await under.payments.webhook(paid)).toMatchObject({ ok: true, result: 'applied' });
    expect(await lastPayout(account)).toMatchObject({ state: 'paid' });
    const failed = under.stripe.sign(under.stripe.bank.endPayout(id, 'failed'));
    for (const word of [failed, failed, paid]) await under.payments.webhook(word);
    expect(await lastPayout(account)).toMatchObject({ state: 'transferred' });
    expect((await balanceOf(account)).withdrawable).toBe(1.5 * DOLLAR);
    await expectNoDrift();
  });

  test('that is reversed later returns in full, once, also after its fee has returned', async () => {
    const account = await worker(10 * DOLLAR);
    await withdraw(account, 10 * DOLLAR, { instant: true });
    const [payout] = [...under.stripe.bank.payouts.values()].toReversed();
    await under.payments.webhook(
      under.stripe.sign(under.stripe.bank.endPayout(payout?.id as string, 'failed')),
    );
    const [transfer] = [...under.stripe.bank.transfers.values()].toReversed();
    const reversed = under.stripe.sign(under.stripe.bank.reverse(transfer?.id as string));
    await Promise.all([1, 2, 3].map(() => under.payments.webhook(reversed)));
    expect(await balanceOf(account)).toMatchObject({
      available: 10 * DOLLAR,
      withdrawable: 10 * DOLLAR,
    });
    expect(await lastPayout(account)).toMatchObject({ state: 'failed', returned: true });
    await expectNoDrift();
  });

  test('of money that a job holds waits for the job', async () => {
    const account = await worker(3 * DOLLAR);
    await under.database.query('UPDATE ledger_accounts SET held = $2 WHERE id = $1', [
      `consumer:${account}`,
      2 * DOLLAR,
    ]);
    expect(await withdraw(account, 2 * DOLLAR)).toMatchObject({
      ok: false,
      code: 'insufficient_funds',
    });
    await under.database.query('UPDATE ledger_accounts SET held = 0 WHERE id = $1', [
      `consumer:${account}`,
    ]);
    expect(await withdraw(account, 2 * DOLLAR)).toMatchObject({ ok: true });
  });
});

test('money that Stripe has in excess of the ledger is drift', async () => {
  const { stripe } = under;
  const form = {
    line_items: { 0: { quantity: '1', price_data: { currency: 'usd', unit_amount: '123' } } },
  };
  stripe.bank.pay(stripe.bank.createSession(form).id);
  expect(await under.payments.drift()).toBe(1_230_000);
  stripe.bank.report.unshift({
    id: 'txn_back',
    object: 'balance_transaction',
    type: 'transfer',
    reporting_category: 'transfer',
    amount: -123,
    source: 'by hand',
  });
  await expectNoDrift();
});
