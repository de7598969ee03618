import type { Announcement, Capacity, Machine, Slot } from '#bus-schemas';

/**
 * Who is there, by their own words, clamped. Every beat says everything, so a router that has just started knows the fleet
 * within one beat.
 *
 * Invariants: a word of an older session or sequence changes nothing; a provider is in the index of a build iff it has a slot for it.
 */
export interface SlotView extends Slot {
  /** When the provider said so. */
  readonly reportedAt: number;
}

export interface ProviderView {
  readonly id: string;
  readonly session: string;
  readonly sequence: number;
  readonly machine: Machine;
  readonly suite: string;
  readonly sealingKey: Uint8Array;
  readonly draining: boolean;
  readonly slots: ReadonlyMap<string, SlotView>;
  readonly heardAt: number;
  readonly silent: boolean;
}

export type FleetChange = 'joined' | 'returned' | 'silent' | 'left' | 'draining';

/** A fleet larger than this is split over routers; past it newcomers are not taken in. */
const MAX_PROVIDERS = 50_000;
/** No machine that we know of does more: a claim beyond it would only draw work. */
const LIMITS = { concurrency: 1_024, decodeTps: 5_000, prefillTps: 50_000 } as const;
const MIN_RATE = 0.1;

export class Fleet {
  readonly #providers = new Map<string, ProviderView>();
  readonly #byBuild = new Map<string, Set<string>>();

  get size(): number {
    return this.#providers.size;
  }

  all(): IterableIterator<ProviderView> {
    return this.#providers.values();
  }

  provider(id: string): ProviderView | undefined {
    return this.#providers.get(id);
  }

  *serving(build: string): Generator<ProviderView> {
    for (const id of this.#byBuild.get(build) ?? []) {
      const view = this.#providers.get(id);
      if (view !== undefined) yield view;
    }
  }

  announce(id: string, word: Announcement, now: number): FleetChange | undefined {
    const before = this.#providers.get(id);
    if (before === undefined && this.#providers.size >= MAX_PROVIDERS) return undefined;
    if (before?.session === word.session && word.sequence < before.sequence) return undefined;
    const { session, sequence, machine, draining, sealing } = word;
    this.#put({
      id,
      session,
      sequence,
      machine,
      draining,
      suite: sealing.suite,
      sealingKey: sealing.publicKey,
      slots: viewsOf(word.slots, now),
      heardAt: now,
      silent: false,
    });
    if (before === undefined) return 'joined';
    if (before.silent) return 'returned';
    return draining && !before.draining ? 'draining' : undefined;
  }

  /** Between beats. Undefined when it changes nothing. */
  report(id: string, { session, sequence, draining, slots }: Capacity, now: number): FleetChange | 'reported' | undefined {
    const before = this.#providers.get(id);
    if (before === undefined || before.session !== session || sequence < before.sequence) return undefined;
    this.#put({ ...before, sequence, draining, slots: viewsOf(slots, now), heardAt: now, silent: false });
    if (before.silent) return 'returned';
    return draining && !before.draining ? 'draining' : 'reported';
  }

  /** The hub says that the connection is gone. It stays known, to return with its next word. */
  lost(id: string): FleetChange | undefined {
    const view = this.#providers.get(id);
    if (view === undefined || view.silent) return undefined;
    this.#providers.set(id, { ...view, silent: true });
    return 'left';
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
    const fallen: string[] = [];
    for (const view of this.#providers.values()) {
      const quiet = now - view.heardAt;
      if (quiet >= forgetMs) this.remove(view.id);
      else if (quiet >= silentMs && !view.silent) {
        this.#providers.set(view.id, { ...view, silent: true });
        fallen.push(view.id);
      }
    }
    return fallen;
  }

  #put(view: ProviderView): void {
    const before = this.#providers.get(view.id);
    if (before !== undefined) this.#unindex(before, view);
    this.#providers.set(view.id, view);
    for (const build of view.slots.keys()) {
      let ids = this.#byBuild.get(build);
      if (ids === undefined) {
        ids = new Set();
        this.#byBuild.set(build, ids);
      }
      ids.add(view.id);
    }
  }

  #unindex(view: ProviderView, successor?: ProviderView): void {
    for (const build of view.slots.keys()) {
      if (successor?.slots.has(build)) continue;
      const ids = this.#byBuild.get(build);
      ids?.delete(view.id);
      if (ids?.size === 0) this.#byBuild.delete(build);
    }
  }
}

function viewsOf(slots: readonly Slot[], now: number): Map<string, SlotView> {
  return new Map(
    slots.map((slot) => [
      slot.build,
      {
        ...slot,
        maxConcurrency: Math.min(slot.maxConcurrency, LIMITS.concurrency),
        decodeTps: Math.max(MIN_RATE, Math.min(slot.decodeTps, LIMITS.decodeTps)),
        prefillTps: Math.max(MIN_RATE, Math.min(slot.prefillTps, LIMITS.prefillTps)),
        reportedAt: now,
      },
    ]),
  );
}
