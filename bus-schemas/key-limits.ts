/**
 * Every limit that an API key can have. The messages, the columns and counters of accounts, the
 * fields of the HTTP API with their help texts, and the headers are derived from these tables.
 */

/** Windows of rate limits, for people. A window slides: it always ends now. */
const RATE_WINDOWS = { minute: 'any 60 seconds' } as const;

interface RateLimit {
  /** Name of the field in the HTTP API, and of the column in `api_keys`. */
  readonly field: string;
  /** Last part of the names of the headers `x-ratelimit-*`. */
  readonly header: string;
  /** Name of the counted things for people, in the plural. */
  readonly unit: string;
  readonly window: keyof typeof RATE_WINDOWS;
}

/**
 * Limits within a sliding window. The ingress states the amounts of a request (`KeyAmounts`), and
 * accounts counts them for all ingresses (coordinator/accounts/limits/).
 */
export const RATE_LIMITS = {
  requests: {
    field: 'rpm_limit',
    header: 'requests',
    unit: 'requests',
    window: 'minute',
  },
  inputTokens: {
    field: 'itpm_limit',
    header: 'input-tokens',
    unit: 'estimated tokens of prompts',
    window: 'minute',
  },
  outputTokens: {
    field: 'otpm_limit',
    header: 'output-tokens',
    unit: 'tokens that answers may have',
    window: 'minute',
  },
} as const satisfies Record<string, RateLimit>;

export type RateLimitName = keyof typeof RATE_LIMITS;
export const RATE_LIMIT_NAMES = Object.keys(RATE_LIMITS) as readonly RateLimitName[];

/** Amounts of one request; a missing one is 0. The request itself always counts as one. */
export type KeyAmounts = Readonly<Partial<Record<CountedAmount, number>>>;
export type CountedAmount = Exclude<RateLimitName, 'requests'>;
export const COUNTED_AMOUNTS = RATE_LIMIT_NAMES.filter((name) => name !== 'requests');

export function rateLimitText(name: RateLimitName): string {
  const { unit, window } = RATE_LIMITS[name];
  return `Maximum of ${unit} in ${RATE_WINDOWS[window]}.`;
}

/** Limits of money, which settlement enforces, by window; the shortest window is first. */
export const SPENDING_LIMITS = {
  day: { field: 'daily_limit_micro_usd', window: 'a UTC day' },
  week: { field: 'weekly_limit_micro_usd', window: 'a UTC week, from Monday' },
  month: { field: 'monthly_limit_micro_usd', window: 'a UTC month' },
  total: { field: 'total_limit_micro_usd', window: 'the lifetime of the key' },
} as const;

export type SpendingWindow = keyof typeof SPENDING_LIMITS;
export const SPENDING_WINDOWS = Object.keys(SPENDING_LIMITS) as readonly SpendingWindow[];

export function spendingLimitText(window: SpendingWindow): string {
  return `Maximum spending in ${SPENDING_LIMITS[window].window}, in millionths of a US dollar.`;
}

/** An object with a value for the field of each limit, as the HTTP API has them. */
export function byField<Limits extends Readonly<Record<string, { readonly field: string }>>, Value>(
  limits: Limits,
  valueFor: (name: keyof Limits & string) => Value,
): Record<Limits[keyof Limits]['field'], Value> {
  return Object.fromEntries(
    Object.entries(limits).map(([name, { field }]) => [field, valueFor(name)]),
  ) as Record<Limits[keyof Limits]['field'], Value>;
}

/** An object with one field for each name. */
export function byName<Name extends string, Value>(
  names: readonly Name[],
  valueFor: (name: Name) => Value,
): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, valueFor(name)])) as Record<Name, Value>;
}

/** An object with a field for each name that has a value. */
export function definedByName<Name extends string, Value>(
  names: readonly Name[],
  valueFor: (name: Name) => Value | null | undefined,
): Partial<Record<Name, Value>> {
  const fields = names.map((name) => [name, valueFor(name)] as const);
  return Object.fromEntries(
    fields.filter(([, value]) => value !== undefined && value !== null),
  ) as Partial<Record<Name, Value>>;
}
