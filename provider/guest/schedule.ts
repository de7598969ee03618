import type { Closed, DoorInput } from './door.ts';

/**
 * The hours in which a machine serves, by weekday and time zone: `mon-fri 22:00-08:00 Europe/Berlin`.
 * Several windows are separated by `;`. A window that ends before it begins ends on the next day. Hours
 * are those on the clock of the zone, so a change to summer time does not move them.
 */
export interface Schedule {
  readonly windows: readonly Window[];
}

interface Window {
  /** Days on which the window begins: 0 is Sunday. */
  readonly days: ReadonlySet<number>;
  /** Minutes since midnight. */
  readonly from: number;
  readonly to: number;
  readonly clock: Intl.DateTimeFormat;
}

/** Whether the machine serves, and the time in milliseconds since 1970 at which this changes. */
export interface ScheduleState {
  readonly isOpen: boolean;
  /** Undefined if nothing changes within eight days. */
  readonly until: number | undefined;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
/** A schedule repeats each week; a change of the clock moves it by an hour or two. */
const LOOK_AHEAD_MINUTES = 8 * DAY_MINUTES;
const MAX_WINDOWS = 32;
const WINDOW = /^(\S+) (\d\d):(\d\d)-(\d\d):(\d\d)(?: (\S+))?$/;
const EXAMPLE = 'mon-fri 22:00-08:00 Europe/Berlin; sat,sun 00:00-24:00';

/** Throws an error whose message completes "The schedule …". */
export function parseSchedule(text: string): Schedule {
  const windows = text.split(';').map((one) => parseWindow(one.trim().replaceAll(/\s+/g, ' ')));
  if (windows.length > MAX_WINDOWS) throw new Error(`may have ${MAX_WINDOWS} windows`);
  return { windows };
}

function parseWindow(text: string): Window {
  const [, days = '', ...rest] = WINDOW.exec(text) ?? [];
  const [fromHour, fromMinute, toHour, toMinute] = rest.map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const from = 60 * fromHour + fromMinute;
  const to = 60 * toHour + toMinute;
  const isTime = (minutes: number) => minutes <= DAY_MINUTES;
  if (days === '' || fromMinute > 59 || toMinute > 59 || !isTime(from) || !isTime(to))
    throw new Error(`has to look like "${EXAMPLE}"`);
  return { days: new Set(days.split(',').flatMap(parseDays)), from, to, clock: clockOf(rest[4]) };
}

function parseDays(text: string): number[] {
  if (text === 'daily') return DAYS.map((_, day) => day);
  const [first = '', last = first] = text.toLowerCase().split('-');
  const [from, to] = [DAYS.indexOf(first), DAYS.indexOf(last)];
  if (from < 0 || to < 0) throw new Error(`has the unknown day "${text}"`);
  return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, i) => (from + i) % 7);
}

/** A clock of the zone; of the system's zone if none is named. */
function clockOf(timeZone: string | undefined): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      ...(timeZone !== undefined && { timeZone }),
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  } catch {
    throw new Error(`has the unknown time zone "${timeZone}"`);
  }
}

export function scheduleAt(schedule: Schedule, now: number): ScheduleState {
  const isOpen = isOpenAt(schedule, now);
  const minute = Math.floor(now / MINUTE_MS);
  for (let i = 1; i <= LOOK_AHEAD_MINUTES; i += 1) {
    const at = (minute + i) * MINUTE_MS;
    if (isOpenAt(schedule, at) !== isOpen) return { isOpen, until: at };
  }
  return { isOpen, until: undefined };
}

const isOpenAt = ({ windows }: Schedule, at: number): boolean =>
  windows.some((window) => {
    const parts = new Map(window.clock.formatToParts(at).map(({ type, value }) => [type, value]));
    const day = DAYS.indexOf((parts.get('weekday') ?? '').toLowerCase());
    const minutes = 60 * Number(parts.get('hour')) + Number(parts.get('minute'));
    const { days, from, to } = window;
    if (from < to) return days.has(day) && from <= minutes && minutes < to;
    return (days.has(day) && minutes >= from) || (days.has((day + 6) % 7) && minutes < to);
  });

/** Closes the machine outside of its hours. */
export class Hours implements DoorInput {
  readonly #schedule: Schedule;
  /** The end of the present state takes longer to compute than the state, so it is kept. */
  #state: ScheduleState | undefined;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  closedAt(now: number): Closed | undefined {
    // The state also changes before its end if the clock of the computer is set.
    if (this.#state?.isOpen !== isOpenAt(this.#schedule, now))
      this.#state = scheduleAt(this.#schedule, now);
    const { isOpen, until } = this.#state;
    return isOpen ? undefined : { reason: 'schedule', ...(until !== undefined && { until }) };
  }
}
