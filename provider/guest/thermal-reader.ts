import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { THERMAL_STATES, type ThermalState } from '#bus-schemas';
import { printedBy } from './printed-by.ts';

/** Returns how warm the computer is; undefined if the system does not report it. */
export type ThermalReader = () => Promise<ThermalState | undefined>;

/** The reader for this system. */
export const thermalReader = (): ThermalReader =>
  process.platform === 'darwin'
    ? async () => macThermal(await printedBy('pmset', ['-g', 'therm']))
    : () => linuxThermal();

/** Limits of the processor's speed on macOS, in percent, below which the computer is this warm. */
const MAC_CRITICAL_BELOW = 50;
const MAC_SERIOUS_BELOW = 80;
/** Warning levels of macOS. */
const MAC_DANGER = 5;
const MAC_CRISIS = 10;

/**
 * Reads what `pmset -g therm` prints: the limit of the processor's speed, and the warning level. A
 * cool Mac has recorded neither.
 */
export function macThermal(printed: string | undefined): ThermalState | undefined {
  if (printed === undefined) return undefined;
  const numberAt = (pattern: RegExp) => {
    const text = pattern.exec(printed)?.[1];
    return text === undefined ? undefined : Number(text);
  };
  const limit = numberAt(/CPU_Speed_Limit\s*=\s*(\d+)/);
  const level = numberAt(/^Thermal (?:w|W)arning (?:l|L)evel\s*=\s*(\d+)/m);
  if (limit === undefined && level === undefined)
    return /No thermal warning level has been recorded/.test(printed) ? 'nominal' : undefined;
  return hottest([ofSpeedLimit(limit ?? 100), ofWarningLevel(level ?? 0)]);
}

function ofSpeedLimit(percent: number): ThermalState {
  if (percent < MAC_CRITICAL_BELOW) return 'critical';
  if (percent < MAC_SERIOUS_BELOW) return 'serious';
  return percent < 100 ? 'fair' : 'nominal';
}

function ofWarningLevel(level: number): ThermalState {
  if (level >= MAC_CRISIS) return 'critical';
  return level >= MAC_DANGER ? 'serious' : 'nominal';
}

/**
 * Distances to the trip points of Linux, in degrees Celsius. At a passive one the kernel slows the
 * processor down; at a critical one it turns the computer off.
 */
const BELOW_PASSIVE = 10;
const BELOW_CRITICAL = { critical: 5, serious: 10, fair: 20 } as const;
/** Zones of parts whose warmth does not come from the models. */
const OTHER_PARTS = /wifi|wlan|phy|battery|charger/i;

/**
 * Reads Linux's thermal zones, and returns the state of the hottest. Undefined if none has a trip
 * point, as in virtual machines.
 */
export async function linuxThermal(
  folder = '/sys/class/thermal',
): Promise<ThermalState | undefined> {
  const names = await readdir(folder).catch(() => []);
  const zones = names.filter((name) => name.startsWith('thermal_zone'));
  const states = await Promise.all(zones.map((name) => zoneState(join(folder, name))));
  return hottest(states.filter((state) => state !== undefined));
}

const hottest = (states: readonly ThermalState[]): ThermalState | undefined =>
  THERMAL_STATES.findLast((state) => states.includes(state));

async function zoneState(zone: string): Promise<ThermalState | undefined> {
  const textOf = (file: string) => readFile(join(zone, file), 'utf8').catch(() => '');
  if (OTHER_PARTS.test(await textOf('type'))) return undefined;
  const degrees = Number.parseInt(await textOf('temp'), 10) / 1_000;
  if (Number.isNaN(degrees)) return undefined;
  const files = await readdir(zone).catch(() => []);
  const points = files.flatMap((file) => /^trip_point_(\d+)_temp$/.exec(file)?.[1] ?? []);
  const states = await Promise.all(
    points.map(async (point) => {
      const kind = (await textOf(`trip_point_${point}_type`)).trim();
      const limit = Number.parseInt(await textOf(`trip_point_${point}_temp`), 10) / 1_000;
      return stateAt(kind, degrees, limit);
    }),
  );
  return hottest(states.filter((state) => state !== undefined));
}

/** The state by one trip point. Points at 0 degrees or below are not in use. */
function stateAt(kind: string, degrees: number, limit: number): ThermalState | undefined {
  if (Number.isNaN(limit) || limit <= 0) return undefined;
  switch (kind) {
    case 'passive':
      if (degrees >= limit) return 'serious';
      return degrees >= limit - BELOW_PASSIVE ? 'fair' : 'nominal';
    case 'hot':
      return degrees >= limit ? 'critical' : belowCritical(degrees, limit);
    case 'critical':
      return degrees >= limit - BELOW_CRITICAL.critical
        ? 'critical'
        : belowCritical(degrees, limit);
    default:
      return undefined;
  }
}

function belowCritical(degrees: number, limit: number): ThermalState {
  if (degrees >= limit - BELOW_CRITICAL.serious) return 'serious';
  return degrees >= limit - BELOW_CRITICAL.fair ? 'fair' : 'nominal';
}
