import { AccountId, ModelName, ProviderId } from '../../ids.ts';
import { At, count, nothing, optional } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';
import { methodsOf, ok, refused } from '../service-method.ts';

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

const setReferrer = Type.Object({ account: AccountId, referrer: AccountId });

const define = methodsOf('settlement');

/** Requests about terms and prices. */
export const pricesMethods = {
  setTerms: define('set-terms', setTerms, termsSet),
  setProviderPrice: define('set-provider-price', setProviderPrice, providerPriceSet),
  announcedPrices: define('announced-prices', nothing, announcedPrices),
  allProviderPrices: define('all-provider-prices', allProviderPrices, pricedProviders),
  providerPrices: define('provider-prices', providerPrices, pricesOfProviders),
  setReferrer: define('set-referrer', setReferrer, termsSet),
} as const;
