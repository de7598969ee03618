import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linuxThermal, macThermal } from './thermal-reader.ts';

describe('the temperature of a Linux computer', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dinf-thermal-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function zone(
    name: string,
    type: string,
    degrees: number | string,
    trips: readonly (readonly [kind: string, degrees: number])[],
  ): Promise<void> {
    const place = join(folder, name);
    await mkdir(place, { recursive: true });
    const temp = typeof degrees === 'string' ? degrees : String(degrees * 1_000);
    const files: Record<string, string> = { type, temp };
    for (const [point, [kind, limit]] of trips.entries()) {
      files[`trip_point_${point}_type`] = kind;
      files[`trip_point_${point}_temp`] = String(limit * 1_000);
    }
    for (const [file, text] of Object.entries(files))
      await writeFile(join(place, file), `${text}\n`);
  }

  const trips = [
    ['active', 50],
    ['passive', 90],
    ['critical', 105],
  ] as const;

  test.each([
    [60, 'nominal'],
    [79.9, 'nominal'],
    [80, 'fair'],
    [90, 'serious'],
    [99, 'serious'],
    [100, 'critical'],
  ])(
    'at %d °C, with a passive trip point at 90 °C and a critical one at 105 °C, is %s',
    async (degrees, state) => {
      await zone('thermal_zone0', 'x86_pkg_temp', degrees, trips);
      expect(await linuxThermal(folder)).toBe(state);
    },
  );

  test.each([
    [69, 'nominal'],
    [70, 'fair'],
    [80, 'serious'],
    [90, 'critical'],
  ])('at %d °C, with a hot trip point at 90 °C only, is %s', async (degrees, state) => {
    await zone('thermal_zone0', 'cpu-thermal', degrees, [['hot', 90]]);
    expect(await linuxThermal(folder)).toBe(state);
  });

  test('is that of the hottest zone of the computer, without those of other parts', async () => {
    await zone('thermal_zone0', 'acpitz', 40, trips);
    await zone('thermal_zone1', 'gpu-thermal', 85, trips);
    await zone('thermal_zone2', 'iwlwifi_1', 104, trips);
    await zone('cooling_device0', 'fan', 104, trips);
    expect(await linuxThermal(folder)).toBe('fair');
  });

  test('is unknown without zones, trip points in use, or readings', async () => {
    expect(await linuxThermal(join(folder, 'missing'))).toBeUndefined();
    await zone('thermal_zone0', 'x86_pkg_temp', 99, [
      ['passive', 0],
      ['critical', -274],
    ]);
    await zone('thermal_zone1', 'acpitz', '', trips);
    expect(await linuxThermal(folder)).toBeUndefined();
  });
});

const NO_WARNING = `Note: No thermal warning level has been recorded
Note: No performance warning level has been recorded
`;
const limited = (percent: number) => `${NO_WARNING}2026-11-20 10:12:41 +0100 CPU Power notify
\tCPU_Scheduler_Limit \t= 100
\tCPU_Available_CPUs \t= 10
\tCPU_Speed_Limit \t= ${percent}
`;

test.each([
  [`${NO_WARNING}Note: No CPU power status has been recorded\n`, 'nominal'],
  [limited(100), 'nominal'],
  [limited(90), 'fair'],
  [limited(79), 'serious'],
  [limited(49), 'critical'],
  ['Thermal Warning Level = 5\n', 'serious'],
  ['Thermal Warning Level = 10\n', 'critical'],
  ['Thermal warning level = 0\n', 'nominal'],
  ['Error: unknown option\n', undefined],
  [undefined, undefined],
])('the output %j of pmset is %s', (printed, state) => {
  expect(macThermal(printed)).toBe(state);
});
