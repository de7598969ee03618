import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuestNote } from '../reasons.ts';
import type { Closed, DoorInput } from './door.ts';
import { printedBy } from './printed-by.ts';

export interface PowerState {
  readonly isOnBattery: boolean;
  /** Charge of the fullest battery in percent; undefined without a battery. */
  readonly percent: number | undefined;
  /** A mode of the system lowers the speed to save power; undefined if that is not known. */
  readonly savesPower?: boolean | undefined;
}

/** Returns how the computer is powered at present; undefined if the system does not report it. */
export type PowerReader = () => Promise<PowerState | undefined>;

export interface PowerRules {
  /** Serve only with mains power. */
  readonly onlyOnPower: boolean;
  /** On battery, serve only above this charge in percent; 0 allows every charge. */
  readonly batteryFloor: number;
}

/** A machine that closed at its floor opens when the charge is this many percent above it. */
const REOPEN_PERCENT = 5;

/** Closes the machine on battery, as its owner has set it. */
export class PowerInput implements DoorInput {
  readonly #rules: PowerRules;
  readonly #present: () => PowerState | undefined;
  #isBelowFloor = false;

  /** `present` returns the newest reading. */
  constructor(rules: PowerRules, present: () => PowerState | undefined) {
    this.#rules = rules;
    this.#present = present;
  }

  get notes(): GuestNote[] {
    return this.#present() === undefined ? ['power_unknown'] : [];
  }

  closedAt(): Closed | undefined {
    const { onlyOnPower, batteryFloor } = this.#rules;
    const { isOnBattery = false, percent = 100 } = this.#present() ?? {};
    const floor = this.#isBelowFloor ? batteryFloor + REOPEN_PERCENT : batteryFloor;
    this.#isBelowFloor = isOnBattery && percent < Math.min(floor, 100);
    if (onlyOnPower && isOnBattery) return { reason: 'on_battery' };
    return this.#isBelowFloor ? { reason: 'battery_low' } : undefined;
  }
}

/** The reader for this system. */
export const powerReader = (): PowerReader =>
  process.platform === 'darwin'
    ? async () =>
        macPower(await printedBy('pmset', ['-g', 'batt']), await printedBy('pmset', ['-g']))
    : () => linuxPower();

/** Reads Linux's folder of power supplies, one folder for each battery and each mains adapter. */
export async function linuxPower(
  folder = '/sys/class/power_supply',
  profileFile = '/sys/firmware/acpi/platform_profile',
): Promise<PowerState | undefined> {
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return undefined;
  const supplies = await Promise.all(
    names.map(async (name) => {
      const field = (file: string) =>
        readFile(join(folder, name, file), 'utf8').then(
          (text) => text.trim(),
          () => '',
        );
      const [type, scope, online, status, capacity] = await Promise.all(
        ['type', 'scope', 'online', 'status', 'capacity'].map(field),
      );
      return { type, scope, online, status, capacity };
    }),
  );
  // Batteries of mice and keyboards have the scope "Device".
  const batteries = supplies.filter(({ type, scope }) => type === 'Battery' && scope !== 'Device');
  const hasMains = supplies.some(({ type, online }) => type !== 'Battery' && online === '1');
  const charges = batteries.map(({ capacity }) => Number(capacity || 100));
  return {
    isOnBattery: !hasMains && batteries.some(({ status }) => status === 'Discharging'),
    percent: charges.length === 0 ? undefined : Math.max(...charges),
    ...(await linuxProfile(profileFile)),
  };
}

const linuxProfile = (file: string): Promise<Pick<PowerState, 'savesPower'>> =>
  readFile(file, 'utf8').then(
    (text) => ({ savesPower: text.trim() === 'low-power' }),
    () => ({}),
  );

/**
 * Reads what `pmset -g batt` and `pmset -g` print; undefined if the first does not name the source of
 * power.
 */
export function macPower(
  printed: string | undefined,
  settings?: string | undefined,
): PowerState | undefined {
  const source = /^Now drawing from '(.+)'/m.exec(printed ?? '')?.[1];
  if (source === undefined) return undefined;
  const percent = /\t(\d+)%;/.exec(printed ?? '')?.[1];
  const mode = /^ *lowpowermode +(\d)/m.exec(settings ?? '')?.[1];
  return {
    isOnBattery: source === 'Battery Power',
    percent: percent === undefined ? undefined : Number(percent),
    ...(mode !== undefined && { savesPower: mode === '1' }),
  };
}
