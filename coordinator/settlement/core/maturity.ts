const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * How long money that was earned stays on the account before it may be withdrawn. It prevents theft
 * in one step: a stolen card or a
 * machine that bills too much is usually noticed within days, and what has been withdrawn cannot be
 * taken back.
 */
export const MATURITY = {
  /** An account is new until its first earnings are this old. */
  newAccountMs: 30 * DAY_MS,
  newAccountWaitMs: 7 * DAY_MS,
  waitMs: 2 * DAY_MS,
} as const;
