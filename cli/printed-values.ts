/** Texts of values that several commands print. */

const MICRO_USD = 1_000_000;

/** Prints millionths of a dollar as dollars with all six digits, for example `-$0.012500`. */
export const usd = (microUsd: number): string =>
  `${microUsd < 0 ? '-' : ''}$${(Math.abs(microUsd) / MICRO_USD).toFixed(6)}`;

/** Prints milliseconds since 1970 as a date and time in UTC. */
export const iso = (at: number): string => new Date(at).toISOString();
