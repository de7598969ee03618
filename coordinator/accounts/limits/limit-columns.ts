import { RATE_LIMIT_NAMES, RATE_LIMITS } from '#bus-schemas';

/**
 * The limits in the tables of keys and accounts: both have a column for each limit of
 * `RATE_LIMITS`. In parameters and rows all limits are one JSON object, without the missing ones.
 */

export const LIMIT_COLUMNS = RATE_LIMIT_NAMES.map((name) => RATE_LIMITS[name].field).join(', ');

/** The limits of a row of this table, as an expression. */
export const limitsIn = (table: string): string =>
  `jsonb_strip_nulls(jsonb_build_object(${RATE_LIMIT_NAMES.map((name) => `'${name}', ${table}.${RATE_LIMITS[name].field}`).join(', ')}))`;

/** The values for `LIMIT_COLUMNS` in a parameter, as a list of expressions. */
export const limitValuesIn = (parameter: string): string =>
  RATE_LIMIT_NAMES.map((name) => `(${parameter}::jsonb->>'${name}')::bigint`).join(', ');
