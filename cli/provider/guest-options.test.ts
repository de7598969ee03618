import { Command } from 'commander';
import { expect, test } from 'vitest';
import type { GuestSettings } from '#provider/guest/guest-settings.ts';
import { addGuestOptions, guestArguments, guestSettingsOf } from './guest-options.ts';

const parsed = (...args: string[]): GuestSettings =>
  guestSettingsOf(
    addGuestOptions(new Command()).exitOverride().parse(args, { from: 'user' }).opts(),
  );

test('the service starts its worker with the limits that the owner gave', () => {
  const settings = parsed(
    ...['--schedule', 'daily 22:00-08:00 UTC', '--only-on-power', '--battery-floor', '40'],
    ...['--yield-to-user', '10', '--private-only', '--no-batches', '--allow-sleep'],
  );
  expect(settings).toEqual({
    schedule: 'daily 22:00-08:00 UTC',
    onlyOnPower: true,
    batteryFloor: 40,
    yieldToUser: 10,
    privateOnly: true,
    batches: false,
    allowSleep: true,
  });
  expect(parsed(...guestArguments(settings))).toEqual(settings);
});

test('a limit that was not given is not saved, and one that was ended is saved as ended', () => {
  expect(parsed()).toEqual({});
  const ended = parsed(
    ...['--no-only-on-power', '--no-private-only', '--batches', '--no-allow-sleep'],
  );
  expect(ended).toEqual({
    onlyOnPower: false,
    privateOnly: false,
    batches: true,
    allowSleep: false,
  });
  expect(guestArguments(ended)).toEqual([]);
});
