import type { Slot } from '#bus-schemas';
import type { Pace } from './calibration.ts';
import { type FaultRecord, isClosedOut } from './faults.ts';
import type { ProviderView } from './fleet.ts';
import type { Measured } from './measured-speeds.ts';
import type { SlotPromises } from './reservations.ts';
import { speedBounds } from './speed-bounds.ts';

/**
 * What is known of a provider whether it is there or not: what was promised to it, and how it
 * behaved.
 */
export interface Memory {
  promised(provider: string, build: string): SlotPromises;
  /** The provider lists this slot no more. */
  unlist(provider: string, build: string): void;
  fault(provider: string): Readonly<FaultRecord>;
  /** How much longer it takes to begin than its own figures promise. */
  pace(provider: string): Readonly<Pace>;
  /** How fast the slot was seen to decode. */
  measured(provider: string, build: string): Measured;
}

/** Why nobody is sent to a slot, whatever he asks for. */
export type Closed = 'silent' | 'flooding' | 'draining' | 'suite' | 'slot_failed';

const AS_MEASURED: Readonly<Pace> = { factor: 1 };

/**
 * One slot of one provider, laid out for the walk that every decision makes over all of them: plain
 * numbers in one object, nothing
 * to look up. Replaced whole with each word of the provider; what is promised to it changes
 * underneath.
 */
export class Serving {
  readonly provider: ProviderView;
  readonly slot: Slot;
  readonly id: string;
  readonly closed: Closed | undefined;
  readonly isOnProbation: boolean;
  readonly contextTokens: number;
  readonly freeTokens: number;
  readonly maxConcurrency: number;
  /** Jobs that it says it has. */
  readonly busy: number;
  readonly loadMs: number;
  /**
   * A measured speed where there is one, or the claim: in both cases no faster than the chip can
   * be.
   */
  readonly #tokenMs: number;
  readonly #promptTokenMs: number;
  /** What was measured needs no correction by the pace. */
  readonly #tokenPace: Readonly<Pace>;
  readonly #pace: Readonly<Pace>;
  readonly #promised: SlotPromises;
  readonly #fault: Readonly<FaultRecord>;

  constructor({
    provider,
    slot,
    suite,
    memory,
  }: { provider: ProviderView; slot: Slot; suite: string; memory: Memory }) {
    this.provider = provider;
    this.slot = slot;
    this.id = provider.id;
    this.closed = closedBy(provider, slot, suite);
    this.isOnProbation = provider.isOnProbation;
    this.contextTokens = slot.contextTokens;
    this.freeTokens = slot.freeTokens;
    this.maxConcurrency = slot.maxConcurrency;
    this.loadMs = slot.state === 'resident' ? 0 : slot.loadMs;
    const seen = memory.measured(provider.id, slot.build);
    const bounds = speedBounds(provider.machine.chip, slot.build)[
      seen.tokenMs > 0 ? 'measured' : 'unmeasured'
    ];
    this.#tokenMs = Math.max(1_000 / slot.decodeTps, bounds.tokenMs, seen.tokenMs);
    this.#promptTokenMs = Math.max(1_000 / slot.prefillTps, bounds.promptTokenMs);
    this.#pace = memory.pace(provider.id);
    this.#tokenPace = seen.tokenMs > 0 ? AS_MEASURED : this.#pace;
    this.#promised = memory.promised(provider.id, slot.build);
    this.busy = Math.max(slot.running + slot.waiting, this.#promised.named);
    this.#fault = memory.fault(provider.id);
  }

  get tokenMs(): number {
    return this.#tokenMs * this.#tokenPace.factor;
  }

  get promptTokenMs(): number {
    return this.#promptTokenMs * this.#pace.factor;
  }

  /**
   * Jobs there: those it says it has, whoever sent them, but for the finished; and those that it
   * has yet to hear of.
   */
  get load(): number {
    return Math.max(0, this.busy - this.#promised.finished) + this.#promised.unheard;
  }

  /**
   * Tokens that may still be promised: what it said it has free, less what it has yet to hear of.
   */
  get tokensLeft(): number {
    return this.freeTokens - this.#promised.unheardTokens;
  }

  /** Until the prompts that it was sent are read. */
  promptsMs(now: number): number {
    const left = this.#promised.promptsReadAt - now;
    return left > 0 && this.load > 0 ? left : 0;
  }

  /** It refused lately what it said that it had room for. */
  isCooling(now: number): boolean {
    return now < this.#fault.coolUntil;
  }

  /** Closed out by its faults. */
  isBroken(now: number): boolean {
    return isClosedOut(this.#fault, now);
  }
}

function closedBy(provider: ProviderView, slot: Slot, suite: string): Closed | undefined {
  if (provider.silent) return 'silent';
  if (provider.flooding) return 'flooding';
  if (provider.draining) return 'draining';
  if (provider.suite !== suite) return 'suite';
  return slot.state === 'failed' ? 'slot_failed' : undefined;
}

/** All that serve one build, in no order. */
export class ServingList {
  readonly all: Serving[] = [];
  readonly #places = new Map<string, number>();

  put(serving: Serving): void {
    const place = this.#places.get(serving.id) ?? this.all.length;
    this.all[place] = serving;
    this.#places.set(serving.id, place);
  }

  /** The last one takes its place. */
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
