import { language } from '../texts/language.ts';
import { t } from '../texts.ts';
import { decimal } from './numbers.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const locale = language === 'de' ? 'de-DE' : 'en-GB';
const local = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const day = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
const utcDate = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone: 'UTC' });
const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });

/** How long ago a time was: "3 min ago". Times of another week are dates. */
export function timeAgo(at: number, now: number): string {
  const past = now - at;
  if (past < MINUTE) return past < -MINUTE ? localTime(at) : t.time.now;
  if (past < HOUR) return t.time.minutesAgo(Math.floor(past / MINUTE));
  if (past < DAY) return t.time.hoursAgo(Math.floor(past / HOUR));
  if (past < 7 * DAY) return t.time.daysAgo(Math.floor(past / DAY));
  return localDay(at);
}

/** How far away a future time is: "in 5 days". */
export function timeAhead(at: number, now: number): string {
  const future = at - now;
  if (future <= 0) return t.time.over;
  if (future < HOUR) return t.time.inMinutes(Math.ceil(future / MINUTE));
  if (future < DAY) return t.time.inHours(Math.floor(future / HOUR));
  return t.time.inDays(Math.floor(future / DAY));
}

/** A day of UTC, such as `2026-11-28`, as people read it. */
export const dayInUtc = (date: string): string => utcDate.format(Date.parse(date));

/** "3 h 20 min" */
export function hoursAndMinutes(minutes: number): string {
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours === 0) return `${rest} min`;
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
}

export const localTime = (at: number): string => local.format(at);
export const localDay = (at: number): string => day.format(at);
export const localClock = (at: number): string => clock.format(at);

/** "2026-11-28 14:02:33 UTC" */
export const utcTime = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** A duration as people read it: "240 ms", "1.4 s". */
export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${decimal((ms / 1_000).toFixed(1))} s`;
}
