import { byName, RATE_LIMIT_NAMES } from '../key-limits.ts';
import { optional, positive } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';

/** Limits of a key or an account; a missing field means no limit of its own. */
export const RateLimits = Type.Object(byName(RATE_LIMIT_NAMES, () => optional(positive)));
export type RateLimits = Static<typeof RateLimits>;
