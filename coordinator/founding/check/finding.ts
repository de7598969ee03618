/** The result of one named check of a network. */
export interface CheckResult {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failed';
  /** The result in words. It continues the name of the check. */
  readonly detail: string;
  /** Advice for the operator; absent if nothing is wrong. */
  readonly remedy?: string;
}

export const passed = (check: string, detail: string): CheckResult => ({
  check,
  state: 'ok',
  detail,
});
export const warning = (check: string, detail: string, remedy: string): CheckResult => ({
  check,
  state: 'warning',
  detail,
  remedy,
});
export const failed = (check: string, detail: string, remedy: string): CheckResult => ({
  check,
  state: 'failed',
  detail,
  remedy,
});

const DAY_MS = 86_400_000;

/** Reports how long a certificate is valid; less than `soonDays` is a warning. */
export function certificateFinding({
  check,
  until,
  now,
  soonDays,
  remedy,
}: {
  check: string;
  /** Milliseconds since 1970 at which the certificate expires. */
  until: number;
  now: number;
  soonDays: number;
  remedy: string;
}): CheckResult {
  const days = Math.floor((until - now) / DAY_MS);
  const detail = `is valid for ${days} more days`;
  return days >= soonDays ? passed(check, detail) : warning(check, detail, remedy);
}
