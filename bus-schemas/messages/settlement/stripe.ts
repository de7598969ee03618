import { Bytes } from '../../codec.ts';
import { AccountId } from '../../ids.ts';
import { At, count, nothing, optional, positive } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';
import { methodsOf, ok, refused } from '../service-method.ts';

const Url = Type.String({ minLength: 8, maxLength: 2_048, pattern: '^https?://' });
const ofAccount = Type.Object({ account: AccountId });

const NOT_CONFIGURED = 'not_configured';
const checkout = Type.Object({
  account: AccountId,
  amountMicroUsd: positive,
  successUrl: Url,
  cancelUrl: Url,
  operation: Type.String({ minLength: 1, maxLength: 128 }),
});
const checkedOut = Type.Union([
  ok({ session: Type.String({ maxLength: 255 }), url: Type.String({ maxLength: 4_096 }) }),
  refused([NOT_CONFIGURED, 'unavailable', 'too_small', 'operation_conflict']),
]);
const onboard = Type.Object({ account: AccountId, refreshUrl: Url, returnUrl: Url });
const onboarded = Type.Union([
  ok({ url: Type.String({ maxLength: 4_096 }) }),
  refused([NOT_CONFIGURED, 'unavailable']),
]);

const PAYOUT_STATES = ['pending', 'transferred', 'paid', 'failed'] as const;
export type PayoutState = (typeof PAYOUT_STATES)[number];
const Payout = Type.Object({
  payout: Type.String({ maxLength: 64 }),
  amountMicroUsd: positive,
  feeMicroUsd: count,
  instant: Type.Boolean(),
  state: Type.Enum(PAYOUT_STATES),
  /** True if the money is back in the account's balance. */
  returned: Type.Boolean(),
  at: At,
});
export type Payout = Static<typeof Payout>;
const withdraw = Type.Object({
  account: AccountId,
  amountMicroUsd: positive,
  instant: Type.Boolean(),
  operation: Type.String({ minLength: 1, maxLength: 128 }),
});
const withdrawn = Type.Union([
  ok({ payout: Payout }),
  refused([
    NOT_CONFIGURED,
    'not_onboarded',
    'too_small',
    'insufficient_funds',
    'operation_conflict',
  ]),
]);
const payouts = Type.Object({
  payouts: Type.Array(Payout, { maxItems: 1_000 }),
  onboarded: Type.Boolean(),
});
/** The body must have the bytes that Stripe sent, because the signature covers exactly them. */
const webhook = Type.Object({
  body: Bytes({ min: 1, max: 256 * 1_024 }),
  signature: Type.String({ maxLength: 2_048 }),
});
/** After `later`, Stripe sends the event again. */
const webhookTaken = Type.Union([
  ok({ result: Type.Enum(['applied', 'known', 'ignored']) }),
  refused([NOT_CONFIGURED, 'bad_signature', 'bad_event', 'later']),
]);

const openPayouts = Type.Object({
  /** The oldest comes first. */
  payouts: Type.Array(Type.Object({ ...Payout.properties, account: AccountId }), { maxItems: 200 }),
});
export type OpenPayouts = Static<typeof openPayouts>;

const DEPOSIT_STATES = ['pending', 'paid', 'expired'] as const;
const DepositId = Type.String({ pattern: '^dep_[a-z0-9]{20}$' });
/** Deposits that an account is shown; the statement has all that were paid. */
export const MAX_SHOWN_DEPOSITS = 100;
const Deposit = Type.Object({
  deposit: DepositId,
  /** Time of the credit if it was paid, and otherwise of the order. */
  at: At,
  amountMicroUsd: positive,
  state: Type.Enum(DEPOSIT_STATES),
  /** What Stripe has paid back, or what the payer's bank has taken back. */
  returnedMicroUsd: count,
});
export type Deposit = Static<typeof Deposit>;
const deposits = Type.Object({
  /** The newest comes first. */
  deposits: Type.Array(Deposit, { maxItems: MAX_SHOWN_DEPOSITS }),
});
const depositOf = Type.Object({ account: AccountId, deposit: DepositId });
const depositReceipt = Type.Union([
  ok({
    deposit: Deposit,
    /** Stripe's name of the payment. */
    payment: Type.String({ maxLength: 255 }),
    /** Stripe's receipt; absent if it has none for this payment. */
    receiptUrl: optional(Type.String({ maxLength: 4_096, pattern: '^https?://' })),
  }),
  refused([NOT_CONFIGURED, 'unavailable', 'unknown']),
]);

const define = methodsOf('settlement');

/** Requests about payments through Stripe. */
export const stripeMethods = {
  checkout: define('checkout', checkout, checkedOut),
  deposits: define('deposits', ofAccount, deposits),
  depositReceipt: define('deposit-receipt', depositOf, depositReceipt),
  onboard: define('onboard', onboard, onboarded),
  withdraw: define('withdraw', withdraw, withdrawn),
  payouts: define('payouts', ofAccount, payouts),
  /** Returns withdrawals that are neither paid nor failed, of all accounts. */
  openPayouts: define('open-payouts', nothing, openPayouts),
  webhook: define('webhook', webhook, webhookTaken),
} as const;
