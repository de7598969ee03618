import type { Routes } from '../api/routes.ts';

type Hour = Routes['GET /v1/me/providers/{id}/day']['answer']['hours'][number];

/** One of the last 24 hours, in minutes; what is missing to 60 is unknown. */
export interface DayCell {
  /** Beginning of the hour, in milliseconds since 1970. */
  readonly at: number;
  readonly serving: number;
  readonly idle: number;
  readonly blocked: number;
  /** The gate that was closed for most of the blocked minutes, in a sentence. */
  readonly because: string | null;
  readonly gate: string | null;
}

const HOUR_MS = 3_600_000;
const HOURS = 24;

/**
 * The last 24 hours, the oldest first. An hour that two routers have seen, because the machine has
 * changed its cell, is the sum of both. No hour has more than 60 minutes.
 */
export function dayCells(hours: readonly Hour[], now: number): DayCell[] {
  const present = Math.floor(now / HOUR_MS) * HOUR_MS;
  return Array.from({ length: HOURS }, (_, index) => {
    const at = present - (HOURS - 1 - index) * HOUR_MS;
    const those = hours.filter((hour) => Date.parse(hour.at) === at);
    const last = those.at(-1);
    const sum = (minutes: (hour: Hour) => number) =>
      those.reduce((total, hour) => total + minutes(hour), 0);
    const serving = Math.min(
      60,
      sum((hour) => hour.serving_minutes),
    );
    const idle = Math.min(
      60 - serving,
      sum((hour) => hour.idle_minutes),
    );
    const blocked = Math.min(
      60 - serving - idle,
      sum((hour) => hour.blocked_minutes),
    );
    return { at, serving, idle, blocked, because: last?.because ?? null, gate: last?.gate ?? null };
  });
}
