import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The highest temperature of Linux's thermal zones, in degrees Celsius. Undefined where there are
 * none: macOS shows temperatures only to administrators.
 */
export async function highestTemperature(
  folder = '/sys/class/thermal',
): Promise<number | undefined> {
  const zones = (await readdir(folder).catch(() => [])).filter((name) =>
    name.startsWith('thermal_zone'),
  );
  const texts = await Promise.all(
    zones.map((zone) => readFile(join(folder, zone, 'temp'), 'utf8').catch(() => '')),
  );
  const celsius = texts
    .filter((text) => /^-?\d+\s*$/.test(text))
    .map((text) => Number(text) / 1_000)
    .filter((value) => value > -100 && value < 200);
  return celsius.length === 0 ? undefined : Math.max(...celsius);
}
