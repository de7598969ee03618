import { type Command, InvalidArgumentError } from 'commander';
import { setting } from '#bus-schemas/settings/settings.ts';
import { wholeNumber } from '../option-parsers.ts';

/** How pages of prompts are kept on the disk. */
export interface PrefixOptions {
  readonly prefixDiskGb: number;
  readonly prefixDiskHours: number;
  readonly prefixDiskDailyGb: number;
}

const MOST_HOURS = 24;

export const addPrefixOptions = (command: Command): Command =>
  command
    .option(
      '--prefix-disk-gb <n>',
      'gigabytes on the disk for encrypted pages of prompts, so that the next request with the same beginning is answered sooner; 0 for none',
      wholeNumber,
      setting('DINF_PREFIX_DISK_GB'),
    )
    .option(
      '--prefix-disk-hours <n>',
      'hours without a use after which such pages are deleted, from 1 to 24',
      hours,
      setting('DINF_PREFIX_DISK_HOURS'),
    )
    .option(
      '--prefix-disk-daily-gb <n>',
      'gigabytes of such pages that are written to the disk on one day at most',
      wholeNumber,
      setting('DINF_PREFIX_DISK_DAILY_GB'),
    );

function hours(text: string): number {
  const value = wholeNumber(text);
  if (value >= 1 && value <= MOST_HOURS) return value;
  throw new InvalidArgumentError(`must be a whole number from 1 to ${MOST_HOURS}`);
}

/** The options as arguments, with which the background service starts its worker. */
export const prefixArguments = (saved: Partial<PrefixOptions>): string[] => [
  ...(saved.prefixDiskGb === undefined ? [] : ['--prefix-disk-gb', String(saved.prefixDiskGb)]),
  ...(saved.prefixDiskHours === undefined
    ? []
    : ['--prefix-disk-hours', String(saved.prefixDiskHours)]),
  ...(saved.prefixDiskDailyGb === undefined
    ? []
    : ['--prefix-disk-daily-gb', String(saved.prefixDiskDailyGb)]),
];
