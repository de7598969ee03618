import { type Static, Type } from 'typebox';
import { Bytes } from '../codec.ts';
import { AccountId, JobId, KeyId, ModelName, ProviderId } from '../ids.ts';
import { byName, SPENDING_WINDOWS } from '../key-limits.ts';
import { PrintedReceipt } from '../receipts/printed-receipt.ts';
import { At, count, nothing, optional, positive } from '../schema-parts.ts';
import { methodsOf, ok, refused } from './service-method.ts';

/** Requests of the other components about money. All amounts are whole micro-dollars. */

const signed = Type.Integer({
  minimum: -Number.MAX_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
});
const Url = Type.String({ minLength: 8, maxLength: 2_048, pattern: '^https?://' });

// holds

/**
 * Maximum price that the caller accepts for a million tokens. An absent part means the price in the
 * catalog.
 */
const maxPrice = Type.Object({
  inputMicroUsdPerMillion: optional(count),
  outputMicroUsdPerMillion: optional(count),
});
export type MaxPrice = Static<typeof maxPrice>;

const hold = Type.Object({
  job: JobId,
  account: AccountId,
  key: KeyId,
  model: ModelName,
  /** The provider that gets the job first; it may have a price of its own. */
  provider: optional(ProviderId),
  /** Upper bounds of prompt and answer tokens. The hold is the price of both together. */
  promptBound: count,
  outputBound: count,
  maxPrice: optional(maxPrice),
  /** The hold ends by itself at this time, which is later than the end of any job. */
  expiresAt: At,
});
export type Hold = Static<typeof hold>;

const HOLD_REFUSALS = [
  'insufficient_funds',
  'key_limit',
  'account_limit',
  'unknown_account',
  'unpriced_model',
  'price_above_limit',
  'operation_conflict',
] as const;
/**
 * The limit of a key that a hold would exceed. `usedMicroUsd` is the sum of the key's charges and
 * open holds in the window.
 */
const KeyShortage = Type.Object({
  window: Type.Enum(SPENDING_WINDOWS),
  capMicroUsd: count,
  usedMicroUsd: count,
  neededMicroUsd: count,
});
export type KeyShortage = Static<typeof KeyShortage>;
const holdRefused = Type.Object({
  ...refused(HOLD_REFUSALS).properties,
  shortage: optional(KeyShortage),
  /** Debt of the account: Stripe took back a payment that was already spent. */
  owedMicroUsd: optional(count),
});
const held = Type.Union([ok({ heldMicroUsd: count }), holdRefused]);
export type Held = Static<typeof held>;
export type HoldRefusal = (typeof HOLD_REFUSALS)[number];

/** Sent before the job goes to another provider, which may have a higher price. */
const topUp = Type.Object({ job: JobId, provider: ProviderId, maxPrice: optional(maxPrice) });
export type TopUp = Static<typeof topUp>;
const topped = Type.Union([
  ok({ heldMicroUsd: count }),
  refused([
    'insufficient_funds',
    'key_limit',
    'account_limit',
    'unknown_job',
    'unpriced_model',
    'price_above_limit',
  ]),
]);
export type Topped = Static<typeof topped>;

// accounts

const ofAccount = Type.Object({ account: AccountId });
const balance = Type.Object({
  availableMicroUsd: count,
  heldMicroUsd: count,
  /**
   * The part of `availableMicroUsd` that is promotional credit: it can be spent but never
   * withdrawn.
   */
  promotionalMicroUsd: optional(count),
  /** Debt of the account: Stripe took back a payment that was already spent. */
  owedMicroUsd: optional(count),
  /** The part of `availableMicroUsd` that the account earned and may withdraw. */
  withdrawableMicroUsd: count,
  /** Earnings that may be withdrawn only from `at` on; at most one entry for each day. */
  maturing: optional(
    Type.Array(Type.Object({ at: count, amountMicroUsd: count }), { maxItems: 64 }),
  ),
});

const credit = Type.Object({
  account: AccountId,
  amountMicroUsd: positive,
  /** Unique name of the credit. A repeated call with the same name credits nothing more. */
  operation: Type.String({ minLength: 1, maxLength: 128 }),
  /** For the audit log of commands; settlement does not store it. */
  reason: optional(Type.String({ minLength: 1, maxLength: 200 })),
});
const credited = Type.Union([ok({ availableMicroUsd: count }), refused(['operation_conflict'])]);

/**
 * Pays the account earned money, which it may withdraw, out of the platform's fees. Refused if the
 * fees do not cover it.
 */
const rewarded = Type.Union([
  ok({ availableMicroUsd: count }),
  refused(['operation_conflict', 'insufficient_funds']),
]);

/** Most that the account may spend in a UTC day over all its keys; absent means no limit. */
const setAccountCap = Type.Object({ account: AccountId, dayMicroUsd: optional(count) });
const accountSpending = Type.Object({ dayMicroUsd: optional(count), usedMicroUsd: count });

const setTerms = Type.Object({
  account: AccountId,
  /** The platform's share, in hundredths of a percent; absent means the default share. */
  feeBps: optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
  /** The account pays the platform's prices, and no minimum charge. */
  service: Type.Boolean(),
  /** The account that gets a part of the fees. */
  referrer: optional(AccountId),
});
const termsSet = Type.Union([ok({}), refused(['own_referrer'])]);

const setProviderPrice = Type.Object({
  provider: ProviderId,
  model: ModelName,
  inputMicroUsdPerMillion: count,
  cacheReadMicroUsdPerMillion: optional(count),
  outputMicroUsdPerMillion: count,
});
/** A higher price applies from `effectiveAt` on, a lower one at once. */
const providerPriceSet = Type.Union([
  ok({ effectiveAt: optional(At) }),
  refused(['cache_read_above_input', 'too_many_models']),
]);

/**
 * The providers with a price of their own for a model, cheapest first. Announced prices that do not
 * apply yet come after them.
 */
const providerPrices = Type.Object({ model: ModelName });
const ownPrice = Type.Object({
  provider: ProviderId,
  inputMicroUsdPerMillion: count,
  outputMicroUsdPerMillion: count,
  /** Absent for a price without a start time. */
  effectiveAt: optional(At),
});
export type OwnPrice = Static<typeof ownPrice>;
/** All prices that apply now, ordered by provider and model. Routing reads them. */
const allProviderPrices = Type.Object({
  after: optional(Type.Object({ provider: ProviderId, model: ModelName })),
  limit: Type.Integer({ minimum: 1, maximum: 5_000 }),
});
const PricedProvider = Type.Object({
  provider: ProviderId,
  model: ModelName,
  inputMicroUsdPerMillion: count,
  outputMicroUsdPerMillion: count,
});
export type PricedProvider = Static<typeof PricedProvider>;
const pricedProviders = Type.Object({ prices: Type.Array(PricedProvider, { maxItems: 5_000 }) });
/** Announced prices that do not apply yet; the earliest comes first. */
const announcedPrices = Type.Object({
  prices: Type.Array(Type.Object({ ...PricedProvider.properties, effectiveAt: At }), {
    maxItems: 1_000,
  }),
});
const pricesOfProviders = Type.Object({ prices: Type.Array(ownPrice, { maxItems: 1_000 }) });

/**
 * Maximum spending of a key in a UTC day, in a week from Monday, in a month, and in total; an
 * absent field means no limit.
 */
const KeyCaps = Type.Object(byName(SPENDING_WINDOWS, () => optional(count)));
export type KeyCaps = Static<typeof KeyCaps>;
const Used = Type.Object(byName(SPENDING_WINDOWS, () => count));
const setKeyCaps = Type.Object({ key: KeyId, account: AccountId, caps: KeyCaps });
const keyCapsSet = Type.Object({ used: Used });

/** Asks for one key, or for all keys of the account. */
const keySpendingRequest = Type.Object({ account: AccountId, key: optional(KeyId) });
const KeySpending = Type.Object({
  key: KeyId,
  caps: KeyCaps,
  used: Used,
});
export type KeySpending = Static<typeof KeySpending>;
/** Keys that never had a job or a cap are missing. The key with the newest job comes first. */
const keySpending = Type.Object({ keys: Type.Array(KeySpending, { maxItems: 1_000 }) });

const setReferrer = Type.Object({ account: AccountId, referrer: AccountId });

const Page = {
  from: optional(At),
  until: optional(At),
  /** The value `next` of the previous page. */
  after: optional(Type.String({ maxLength: 200 })),
  limit: Type.Integer({ minimum: 1, maximum: 1_000 }),
};

/**
 * Charges before this time are in archives and not in the database, in milliseconds since 1970.
 * Absent if nothing was archived.
 */
const OnlineSince = At;

const usageRequest = Type.Object({
  account: AccountId,
  job: optional(JobId),
  key: optional(KeyId),
  model: optional(ModelName),
  ...Page,
});
const usage = Type.Object({
  /** Newest first: all jobs that ended, including free ones. */
  jobs: Type.Array(
    Type.Object({
      job: JobId,
      at: At,
      key: KeyId,
      model: ModelName,
      provider: optional(ProviderId),
      outcome: Type.Enum(['settled', 'refunded', 'void']),
      promptTokens: count,
      cachedTokens: count,
      completionTokens: count,
      heldMicroUsd: count,
      chargedMicroUsd: count,
      /**
       * True if no ingress reported the end of the job: it was settled by the provider's receipt,
       * or refunded when its hold expired.
       */
      ingressLost: optional(Type.Boolean()),
    }),
    { maxItems: 1_000 },
  ),
  onlineSince: optional(OnlineSince),
  next: optional(Type.String({ maxLength: 200 })),
});
export type AccountUsage = Static<typeof usage>;

/** With `key`, only a job of this key is found. */
const ofJob = Type.Object({ account: AccountId, key: optional(KeyId), job: JobId });
/**
 * `unsigned`: no provider has signed a receipt for the job yet. `forged`: the signature does not
 * match the work.
 */
const receipt = Type.Union([
  ok({ receipt: PrintedReceipt }),
  refused(['unknown_job', 'unsigned', 'forged']),
]);
/** Public keys in hexadecimal; the key that signs now comes first. */
const receiptKeys = Type.Object({
  keys: Type.Array(PrintedReceipt.properties.coordinator_key, { maxItems: 1_000 }),
});

const statementRequest = Type.Object({
  account: AccountId,
  ...Page,
});
const statement = Type.Object({
  /**
   * All changes of the balance, oldest first. Each job's charge is one line; earnings are summed by
   * the hour.
   */
  lines: Type.Array(
    Type.Object({
      at: At,
      kind: Type.String({ maxLength: 32 }),
      reference: Type.String({ maxLength: 200 }),
      amountMicroUsd: signed,
      /** The part of the amount that was paid from promotional credit, or earned as such. */
      promotionalMicroUsd: optional(signed),
      model: optional(ModelName),
      key: optional(KeyId),
      promptTokens: optional(count),
      completionTokens: optional(count),
    }),
    { maxItems: 1_000 },
  ),
  onlineSince: optional(OnlineSince),
  next: optional(Type.String({ maxLength: 200 })),
});
export type AccountStatement = Static<typeof statement>;

const earningsRequest = Type.Object({
  account: AccountId,
  from: optional(At),
  until: optional(At),
});
const earnings = Type.Object({
  lifetimeMicroUsd: count,
  /** Earnings in the requested time, in whole hours. */
  sources: Type.Array(
    Type.Object({
      source: Type.String({ maxLength: 64 }),
      jobs: count,
      promptTokens: count,
      completionTokens: count,
      amountMicroUsd: count,
    }),
    { maxItems: 10_000 },
  ),
});
export type Earnings = Static<typeof earnings>;

/** Days of UTC, today included, for which a machine reads its earnings; every month fits. */
export const MAX_EARNING_DAYS = 31;
/** Rows of day and model; a machine has at most 64 builds at a time. */
export const MAX_EARNING_ROWS = 2_000;
export const MAX_EARNING_JOBS = 100;
const earnedFor = {
  model: ModelName,
  promptTokens: count,
  completionTokens: count,
  amountMicroUsd: count,
};
const machineEarnings = Type.Object({
  /** Newest day first. */
  days: Type.Array(
    Type.Object({
      day: Type.String({ maxLength: 10 }),
      jobs: count,
      ...earnedFor,
    }),
    { maxItems: MAX_EARNING_ROWS },
  ),
  /** The last jobs that were paid, newest first. */
  jobs: Type.Array(Type.Object({ job: JobId, at: At, ...earnedFor }), {
    maxItems: MAX_EARNING_JOBS,
  }),
});
export type MachineEarnings = Static<typeof machineEarnings>;

// Stripe

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

// books

const verifyRequest = Type.Object({ full: optional(Type.Boolean()) });
/**
 * Results of a proof. Each count is a number of violations, except `openHolds`, `parked` and
 * `newEntries`; `ok` is true if all violations are 0. A full proof also checks the keys: the
 * spending of a key must be the sum of its charges and holds, otherwise `driftedBalances` counts
 * it.
 */
const verified = Type.Object({
  ok: Type.Boolean(),
  unbalancedTransactions: count,
  driftedBalances: count,
  negativeBalances: count,
  openHolds: count,
  overdueHolds: count,
  orphanHolds: count,
  overchargedReceipts: count,
  doubleEnded: count,
  stripeDriftMicroUsd: optional(signed),
  parked: count,
  /** Number of checked entries: those since the last proof, or all. */
  newEntries: count,
});
export type Verified = Static<typeof verified>;
const parked = Type.Object({
  rows: Type.Array(
    Type.Object({
      id: Type.String({ maxLength: 20 }),
      subject: Type.String(),
      messages: count,
      parkedAt: At,
      reason: Type.String(),
    }),
    {
      maxItems: 1_000,
    },
  ),
});
const replay = Type.Object({
  ids: optional(Type.Array(Type.String({ pattern: '^[0-9]{1,19}$' }), { maxItems: 1_000 })),
});
const replayed = Type.Object({ rows: count });

const define = methodsOf('settlement');

export const settlement = {
  hold: define('hold', hold, held),
  topUp: define('top-up', topUp, topped),
  balance: define('balance', ofAccount, balance),
  credit: define('credit', credit, credited),
  reward: define('reward', credit, rewarded),
  setAccountCap: define('set-account-cap', setAccountCap, accountSpending),
  accountSpending: define('account-spending', ofAccount, accountSpending),
  setTerms: define('set-terms', setTerms, termsSet),
  setProviderPrice: define('set-provider-price', setProviderPrice, providerPriceSet),
  announcedPrices: define('announced-prices', nothing, announcedPrices),
  allProviderPrices: define('all-provider-prices', allProviderPrices, pricedProviders),
  providerPrices: define('provider-prices', providerPrices, pricesOfProviders),
  setKeyCaps: define('set-key-caps', setKeyCaps, keyCapsSet),
  setReferrer: define('set-referrer', setReferrer, termsSet),
  keySpending: define('key-spending', keySpendingRequest, keySpending),
  usage: define('usage', usageRequest, usage),
  receipt: define('receipt', ofJob, receipt),
  receiptKeys: define('receipt-keys', nothing, receiptKeys),
  statement: define('statement', statementRequest, statement),
  earnings: define('earnings', earningsRequest, earnings),
  /** Returns what one machine earned, with or without an owner. */
  machineEarnings: define(
    'machine-earnings',
    Type.Object({ provider: ProviderId }),
    machineEarnings,
  ),
  checkout: define('checkout', checkout, checkedOut),
  onboard: define('onboard', onboard, onboarded),
  withdraw: define('withdraw', withdraw, withdrawn),
  payouts: define('payouts', ofAccount, payouts),
  webhook: define('webhook', webhook, webhookTaken),
  verify: define('verify', verifyRequest, verified),
  parked: define('parked', nothing, parked),
  replay: define('replay', replay, replayed),
} as const;
