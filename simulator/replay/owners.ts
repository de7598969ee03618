import type { SeededRandom } from '#provider/engine/sampling/random.ts';

/**
 * What owners do with their computers on one day. Machines have owners in all time zones.
 *
 * - `asleep`: the computer sleeps, and its answers break off. Laptops sleep at night, and when their
 *   lid is closed by day.
 * - `off_hours`: a schedule excludes these hours. Answers that run are completed.
 * - `in_use`: the owner uses the computer, and the machine gives way. Answers that run are completed.
 */
export const ABSENCES = ['asleep', 'off_hours', 'in_use'] as const;
type AbsenceKind = (typeof ABSENCES)[number];

export interface Absence {
  readonly kind: AbsenceKind;
  /** Start and length in milliseconds. */
  readonly at: number;
  readonly ms: number;
}

/** Shares of machines with each habit; a machine can have all of them. */
const LAPTOPS = 0.4;
const SCHEDULED = 0.3;
const YIELDING = 0.4;

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
const NIGHT = { from: 23, hours: 7.5 };
const LIDS = { times: 3, from: 8, until: 22, leastHours: 1 / 12, mostHours: 1.5 };
const OFFICE = { from: 8, hours: 10 };
const SESSIONS = { times: 6, from: 9, until: 22, leastHours: 1 / 6, mostHours: 1 };

/** Draws the absences of one machine from the start of a replay to its end. */
export function absencesOf(hours: number, random: SeededRandom): Absence[] {
  const zone = Math.floor(DAY_HOURS * random.next());
  const [isLaptop, isScheduled, yields] = [
    random.next() < LAPTOPS,
    random.next() < SCHEDULED,
    random.next() < YIELDING,
  ];
  const found: Absence[] = [];
  const add = (kind: AbsenceKind, from: number, length: number) => {
    const [start, end] = [Math.max(0, from), Math.min(hours, from + length)];
    if (end > start) found.push({ kind, at: start * HOUR_MS, ms: (end - start) * HOUR_MS });
  };
  const several = (kind: AbsenceKind, midnight: number, habit: typeof LIDS) => {
    for (let n = 0; n < habit.times; n += 1) {
      const from = habit.from + (habit.until - habit.from) * random.next();
      const length = habit.leastHours + (habit.mostHours - habit.leastHours) * random.next();
      add(kind, midnight + from, length);
    }
  };
  // The days before and after belong to the replay too, for machines in other time zones.
  for (let midnight = -DAY_HOURS - zone; midnight < hours; midnight += DAY_HOURS) {
    if (isLaptop) {
      add('asleep', midnight + NIGHT.from + random.next(), NIGHT.hours);
      several('asleep', midnight, LIDS);
    }
    if (isScheduled) add('off_hours', midnight + OFFICE.from, OFFICE.hours);
    if (yields) several('in_use', midnight, SESSIONS);
  }
  return found.sort((one, other) => one.at - other.at);
}

/** Share of the time in which a machine with these absences, ordered by their start, is there. */
export function presentShare(absences: readonly Absence[], hours: number): number {
  let absentMs = 0;
  let until = 0;
  for (const { at, ms } of absences) {
    absentMs += Math.max(0, at + ms - Math.max(at, until));
    until = Math.max(until, at + ms);
  }
  return 1 - absentMs / (hours * HOUR_MS);
}
