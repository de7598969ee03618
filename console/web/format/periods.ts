import { t } from '../texts.ts';

/** Periods of lists and sums. Their beginnings are whole hours, so that answers can be shared. */
export const PERIODS = ['day', 'week', 'month'] as const;
export type Period = (typeof PERIODS)[number];

const HOUR_MS = 3_600_000;
const HOURS: Readonly<Record<Period, number>> = { day: 24, week: 7 * 24, month: 30 * 24 };

export const periodStart = (period: Period, now: number): number =>
  (Math.floor(now / HOUR_MS) - HOURS[period]) * HOUR_MS;

/** The beginning of the current day in UTC, in which the API counts. */
export const utcDay = (now: number): number => Math.floor(now / (24 * HOUR_MS)) * 24 * HOUR_MS;

export const periodName = (period: Period): string => t.periods[period];
