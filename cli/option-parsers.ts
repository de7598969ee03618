import { InvalidArgumentError } from 'commander';
import { messageOf } from '#bus-schemas/message-of.ts';
import { isMonth } from '#coordinator/months.ts';
import { CAN_SHARE_PORTS } from '#coordinator/worker-place.ts';
import { ALWAYS } from '#provider/guest/guest-settings.ts';
import { parseSchedule } from '#provider/guest/schedule.ts';

/** Parsers for the values of options. The message of an error completes the name of the option. */

const MICRO_USD = 1_000_000;
const MAX_PORT = 65_535;
const MAX_WORKERS = 64;

export const wholeNumber = (text: string): number => integerFrom(0, text, 'must be a whole number');

export const positiveWholeNumber = (text: string): number =>
  integerFrom(1, text, 'must be a whole number from 1 on');

/** Parses the number of ingresses that share a port, which is possible only on Linux. */
export function workerCount(text: string): number {
  const count = numberThat(
    (value) => Number.isInteger(value) && value >= 1 && value <= MAX_WORKERS,
    text,
    `must be a whole number from 1 to ${MAX_WORKERS}`,
  );
  if (count > 1 && !CAN_SHARE_PORTS)
    throw new InvalidArgumentError('must be 1 here: processes can share a port only on Linux');
  return count;
}

export const percent = (text: string): number =>
  numberThat(
    (value) => Number.isInteger(value) && value >= 1 && value <= 100,
    text,
    'must be a whole number from 1 to 100',
  );

export const percentFromZero = (text: string): number =>
  numberThat(
    (value) => Number.isInteger(value) && value >= 0 && value <= 100,
    text,
    'must be a whole number from 0 to 100',
  );

/** Checks the hours in which a machine serves; returns them as they were written. */
export function scheduleText(text: string): string {
  try {
    if (text !== ALWAYS) parseSchedule(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

export const port = (text: string): number =>
  numberThat(
    (value) => Number.isInteger(value) && value >= 1 && value <= MAX_PORT,
    text,
    'must be a port, from 1 to 65535',
  );

export const portOrNone = (text: string): number => (text === '0' ? 0 : port(text));

export const nonNegativeNumber = (text: string): number =>
  numberThat((value) => value >= 0, text, 'must be a number that is not negative');

export const positiveNumber = (text: string): number =>
  numberThat((value) => value > 0, text, 'must be a number above 0');

/** Parses an amount in dollars; returns millionths of a dollar. */
export function microUsd(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Math.round(Number(text) * MICRO_USD);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('must be an amount in dollars, as in 0.05');
  return value;
}

/** Parses a date; returns milliseconds since 1970. */
export function date(text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError('must be a date, such as 2026-11-01');
  return at;
}

/** Parses a month in UTC. */
export function month(text: string): string {
  if (!isMonth(text)) throw new InvalidArgumentError('must be a month, such as 2026-01');
  return text;
}

/** Parses names that are separated by commas; an empty name stays, so that it can be refused. */
export const names = (text: string): string[] => text.split(',');

/** Returns a parser of values of a closed list that are separated by commas. */
export const choicesOf =
  <T extends string>(allowed: readonly T[]) =>
  (text: string): T[] =>
    names(text).map((name) => {
      const found = allowed.find((value) => value === name);
      if (found === undefined)
        throw new InvalidArgumentError(`must be a list of ${allowed.join(', ')}`);
      return found;
    });

/** Longest name of a Helm release for which every name that follows from it is a label in DNS. */
const MAX_RELEASE = 40;

/** Parses the name of a Helm release, which becomes a part of names in DNS. */
export function releaseName(text: string): string {
  if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text) || text.length > MAX_RELEASE)
    throw new InvalidArgumentError(
      `must have at most ${MAX_RELEASE} small letters, digits and hyphens, as in dinf`,
    );
  return text;
}

const integerFrom = (least: number, text: string, otherwise: string): number =>
  numberThat((value) => Number.isSafeInteger(value) && value >= least, text, otherwise);

function numberThat(isRight: (value: number) => boolean, text: string, otherwise: string): number {
  const value = Number(text);
  if (!isRight(value)) throw new InvalidArgumentError(otherwise);
  return value;
}
