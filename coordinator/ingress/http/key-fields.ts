import {
  byField,
  byName,
  definedByName,
  type KeyCaps,
  type KeyRecord,
  type KeySpending,
  ModelName,
  RATE_LIMIT_NAMES,
  RATE_LIMITS,
  type RateLimitName,
  rateLimitText,
  SPENDING_LIMITS,
  SPENDING_WINDOWS,
  type SpendingWindow,
  spendingLimitText,
} from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { asTime, futureTimeOf, MicroUsd, nullable, optional, orNull, strict, When } from './api.ts';

/** A key as the HTTP API shows and changes it, with the limits of `bus-schemas/key-limits.ts`. */

const rateLimit = (name: RateLimitName) =>
  Type.Integer({ minimum: 1, maximum: 1_000_000_000_000, description: rateLimitText(name) });
const spendingLimit = (window: SpendingWindow) =>
  Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: spendingLimitText(window),
  });

/** A change of a key: absent fields stay as they are, null removes a value. */
export const KeyChanges = Type.Object(
  {
    name: optional(Type.String({ maxLength: 120 })),
    disabled: optional(Type.Boolean()),
    expires_at: nullable(When),
    ...byField(RATE_LIMITS, (name) => nullable(rateLimit(name))),
    allowed_models: nullable(Type.Array(ModelName, { maxItems: 256 })),
    self_route_only: optional(Type.Boolean()),
    ...byField(SPENDING_LIMITS, (window) => nullable(spendingLimit(window))),
  },
  strict,
);
export type KeyChanges = Static<typeof KeyChanges>;

export const Spent = Type.Object(
  byName(SPENDING_WINDOWS, () => MicroUsd),
  {
    description:
      'Amounts charged and held in the current UTC day, week (from Monday), month, and in total, with or without a spending limit.',
  },
);
export const Key = Type.Object({
  id: Type.String(),
  name: Type.String(),
  label: Type.String({ description: 'The secret without its middle part.' }),
  disabled: Type.Boolean(),
  created_at: Type.String(),
  expires_at: orNull(Type.String()),
  last_used_at: Type.Union([Type.String(), Type.Null()], {
    description: 'Accurate to a minute; null for a key that was never used.',
  }),
  ...byField(RATE_LIMITS, () => orNull(Type.Integer())),
  allowed_models: orNull(Type.Array(Type.String())),
  self_route_only: Type.Boolean(),
  ...byField(SPENDING_LIMITS, () => orNull(Type.Integer())),
  spent_micro_usd: Spent,
});

export type Spending = Pick<KeySpending, 'caps' | 'used'>;
type Settings = Pick<
  KeyRecord,
  'name' | 'disabled' | 'limits' | 'selfRouteOnly' | 'expiresAt' | 'allowedModels'
>;

export const NEW_KEY: Settings = { name: '', disabled: false, limits: {}, selfRouteOnly: false };

/** The settings after a change. `caps` is undefined if the change does not concern them. */
export function changed({
  before,
  caps,
  changes,
  now,
}: {
  before: Settings;
  caps: KeyCaps;
  changes: KeyChanges;
  now: number;
}): {
  settings: Settings;
  caps: KeyCaps | undefined;
} {
  const { expires_at: expiry } = changes;
  const expiresAt =
    expiry === null ? undefined : (futureTimeOf(expiry, 'expires_at', now) ?? before.expiresAt);
  const allowedModels = merged(changes.allowed_models, before.allowedModels);
  const capOf = (window: SpendingWindow) => changes[SPENDING_LIMITS[window].field];
  const isTouched = SPENDING_WINDOWS.some((window) => capOf(window) !== undefined);
  return {
    settings: {
      name: changes.name ?? before.name,
      disabled: changes.disabled ?? before.disabled,
      selfRouteOnly: changes.self_route_only ?? before.selfRouteOnly,
      limits: definedByName(RATE_LIMIT_NAMES, (name) =>
        merged(changes[RATE_LIMITS[name].field], before.limits[name]),
      ),
      ...(expiresAt !== undefined && { expiresAt }),
      ...(allowedModels !== undefined && { allowedModels }),
    },
    caps: isTouched
      ? definedByName(SPENDING_WINDOWS, (window) => merged(capOf(window), caps[window]))
      : undefined,
  };
}

function merged<T>(change: T | null | undefined, before: T | undefined): T | undefined {
  return change === null ? undefined : (change ?? before);
}

export function describe(record: KeyRecord, { caps, used }: Spending) {
  const {
    key,
    name,
    hint,
    disabled,
    createdAt,
    expiresAt,
    lastUsedAt,
    limits,
    allowedModels,
    selfRouteOnly,
  } = record;
  return {
    id: key,
    name,
    label: hint,
    disabled,
    created_at: asTime(createdAt),
    expires_at: expiresAt === undefined ? null : asTime(expiresAt),
    last_used_at: lastUsedAt === undefined ? null : asTime(lastUsedAt),
    ...byField(RATE_LIMITS, (name) => limits[name] ?? null),
    allowed_models: allowedModels ?? null,
    self_route_only: selfRouteOnly,
    ...byField(SPENDING_LIMITS, (window) => caps[window] ?? null),
    spent_micro_usd: used,
  };
}
