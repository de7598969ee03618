import { type DemandReport, type GateName, gates } from '#bus-schemas';
import type { ProviderView } from './fleet.ts';

export const HOUR_MS = 3_600_000;
/** Hours that are kept: the present one and those of the day before it. */
export const HOURS = 25;
/** For each hour: minutes of serving, idle and blocked; the gate; and how far it is ahead of others. */
const FIELDS = 5;
const [SERVING, IDLE, BLOCKED, GATE, LEAD] = [0, 1, 2, 3, 4] as const;

const GATES = Object.keys(gates) as GateName[];
/** Gates of a machine that has no free place, because it answers requests. */
const WORKS: ReadonlySet<string> = new Set(['busy', 'crowded', 'tokens']);

/** What a machine did in one hour, in minutes. The rest of the hour is unknown. */
export interface MachineHour {
  /** Beginning of the hour, in milliseconds since 1970. */
  readonly at: number;
  readonly servingMinutes: number;
  readonly idleMinutes: number;
  readonly blockedMinutes: number;
  /** The gate that was closed for most of the blocked minutes. */
  readonly gate?: GateName;
}

type Minute = 'serving' | 'idle' | GateName;

/** What a machine did in the minute of a report: a gate is the reason if it could not serve at all. */
export function minuteOf(
  { slots }: Pick<ProviderView, 'slots'>,
  { builds }: DemandReport,
): Minute | undefined {
  if (builds.some(({ chosen }) => chosen > 0)) return 'serving';
  if ([...slots.values()].some(({ running }) => running > 0)) return 'serving';
  const missed = builds.map((build) => build.missed);
  if (missed.some((reason) => reason !== undefined && WORKS.has(reason))) return 'serving';
  const closed = missed.map((reason) => GATES.find((gate) => gate === reason));
  // A machine with one open build is idle, whatever keeps its other builds closed.
  return closed.every((gate) => gate !== undefined) ? closed[0] : 'idle';
}

interface Ring {
  /** The newest hour, counted since 1970. */
  hour: number;
  readonly bytes: Uint8Array;
}

/**
 * The last day of each machine, by the hour, in 125 bytes for each machine. coordinator/routing/days
 * stores it, so that it outlives this router.
 */
export class MachineHours {
  readonly #rings = new Map<string, Ring>();

  note(provider: string, minute: Minute | undefined, now: number): void {
    if (minute === undefined) return;
    const ring = this.#upTo(provider, Math.floor(now / HOUR_MS));
    const at = (ring.hour % HOURS) * FIELDS;
    const add = (field: number) => {
      ring.bytes[at + field] = Math.min(255, (ring.bytes[at + field] ?? 0) + 1);
    };
    if (minute === 'serving') return add(SERVING);
    if (minute === 'idle') return add(IDLE);
    add(BLOCKED);
    this.#vote(ring.bytes, at, GATES.indexOf(minute));
  }

  /** The hours of the last day in which the machine was seen, the oldest first. */
  of(provider: string, now: number): MachineHour[] {
    const ring = this.#rings.get(provider);
    if (ring === undefined) return [];
    const present = Math.floor(now / HOUR_MS);
    const hours: MachineHour[] = [];
    for (let hour = Math.max(ring.hour, present) - HOURS + 1; hour <= ring.hour; hour += 1) {
      const at = (hour % HOURS) * FIELDS;
      const field = (name: number) => ring.bytes[at + name] ?? 0;
      if (field(SERVING) + field(IDLE) + field(BLOCKED) === 0) continue;
      const gate = GATES[field(GATE)];
      hours.push({
        at: hour * HOUR_MS,
        servingMinutes: field(SERVING),
        idleMinutes: field(IDLE),
        blockedMinutes: field(BLOCKED),
        ...(field(BLOCKED) > 0 && gate !== undefined && { gate }),
      });
    }
    return hours;
  }

  /** Adds hours that another router has counted, as far as they belong to the last day. */
  add(provider: string, hours: readonly MachineHour[], now: number): void {
    const present = Math.floor(now / HOUR_MS);
    for (const { at, servingMinutes, idleMinutes, blockedMinutes, gate } of hours) {
      const hour = at / HOUR_MS;
      if (hour <= present - HOURS || hour > present) continue;
      const { bytes } = this.#upTo(provider, hour);
      const place = (hour % HOURS) * FIELDS;
      const had = bytes[place + BLOCKED] ?? 0;
      for (const [field, minutes] of [
        [SERVING, servingMinutes],
        [IDLE, idleMinutes],
        [BLOCKED, blockedMinutes],
      ] as const)
        bytes[place + field] = Math.min(255, (bytes[place + field] ?? 0) + minutes);
      if (gate === undefined || blockedMinutes < had) continue;
      bytes[place + GATE] = GATES.indexOf(gate);
      bytes[place + LEAD] = blockedMinutes;
    }
  }

  has(provider: string): boolean {
    return this.#rings.has(provider);
  }

  providers(): IterableIterator<string> {
    return this.#rings.keys();
  }

  drop(provider: string): void {
    this.#rings.delete(provider);
  }

  clear(): void {
    this.#rings.clear();
  }

  /** Drops machines that were not seen for a day. */
  dropOld(now: number): void {
    const oldest = Math.floor(now / HOUR_MS) - HOURS;
    for (const [provider, { hour }] of this.#rings)
      if (hour <= oldest) this.#rings.delete(provider);
  }

  get size(): number {
    return this.#rings.size;
  }

  /** The ring of this machine, with the hours emptied that have passed since its newest one. */
  #upTo(provider: string, hour: number): Ring {
    const ring = this.#rings.get(provider) ?? { hour, bytes: new Uint8Array(HOURS * FIELDS) };
    this.#rings.set(provider, ring);
    for (let passed = ring.hour + 1; passed <= hour && passed <= ring.hour + HOURS; passed += 1)
      ring.bytes.fill(0, (passed % HOURS) * FIELDS, (passed % HOURS) * FIELDS + FIELDS);
    ring.hour = Math.max(ring.hour, hour);
    return ring;
  }

  /** Boyer and Moore: the gate of most minutes stays, in constant memory. */
  #vote(bytes: Uint8Array, at: number, gate: number): void {
    const lead = bytes[at + LEAD] ?? 0;
    if (lead === 0) bytes[at + GATE] = gate;
    bytes[at + LEAD] = bytes[at + GATE] === gate ? Math.min(255, lead + 1) : lead - 1;
  }
}
