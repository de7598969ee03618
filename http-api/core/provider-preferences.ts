import {
  type CatalogModel,
  type MaxPrice,
  type Preferences,
  type PriceTerms,
  ProviderId,
  QUANTIZATIONS,
  type Quantization,
  TRUST_LEVELS,
  type TrustLevel,
} from '#bus-schemas';
import { checkerOf } from '#bus-schemas/platform.ts';
import { ApiError } from '../errors.ts';
import { invalid, isGiven, isObject, quoted } from './json.ts';

/**
 * The `provider` field of a request: which machines the caller wants. Its names are those of
 * OpenRouter.
 */
export interface ProviderPreferences {
  /** Only these providers may serve the request; undefined for any. */
  readonly only: readonly string[] | undefined;
  readonly ignore: readonly string[];
  readonly prefers: Preferences | undefined;
  readonly quantizations: readonly Quantization[] | undefined;
  /** Highest price that the caller accepts; the catalog's price where a part is absent. */
  readonly maxPrice: MaxPrice | undefined;
  /** Lowest trust level of the machine; undefined for any. */
  readonly level: TrustLevel | undefined;
}

export const MAX_NAMED_PROVIDERS = 32;
/**
 * Largest value of a preference, in tokens per second or in seconds; larger ones are rejected as
 * mistakes.
 */
export const MAX_WISH = 100_000;
const MICRO_USD = 1_000_000;
/** Highest price limit, in dollars per million tokens. */
export const MAX_PRICE = 1_000_000;
/** A price as a text: dollars with at most six decimal places. */
export const PRICE_TEXT = /^\d{1,6}(?:\.\d{1,6})?$/;
export const SORTS = ['latency', 'throughput', 'price'] as const;
const PRICES = {
  prompt: 'inputMicroUsdPerMillion',
  completion: 'outputMicroUsdPerMillion',
} as const;
const providerId = checkerOf(ProviderId);

/**
 * Reads the preferences. An unknown one is refused: a caller who misspelled a price limit would
 * otherwise pay more than they accepted.
 */
export function providerPreferences(preferences: unknown): ProviderPreferences {
  if (!isGiven(preferences))
    return {
      only: undefined,
      ignore: [],
      prefers: undefined,
      quantizations: undefined,
      maxPrice: undefined,
      level: undefined,
    };
  if (!isObject(preferences)) throw invalid('provider', 'provider must be an object.');
  const {
    only,
    ignore,
    order,
    allow_fallbacks: fallbacks,
    sort,
    require_parameters: requires,
    quantizations,
    max_price: maxPrice,
    ...others
  } = preferences;
  const {
    preferred_min_throughput: throughput,
    preferred_max_latency: latency,
    trust_level: level,
    ...unknown
  } = others;
  const [name] = Object.keys(unknown);
  if (name !== undefined)
    throw invalid('provider', `provider.${name.slice(0, 64)} is not supported.`);
  // `require_parameters` has no effect: a machine must always support everything that the request
  // needs.
  if (isGiven(requires) && typeof requires !== 'boolean')
    throw invalid('provider', 'provider.require_parameters must be true or false.');
  if (isGiven(fallbacks) && typeof fallbacks !== 'boolean')
    throw invalid('provider', 'provider.allow_fallbacks must be true or false.');
  const wanted = isGiven(order) ? providerIds(order, 'order') : undefined;
  const listed = isGiven(only) ? providerIds(only, 'only') : undefined;
  const seconds = positive(latency, 'preferred_max_latency');
  const tokensPerSecond = positive(throughput, 'preferred_min_throughput');
  const first = isGiven(sort) ? oneOf(sort, SORTS, 'sort') : undefined;
  const prefers: Preferences = {
    ...(wanted && { order: wanted }),
    ...(first !== undefined && { sort: first }),
    ...(tokensPerSecond !== undefined && { minTokensPerSecond: tokensPerSecond }),
    ...(seconds !== undefined && { maxFirstContentMs: seconds * 1_000 }),
  };
  return {
    only:
      fallbacks === false && wanted !== undefined
        ? wanted.filter((id) => listed?.includes(id) ?? true)
        : listed,
    ignore: isGiven(ignore) ? providerIds(ignore, 'ignore') : [],
    prefers: Object.keys(prefers).length === 0 ? undefined : prefers,
    quantizations: isGiven(quantizations)
      ? listOf(quantizations, 'quantizations').map((one) =>
          oneOf(one, QUANTIZATIONS, 'quantizations'),
        )
      : undefined,
    maxPrice: isGiven(maxPrice) ? priceLimit(maxPrice) : undefined,
    level: isGiven(level) ? oneOf(level, TRUST_LEVELS, 'trust_level') : undefined,
  };
}

/** The model with only those of its builds that have one of the wanted quantizations. */
export function withQuantizations(
  model: CatalogModel,
  wanted: ProviderPreferences['quantizations'],
): CatalogModel {
  if (wanted === undefined) return model;
  const builds = model.builds.filter((build) =>
    wanted.includes(model.quantizations?.[build] ?? 'unknown'),
  );
  if (builds.length === 0)
    throw new ApiError(
      'preferences_unmet',
      `${model.id} is not offered in ${wanted.join(' or ')}.`,
      { param: 'provider' },
    );
  return { ...model, builds };
}

/**
 * The price limit of a request: by default the listed price, so that a machine cannot charge more
 * than its caller expects.
 */
export function priceTerms(
  { inputMicroUsdPerMillion, outputMicroUsdPerMillion }: CatalogModel,
  max: MaxPrice | undefined,
): Pick<PriceTerms, 'list' | 'max'> {
  const list = { inputMicroUsdPerMillion, outputMicroUsdPerMillion };
  return { list, max: { ...list, ...max } };
}

/** Reads a price limit, which the caller gives in dollars per million tokens. */
function priceLimit(limit: unknown): MaxPrice {
  if (!isObject(limit)) throw invalid('provider', 'provider.max_price must be an object.');
  const max: MaxPrice = {};
  for (const [name, value] of Object.entries(limit)) {
    const field = PRICES[name as keyof typeof PRICES];
    if (field === undefined)
      throw invalid('provider', `provider.max_price.${name.slice(0, 64)} is not supported.`);
    const dollars = typeof value === 'string' && PRICE_TEXT.test(value) ? Number(value) : value;
    if (typeof dollars !== 'number' || !(dollars >= 0 && dollars <= MAX_PRICE))
      throw invalid('provider', `provider.max_price.${name} must be dollars for a million tokens.`);
    max[field] = Math.floor(dollars * MICRO_USD);
  }
  return max;
}

function positive(value: unknown, field: string): number | undefined {
  if (!isGiven(value)) return undefined;
  if (typeof value !== 'number' || !(value > 0 && value <= MAX_WISH))
    throw invalid('provider', `provider.${field} must be a number above 0.`);
  return value;
}

function oneOf<const Word extends string>(
  value: unknown,
  words: readonly Word[],
  field: string,
): Word {
  if (!words.includes(value as Word))
    throw invalid('provider', `provider.${field} must be one of ${words.join(', ')}.`);
  return value as Word;
}

function listOf(value: unknown, field: string): unknown[] {
  if (Array.isArray(value) && value.length > 0 && value.length <= MAX_NAMED_PROVIDERS) return value;
  throw invalid('provider', `provider.${field} must be an array of 1 to ${MAX_NAMED_PROVIDERS}.`);
}

function providerIds(value: unknown, field: string): string[] {
  const list = listOf(value, field);
  const wrong = list.find((id) => !providerId.Check(id));
  if (wrong !== undefined)
    throw invalid('provider', `provider.${field}: ${quoted(wrong)} is not a provider id.`);
  return list as string[];
}
