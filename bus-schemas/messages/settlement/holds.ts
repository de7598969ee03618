import { AccountId, JobId, KeyId, ModelName, ProviderId } from '../../ids.ts';
import { SPENDING_WINDOWS } from '../../key-limits.ts';
import { At, count, optional } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';
import { methodsOf, ok, refused } from '../service-method.ts';

/**
 * Maximum price that the caller accepts for a million tokens. An absent part means the price in the
 * catalog.
 */
const maxPrice = Type.Object({
  inputMicroUsdPerMillion: optional(count),
  outputMicroUsdPerMillion: optional(count),
});
export type MaxPrice = Static<typeof maxPrice>;

/** Most choices of one answer. Each is a job that needs a place on a machine. */
export const MAX_CHOICES = 8;

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
  /** The job is a line of a batch, which costs less. */
  isBatchLine: optional(Type.Boolean()),
  /**
   * The other choices of the answer, each with its own job. Money is set aside for all of them
   * together with this job, or for none.
   */
  choices: optional(
    Type.Array(Type.Object({ job: JobId, promptBound: count, outputBound: count }), {
      maxItems: MAX_CHOICES - 1,
    }),
  ),
  /** The hold ends by itself after this time, in milliseconds, which is longer than any job. */
  lifeMs: optional(count),
  /** The same as a time by the clock of the ingress, for versions without `lifeMs`. */
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
/**
 * The price and the minimum charge by which settlement will charge the job. The ingress states the
 * cost of the answer by them. Prices are 0 on the caller's own machine.
 */
const AgreedPrice = Type.Object({
  inputMicroUsdPerMillion: count,
  cacheReadMicroUsdPerMillion: count,
  outputMicroUsdPerMillion: count,
  minimumMicroUsd: count,
});
export type AgreedPrice = Static<typeof AgreedPrice>;
/** `agreed` is absent if an earlier request made this hold, perhaps at another price. */
const granted = { heldMicroUsd: count, agreed: optional(AgreedPrice) };
const held = Type.Union([
  /** `forChoices` is true if the money for all `choices` of the request is set aside too. */
  ok({ ...granted, forChoices: optional(Type.Boolean()) }),
  holdRefused,
]);
export type Held = Static<typeof held>;
export type HoldRefusal = (typeof HOLD_REFUSALS)[number];

/** Sent before the job goes to another provider, which may have a higher price. */
const topUp = Type.Object({
  job: JobId,
  provider: ProviderId,
  maxPrice: optional(maxPrice),
  isBatchLine: optional(Type.Boolean()),
});
export type TopUp = Static<typeof topUp>;
const topped = Type.Union([
  ok(granted),
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

const define = methodsOf('settlement');

/** Requests about money that is set aside for a job. */
export const holdsMethods = {
  hold: define('hold', hold, held),
  topUp: define('top-up', topUp, topped),
} as const;
