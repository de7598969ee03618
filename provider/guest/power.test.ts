import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linuxPower, macPower, PowerInput, type PowerState } from './power.ts';

describe('the power of a Linux computer', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dinf-power-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const powerOf = (supplies: string) => linuxPower(supplies, join(folder, 'platform_profile'));

  async function supply(name: string, fields: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(join(folder, name));
    for (const [file, text] of Object.entries(fields))
      await writeFile(join(folder, name, file), `${text}\n`);
  }

  test('is the battery while the adapter is not connected', async () => {
    await supply('AC', { type: 'Mains', online: '0' });
    await supply('BAT0', { type: 'Battery', status: 'Discharging', capacity: '41' });
    await supply('mouse', {
      type: 'Battery',
      scope: 'Device',
      status: 'Discharging',
      capacity: '90',
    });
    expect(await powerOf(folder)).toEqual({ isOnBattery: true, percent: 41 });
  });

  test('is the adapter while it is connected, also if the battery is discharged beside it', async () => {
    await supply('ADP1', { type: 'USB', online: '1' });
    await supply('BAT0', { type: 'Battery', status: 'Discharging', capacity: '41' });
    expect(await powerOf(folder)).toEqual({ isOnBattery: false, percent: 41 });
  });

  test('is mains power without a battery of the computer', async () => {
    expect(await powerOf(folder)).toEqual({ isOnBattery: false, percent: undefined });
    await supply('mouse', {
      type: 'Battery',
      scope: 'Device',
      status: 'Discharging',
      capacity: '9',
    });
    expect(await powerOf(folder)).toEqual({ isOnBattery: false, percent: undefined });
  });

  test.each([
    ['low-power', true],
    ['balanced', false],
  ])('is saved with the profile %s: %s', async (profile, savesPower) => {
    await writeFile(join(folder, 'platform_profile'), `${profile}\n`);
    expect(await powerOf(folder)).toMatchObject({ savesPower });
  });

  test('is unknown without the folder of power supplies', async () => {
    expect(await powerOf(join(folder, 'missing'))).toBeUndefined();
  });
});

test.each([
  [
    "Now drawing from 'Battery Power'\n -InternalBattery-0 (id=4653155)\t85%; discharging; 4:12 remaining present: true\n",
    { isOnBattery: true, percent: 85 },
  ],
  [
    "Now drawing from 'AC Power'\n -InternalBattery-0 (id=4653155)\t100%; charged; 0:00 remaining present: true\n",
    { isOnBattery: false, percent: 100 },
  ],
  ["Now drawing from 'AC Power'\n", { isOnBattery: false, percent: undefined }],
  ['pmset: command not found', undefined],
  [undefined, undefined],
])('the output %j of pmset is read', (printed, state) => {
  expect(macPower(printed)).toEqual(state);
});

/** The reasons for which a machine with these rules is closed, in the order of the states. */
function reasonsOf(
  rules: { onlyOnPower?: boolean; batteryFloor?: number },
  states: readonly (PowerState | undefined)[],
) {
  let present: PowerState | undefined;
  const input = new PowerInput({ onlyOnPower: false, batteryFloor: 0, ...rules }, () => present);
  return states.map((state) => {
    present = state;
    return input.closedAt()?.reason ?? input.notes[0];
  });
}
const battery = (percent: number): PowerState => ({ isOnBattery: true, percent });
const mains = (percent: number): PowerState => ({ isOnBattery: false, percent });

test('a machine with --only-on-power is closed on battery, and open if the power is unknown', () => {
  expect(reasonsOf({ onlyOnPower: true }, [mains(5), battery(99), undefined])).toEqual([
    undefined,
    'on_battery',
    'power_unknown',
  ]);
});

test('a machine closes at the floor of its battery, and opens with mains power or well above the floor', () => {
  const charges = [50, 30, 29, 31, 34, 35, 30].map(battery);
  expect(reasonsOf({ batteryFloor: 30 }, [...charges, battery(10), mains(10)])).toEqual([
    undefined,
    undefined,
    'battery_low',
    'battery_low',
    'battery_low',
    undefined,
    undefined,
    'battery_low',
    undefined,
  ]);
});

test('a machine with a floor of 100 percent opens with a full battery', () => {
  expect(reasonsOf({ batteryFloor: 100 }, [battery(99), battery(100)])).toEqual([
    'battery_low',
    undefined,
  ]);
});

test.each([
  [' lowpowermode         1\n', { savesPower: true }],
  ['System-wide power settings:\n lowpowermode         0\n', { savesPower: false }],
  [' displaysleep         10\n', {}],
])('reads the mode that saves power from what pmset prints: %j', (settings, mode) => {
  expect(macPower("Now drawing from 'AC Power'\n", settings)).toEqual({
    isOnBattery: false,
    percent: undefined,
    ...mode,
  });
});
