import { encodingOf, type Slot } from '#bus-schemas';
import type { Pace } from './calibration.ts';
import { type FaultRecord, isClosedOut } from './faults.ts';
import type { ProviderView } from './fleet.ts';
import type { MeasuredSpeed } from './measured-speeds.ts';
import type { SlotPromises } from './reservations.ts';
import { speedBounds } from './speed-bounds.ts';
import { type Strain, strainOf } from './strain.ts';
import { uncrowdedStreams } from './stream-floor.ts';

/**
 * State about a provider that outlasts its presence in the fleet: promised jobs, faults and
 * measurements.
 */
export interface ProviderRecords {
  promised(provider: string, build: string): SlotPromises;
  /** Notes that the provider no longer lists this slot. */
  unlist(provider: string, build: string): void;
  fault(provider: string): Readonly<FaultRecord>;
  /** How much slower than its own figures the provider begins its answers. */
  pace(provider: string): Readonly<Pace>;
  /** The measured decoding speed of the slot. */
  measured(provider: string, build: string): MeasuredSpeed;
}

/** Why a slot gets no job at all, whatever the request is. */
export type ClosedReason =
  | 'silent'
  | 'flooding'
  | 'draining'
  | 'memory_pressure'
  | 'thermal_critical'
  | 'closed'
  | 'paused'
  | 'suite'
  | 'slot_failed'
  | 'model_too_large'
  | 'free_memory';

interface ServingParts {
  readonly provider: ProviderView;
  readonly slot: Slot;
  readonly suite: string;
  readonly memory: ProviderRecords;
  readonly minStreamTps: number;
}

const AS_MEASURED: Readonly<Pace> = { slowdown: 1 };

/**
 * One slot of one provider, in the form that every decision iterates over: plain numbers in one
 * object, without lookups. Each message of the provider replaces the object; the promises that it
 * refers to change in place.
 */
export class Serving {
  readonly provider: ProviderView;
  readonly slot: Slot;
  readonly id: string;
  readonly closed: ClosedReason | undefined;
  readonly isOnProbation: boolean;
  readonly isPrivate: boolean;
  readonly refusesBatches: boolean;
  /** Most tokens of a prompt and its answer; no limit if each text of a request is read alone. */
  readonly contextTokens: number;
  readonly freeTokens: number;
  readonly maxConcurrency: number;
  /** Number of jobs from which their answers become slower than the network wants. */
  readonly uncrowded: number;
  /** Penalties for the state of the computer; undefined if it reports no disadvantage. */
  readonly strain: Strain | undefined;
  /** Jobs that the provider reported. */
  readonly reportedJobs: number;
  readonly loadMs: number;
  /** The measured speed if there is one, or else the claim; never faster than the chip can be. */
  readonly #tokenMs: number;
  readonly #promptTokenMs: number;
  /** A measured speed is not corrected by the pace. */
  readonly #tokenPace: Readonly<Pace>;
  readonly #pace: Readonly<Pace>;
  readonly #promised: SlotPromises;
  readonly #fault: Readonly<FaultRecord>;

  constructor({ provider, slot, suite, memory, minStreamTps }: ServingParts) {
    this.provider = provider;
    this.slot = slot;
    this.id = provider.id;
    this.closed = closedBy(provider, slot, suite);
    this.isOnProbation = provider.isOnProbation;
    this.isPrivate = provider.isPrivate;
    this.refusesBatches = provider.refusesBatches;
    this.contextTokens =
      encodingOf(slot.traits) === undefined ? slot.contextTokens : Number.POSITIVE_INFINITY;
    this.freeTokens = slot.freeTokens;
    this.maxConcurrency = slot.maxConcurrency;
    this.loadMs = slot.state === 'resident' ? 0 : slot.loadMs;
    const seen = memory.measured(provider.id, slot.build);
    const bounds = speedBounds(provider.machine.chip, slot.build)[
      seen.tokenMs > 0 ? 'measured' : 'unmeasured'
    ];
    const aloneMs = Math.max(1_000 / slot.decodeTps, bounds.tokenMs);
    this.#tokenMs = Math.max(aloneMs, seen.tokenMs);
    this.uncrowded = uncrowdedStreams(
      {
        aloneTps: 1_000 / aloneMs,
        measuredTps: seen.tokenMs > 0 ? 1_000 / seen.tokenMs : undefined,
      },
      minStreamTps,
    );
    this.strain = strainOf(provider.conditions);
    this.#promptTokenMs = Math.max(1_000 / slot.prefillTps, bounds.promptTokenMs);
    this.#pace = memory.pace(provider.id);
    this.#tokenPace = seen.tokenMs > 0 ? AS_MEASURED : this.#pace;
    this.#promised = memory.promised(provider.id, slot.build);
    this.reportedJobs = Math.max(slot.running + slot.waiting, this.#promised.reportedCount);
    this.#fault = memory.fault(provider.id);
  }

  get tokenMs(): number {
    return this.#tokenMs * this.#tokenPace.slowdown;
  }

  get promptTokenMs(): number {
    return this.#promptTokenMs * this.#pace.slowdown;
  }

  /**
   * The number of jobs on the slot: the reported ones, from whichever router, without those that
   * have ended since; and the promised ones that are not reported yet.
   */
  get load(): number {
    return Math.max(0, this.reportedJobs - this.#promised.finished) + this.#promised.unreported;
  }

  /**
   * Tokens that may still be promised: those reported as free, less those of promised jobs that are
   * not reported yet.
   */
  get tokensLeft(): number {
    return this.freeTokens - this.#promised.unreportedTokens;
  }

  /** The time until the machine has read the prompts that were sent to it, in milliseconds. */
  promptsMs(now: number): number {
    const left = this.#promised.promptsReadAt - now;
    return left > 0 && this.load > 0 ? left : 0;
  }

  /** The provider recently refused a job although it had reported free capacity. */
  isCooling(now: number): boolean {
    return now < this.#fault.coolUntil;
  }

  /** The circuit breaker keeps jobs away. */
  isBroken(now: number): boolean {
    return isClosedOut(this.#fault, now);
  }
}

function closedBy(provider: ProviderView, slot: Slot, suite: string): ClosedReason | undefined {
  if (provider.silent) return 'silent';
  if (provider.flooding) return 'flooding';
  if (provider.draining) return drainingGate(provider.closedFor);
  if (provider.conditions?.thermal === 'critical') return 'thermal_critical';
  if (provider.isPaused) return 'paused';
  if (provider.suite !== suite) return 'suite';
  if (slot.state === 'failed') return 'slot_failed';
  return slot.state === 'cold' ? memoryGate(provider, slot) : undefined;
}

/** Machines report their memory in GiB. */
const MB_PER_GIB = 2 ** 30 / 1e6;
export const memoryMbOf = (memoryGb: number): number => Math.round(memoryGb * MB_PER_GIB);

/** The gate of a model that its machine cannot load, by the figures of the machine itself. */
function memoryGate(
  { machine, conditions }: ProviderView,
  { memoryMb }: Slot,
): 'model_too_large' | 'free_memory' | undefined {
  if (memoryMb === undefined) return undefined;
  if (memoryMb > machine.memoryGb * MB_PER_GIB) return 'model_too_large';
  const { freeMemoryMb = memoryMb } = conditions ?? {};
  return memoryMb > freeMemoryMb ? 'free_memory' : undefined;
}

/** `closedFor` is the reason that the machine states; undefined if it states none. */
function drainingGate(closedFor: string | undefined): ClosedReason {
  if (closedFor === undefined) return 'draining';
  if (closedFor === 'heat') return 'thermal_critical';
  return closedFor.startsWith('memory_') ? 'memory_pressure' : 'closed';
}

/** All slots that have one build, in no order. */
export class ServingList {
  readonly all: Serving[] = [];
  readonly #places = new Map<string, number>();

  put(serving: Serving): void {
    const place = this.#places.get(serving.id) ?? this.all.length;
    this.all[place] = serving;
    this.#places.set(serving.id, place);
  }

  of(id: string): Serving | undefined {
    const place = this.#places.get(id);
    return place === undefined ? undefined : this.all[place];
  }

  /** Removes a slot; the last one of the list moves to its place. */
  remove(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    const last = this.all.pop() as Serving;
    if (last.id === id) return;
    this.all[place] = last;
    this.#places.set(last.id, place);
  }
}
