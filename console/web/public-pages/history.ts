import type { Routes } from '../api/routes.ts';

type Day = NonNullable<Routes['GET /v1/status']['answer']['models'][number]['days']>[number];

export type Grade = 'full' | 'most' | 'less' | 'none';

export interface HistoryDay {
  /** The day in UTC, YYYY-MM-DD. */
  readonly day: string;
  readonly checks: number;
  readonly served: number;
  readonly grade: Grade;
}

const DAYS = 30;
const DAY_MS = 86_400_000;
/** A day with at least this share of its checks has the second best grade. */
const MOST = 0.95;

/** Thirty days until the day of `now`, the oldest first; a day without a check has the grade "none". */
export function historyDays(days: readonly Day[], now: number): HistoryDay[] {
  return Array.from({ length: DAYS }, (_, index) => {
    const day = new Date(now - (DAYS - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    const { checks = 0, served = 0 } = days.find((each) => each.day === day) ?? {};
    return { day, checks, served, grade: gradeOf(checks, served) };
  });
}

function gradeOf(checks: number, served: number): Grade {
  if (checks === 0) return 'none';
  if (served === checks) return 'full';
  return served / checks >= MOST ? 'most' : 'less';
}

/**
 * The share of the checks as text, in percent. It is rounded down, so that 100 means that no check
 * failed; undefined without a check.
 */
export function servedShare(days: readonly Day[]): string | undefined {
  const checks = days.reduce((sum, day) => sum + day.checks, 0);
  const served = days.reduce((sum, day) => sum + day.served, 0);
  if (checks === 0) return undefined;
  return String(Math.floor((served / checks) * 10_000) / 100);
}
