import type { Command } from 'commander';
import type { GuestSettings } from '#provider/guest/guest-settings.ts';
import { percentFromZero, scheduleText, wholeNumber } from '../option-parsers.ts';

/** Adds the options with which an owner limits when and for whom the machine serves. */
export const addGuestOptions = (command: Command): Command =>
  command
    .option(
      '--schedule <windows>',
      'hours in which the machine serves, such as "mon-fri 22:00-08:00 Europe/Berlin; sat,sun 00:00-24:00"; "always" for all',
      scheduleText,
    )
    .option('--only-on-power', 'serve only while the computer has mains power')
    .option('--no-only-on-power', 'serve on battery too')
    .option(
      '--battery-floor <percent>',
      'on battery, serve only with at least this charge; 0 for every charge',
      percentFromZero,
    )
    .option(
      '--yield-to-user <minutes>',
      'serve only after this time without input at the computer; 0 at any time',
      wholeNumber,
    )
    .option('--private-only', 'serve only requests of the account that owns the machine')
    .option('--no-private-only', 'serve requests of all accounts')
    .option(
      '--no-batches',
      'serve no lines of batches, which run on idle machines at a lower price',
    )
    .option('--batches', 'serve lines of batches too')
    .option('--allow-sleep', 'let the computer sleep while it serves')
    .option('--no-allow-sleep', 'keep an idle computer awake while it serves on mains power');

/** The options that were given. */
export const guestSettingsOf = ({
  schedule,
  onlyOnPower,
  batteryFloor,
  yieldToUser,
  privateOnly,
  batches,
  allowSleep,
}: GuestSettings): GuestSettings => ({
  ...(schedule !== undefined && { schedule }),
  ...(onlyOnPower !== undefined && { onlyOnPower }),
  ...(batteryFloor !== undefined && { batteryFloor }),
  ...(yieldToUser !== undefined && { yieldToUser }),
  ...(privateOnly !== undefined && { privateOnly }),
  ...(batches !== undefined && { batches }),
  ...(allowSleep !== undefined && { allowSleep }),
});

/** The settings as arguments, with which the background service starts its worker. */
export const guestArguments = (settings: GuestSettings): string[] => [
  ...(settings.schedule === undefined ? [] : ['--schedule', settings.schedule]),
  ...(settings.onlyOnPower === true ? ['--only-on-power'] : []),
  ...(settings.batteryFloor === undefined
    ? []
    : ['--battery-floor', String(settings.batteryFloor)]),
  ...(settings.yieldToUser === undefined ? [] : ['--yield-to-user', String(settings.yieldToUser)]),
  ...(settings.privateOnly === true ? ['--private-only'] : []),
  ...(settings.batches === false ? ['--no-batches'] : []),
  ...(settings.allowSleep === true ? ['--allow-sleep'] : []),
];
