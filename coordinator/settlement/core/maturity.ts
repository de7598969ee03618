const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Earned money stays on the account for this long, in milliseconds, before it may be withdrawn. The
 * wait prevents quick theft with a stolen card or with a machine that bills too much: such fraud is
 * usually noticed within days, and a withdrawal cannot be reversed.
 */
export const MATURITY = {
  /**
   * An account is new until its first earnings are this old. Earnings of a new account wait for
   * `newAccountWaitMs`, all others for `waitMs`.
   */
  newAccountMs: 30 * DAY_MS,
  newAccountWaitMs: 7 * DAY_MS,
  waitMs: 2 * DAY_MS,
} as const;
