import type { Announcement, Capacity, Machine, Slot, TrustLevel } from '#bus-schemas';
import { type Memory, Serving, ServingList } from './serving.ts';

/**
 * Who is there, by their own words, clamped. Every beat says everything, so a router that has just
 * started knows the fleet
 * within one beat.
 *
 * Invariants: a word of an older session or sequence changes nothing; a provider is in the index of
 * a build iff it has a slot for it.
 */
/** What a machine has proven, and not only said. */
export interface Shown {
  readonly level: TrustLevel;
  /** What its builds' files amount to, in hexadecimal. */
  readonly weights: ReadonlyMap<string, string> | undefined;
  /** No canary of it has passed yet. */
  readonly isOnProbation: boolean;
}

export interface ProviderView extends Shown {
  readonly id: string;
  readonly session: string;
  /** The one before it: its late words are not news. */
  readonly formerSession: string | undefined;
  readonly sequence: number;
  readonly machine: Machine;
  readonly suite: string;
  readonly sealingKey: Uint8Array;
  readonly draining: boolean;
  readonly slots: ReadonlyMap<string, Slot>;
  readonly heardAt: number;
  readonly silent: boolean;
  /** It sends far more messages than are read. */
  readonly flooding: boolean;
}

export type FleetChange = 'joined' | 'returned' | 'silent' | 'left' | 'draining';

/** A fleet larger than this is split over routers; past it newcomers are not taken in. */
const MAX_PROVIDERS = 50_000;
/** No machine that we know of does more: a claim beyond it would only draw work. */
const LIMITS = { concurrency: 1_024, decodeTps: 5_000, prefillTps: 50_000 } as const;
const MIN_RATE = 0.1;
/** Weight of the newest claim of a speed: one odd measurement moves no fleet. */
const NEWEST = 0.3;
/** Longer than a word can be under way. */
const BANNED_MS = 60_000;

const NOBODY: readonly Serving[] = [];
const NOTHING: Shown = { level: 'none', weights: undefined, isOnProbation: false };

export class Fleet {
  readonly #providers = new Map<string, ProviderView>();
  readonly #byBuild = new Map<string, ServingList>();
  readonly #bannedUntil = new Map<string, number>();
  /** How often somebody said something new. */
  words = 0;

  readonly #suite: string;
  readonly #memory: Memory;

  /** `suite` is the only one that we seal with. */
  constructor(suite: string, memory: Memory) {
    this.#suite = suite;
    this.#memory = memory;
  }

  get size(): number {
    return this.#providers.size;
  }

  all(): IterableIterator<ProviderView> {
    return this.#providers.values();
  }

  provider(id: string): ProviderView | undefined {
    return this.#providers.get(id);
  }

  builds(): IterableIterator<string> {
    return this.#byBuild.keys();
  }

  serving(build: string): readonly Serving[] {
    return this.#byBuild.get(build)?.all ?? NOBODY;
  }

  announce(
    id: string,
    word: Announcement,
    now: number,
    shown: Shown = NOTHING,
  ): FleetChange | undefined {
    const before = this.#providers.get(id);
    if (before === undefined && this.#providers.size >= MAX_PROVIDERS) return undefined;
    if (before?.session === word.session && word.sequence < before.sequence) return undefined;
    if (before?.formerSession === word.session || now < (this.#bannedUntil.get(id) ?? 0))
      return undefined;
    const { session, sequence, machine, draining, sealing } = word;
    this.#put({
      id,
      session,
      formerSession: before?.session === session ? before.formerSession : before?.session,
      sequence,
      machine,
      draining,
      suite: sealing.suite,
      sealingKey: sealing.publicKey,
      ...shown,
      slots: viewsOf(word.slots, before?.session === session ? before.slots : undefined),
      heardAt: now,
      silent: false,
      flooding: before?.flooding ?? false,
    });
    if (before === undefined) return 'joined';
    if (before.silent) return 'returned';
    return draining && !before.draining ? 'draining' : undefined;
  }

  /** Between beats. Undefined when it changes nothing. */
  report(
    id: string,
    { session, sequence, draining, slots }: Capacity,
    now: number,
  ): FleetChange | 'reported' | undefined {
    const before = this.#providers.get(id);
    if (before === undefined || before.session !== session || sequence < before.sequence)
      return undefined;
    this.#put({
      ...before,
      sequence,
      draining,
      slots: viewsOf(slots, before.slots),
      heardAt: now,
      silent: false,
    });
    if (before.silent) return 'returned';
    return draining && !before.draining ? 'draining' : 'reported';
  }

  /** The hub says that the connection is gone. It stays known, to return with its next word. */
  lost(id: string): FleetChange | undefined {
    const view = this.#providers.get(id);
    if (view === undefined || view.silent) return undefined;
    this.#put({ ...view, silent: true });
    return 'left';
  }

  setFlooding(id: string, flooding: boolean): void {
    const view = this.#providers.get(id);
    if (view !== undefined && view.flooding !== flooding) this.#put({ ...view, flooding });
  }

  /** As `remove`; words that were still under way do not bring it back. */
  ban(id: string, now: number): FleetChange | undefined {
    this.#bannedUntil.set(id, now + BANNED_MS);
    return this.remove(id);
  }

  remove(id: string): FleetChange | undefined {
    const view = this.#providers.get(id);
    if (view === undefined) return undefined;
    this.#unindex(view);
    this.#providers.delete(id);
    return 'left';
  }

  /** Marks who was not heard for `silentMs` and forgets who was not heard for `forgetMs`. */
  sweep(now: number, { silentMs, forgetMs }: { silentMs: number; forgetMs: number }): string[] {
    for (const [id, until] of this.#bannedUntil) if (now >= until) this.#bannedUntil.delete(id);
    const fallen: string[] = [];
    for (const view of this.#providers.values()) {
      const quiet = now - view.heardAt;
      if (quiet >= forgetMs) this.remove(view.id);
      else if (quiet >= silentMs && !view.silent) {
        this.#put({ ...view, silent: true });
        fallen.push(view.id);
      }
    }
    return fallen;
  }

  #put(view: ProviderView): void {
    this.words += 1;
    const before = this.#providers.get(view.id);
    if (before !== undefined) this.#unindex(before, view);
    this.#providers.set(view.id, view);
    for (const [build, slot] of view.slots) {
      let serving = this.#byBuild.get(build);
      if (serving === undefined) {
        serving = new ServingList();
        this.#byBuild.set(build, serving);
      }
      this.#memory.promised(view.id, build).heard(slot.jobs);
      serving.put(new Serving({ provider: view, slot, suite: this.#suite, memory: this.#memory }));
    }
  }

  #unindex(view: ProviderView, successor?: ProviderView): void {
    for (const build of view.slots.keys()) {
      if (successor?.slots.has(build)) continue;
      const serving = this.#byBuild.get(build);
      serving?.remove(view.id);
      if (serving?.all.length === 0) this.#byBuild.delete(build);
      this.#memory.unlist(view.id, build);
    }
  }
}

function viewsOf(slots: readonly Slot[], before?: ReadonlyMap<string, Slot>): Map<string, Slot> {
  return new Map(
    slots.map((slot) => {
      const known = before?.get(slot.build);
      return [
        slot.build,
        {
          ...slot,
          maxConcurrency: Math.min(slot.maxConcurrency, LIMITS.concurrency),
          decodeTps: smoothed(clamped(slot.decodeTps, LIMITS.decodeTps), known?.decodeTps),
          prefillTps: smoothed(clamped(slot.prefillTps, LIMITS.prefillTps), known?.prefillTps),
        },
      ];
    }),
  );
}

const clamped = (rate: number, limit: number) => Math.max(MIN_RATE, Math.min(rate, limit));
const smoothed = (rate: number, before = rate) => before + NEWEST * (rate - before);
