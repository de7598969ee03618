import type { Pace } from './calibration.ts';
import { type FaultRecord, isClosedOut } from './faults.ts';
import type { ProviderView, SlotView } from './fleet.ts';
import type { SlotPromises } from './reservations.ts';

/** What is known of a provider whether it is there or not: what was promised to it, and how it behaved. */
export interface Memory {
  promised(provider: string, build: string): SlotPromises;
  /** How many of them were promised before the provider spoke. */
  promisedBefore(provider: string, build: string, reportedAt: number): number;
  fault(provider: string): Readonly<FaultRecord>;
  /** How much longer it takes than its own figures promise. */
  pace(provider: string): Readonly<Pace>;
}

/** A job that was promised so shortly before the provider spoke may not have been there yet. */
const UNDER_WAY_MS = 20;

/** Why nobody is sent to a slot, whatever he asks for. */
export type Closed = 'silent' | 'draining' | 'suite' | 'slot_failed';

/**
 * One slot of one provider, laid out for the walk that every decision makes over all of them: plain numbers in one object, nothing
 * to look up. Replaced whole with each word of the provider; what is promised to it changes underneath.
 */
export class Serving {
  readonly provider: ProviderView;
  readonly slot: SlotView;
  readonly id: string;
  readonly closed: Closed | undefined;
  readonly contextTokens: number;
  readonly freeTokens: number;
  readonly maxConcurrency: number;
  /** Sequences that it says it has. */
  readonly busy: number;
  /** Of those, jobs that we did not send: another router did, before it died or before this one was started. */
  readonly inherited: number;
  readonly loadMs: number;
  readonly #tokenMs: number;
  readonly #promptTokenMs: number;
  readonly #pace: Readonly<Pace>;
  readonly #promised: SlotPromises;
  readonly #fault: Readonly<FaultRecord>;

  constructor({ provider, slot, suite, memory }: { provider: ProviderView; slot: SlotView; suite: string; memory: Memory }) {
    this.provider = provider;
    this.slot = slot;
    this.id = provider.id;
    this.closed = closedBy(provider, slot, suite);
    this.contextTokens = slot.contextTokens;
    this.freeTokens = slot.freeTokens;
    this.maxConcurrency = slot.maxConcurrency;
    this.busy = slot.running + slot.waiting;
    this.inherited = Math.max(0, this.busy - memory.promisedBefore(provider.id, slot.build, slot.reportedAt));
    this.loadMs = slot.state === 'resident' ? 0 : slot.loadMs;
    this.#tokenMs = 1_000 / slot.decodeTps;
    this.#promptTokenMs = 1_000 / slot.prefillTps;
    this.#pace = memory.pace(provider.id);
    this.#promised = memory.promised(provider.id, slot.build);
    this.#fault = memory.fault(provider.id);
  }

  get tokenMs(): number {
    return this.#tokenMs * this.#pace.factor;
  }

  get promptTokenMs(): number {
    return this.#promptTokenMs * this.#pace.factor;
  }

  /** Jobs there: what it says, or what we promised, whichever is more. */
  get load(): number {
    return Math.max(this.busy, this.inherited + this.#promised.count);
  }

  /** Tokens that may still be promised: what it said it has free, less what was promised since. */
  get tokensLeft(): number {
    const { jobs, count } = this.#promised;
    if (count === 0) return this.freeTokens;
    let left = this.freeTokens;
    const known = this.slot.reportedAt - UNDER_WAY_MS;
    for (const { at, tokens } of jobs.values()) if (at >= known) left -= tokens;
    return left;
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

function closedBy(provider: ProviderView, slot: SlotView, suite: string): Closed | undefined {
  if (provider.silent) return 'silent';
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
