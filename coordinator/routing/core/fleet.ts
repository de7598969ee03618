import type { Announcement, Capacity, Conditions, Machine, Slot, TrustLevel } from '#bus-schemas';
import { type ProviderRecords, Serving, ServingList } from './serving.ts';
import { MIN_STREAM_TPS } from './stream-floor.ts';

/**
 * The providers of this router, by their own reports. Numbers are limited to plausible values.
 * Every beat is complete, so a router that has just started has the whole fleet after one interval
 * of beats.
 *
 * Invariants: a message of an older session or with a lower sequence number changes nothing; the
 * index of a build contains a provider if and only if the provider has a slot for that build.
 */
/** Properties that trust has verified; all others are the machine's own claims. */
export interface VerifiedProperties {
  readonly level: TrustLevel;
  /** Hash of the weight files by build, in hexadecimal. */
  readonly weights: ReadonlyMap<string, string> | undefined;
  /** The machine has not passed a canary yet. */
  readonly isOnProbation: boolean;
  /** An operator keeps jobs away from the machine, or has suspended its owner. */
  readonly isPaused: boolean;
}

export interface ProviderView extends VerifiedProperties {
  readonly id: string;
  readonly session: string;
  /** The session before this one; late messages of it are ignored. */
  readonly previousSession: string | undefined;
  readonly sequence: number;
  readonly machine: Machine;
  /** The machine states that a program which is in no release runs its models. */
  readonly isExternal: boolean;
  readonly suite: string;
  readonly sealingKey: Uint8Array;
  readonly draining: boolean;
  /** Why it drains, as the machine states it. */
  readonly closedFor: string | undefined;
  /** The state of its computer, as the machine states it. */
  readonly conditions: Conditions | undefined;
  /** The machine serves only requests of its owner. */
  readonly isPrivate: boolean;
  /** The owner of the machine excludes lines of batches. */
  readonly refusesBatches: boolean;
  /** Whether it fetches wanted builds by itself; undefined if it ignores them. */
  readonly prefetches: boolean | undefined;
  readonly slots: ReadonlyMap<string, Slot>;
  readonly lastMessageAt: number;
  readonly silent: boolean;
  /** The provider sends far more messages than the router reads. */
  readonly flooding: boolean;
}

export type FleetChange = 'joined' | 'returned' | 'silent' | 'left' | 'draining';

/**
 * Limit for one router; beyond it new providers are ignored. A larger fleet is divided into cells.
 */
export const MAX_PROVIDERS = 50_000;
/**
 * Upper limits for claims. No known machine is faster, and a higher claim would only attract work.
 */
const LIMITS = { concurrency: 1_024, decodeTps: 5_000, prefillTps: 50_000 } as const;
const MIN_RATE = 0.1;
/**
 * Weight of the newest claim in the moving average of a speed, so that one odd measurement changes
 * it only a little.
 */
const NEW_CLAIM_WEIGHT = 0.3;
/**
 * How long messages of a banned provider are ignored, in milliseconds; longer than any message can
 * be in flight.
 */
const BANNED_MS = 60_000;

const NO_SERVINGS: readonly Serving[] = [];
export const NOT_VERIFIED: VerifiedProperties = {
  level: 'none',
  weights: undefined,
  isOnProbation: false,
  isPaused: false,
};

export class Fleet {
  readonly #providers = new Map<string, ProviderView>();
  readonly #byBuild = new Map<string, ServingList>();
  readonly #bannedUntil = new Map<string, number>();
  /** Incremented on every accepted report. */
  changeCount = 0;

  readonly #suite: string;
  readonly #memory: ProviderRecords;
  readonly #minStreamTps: number;

  /**
   * `suite` is the only sealing suite that the coordinator uses. Machines whose answers would become
   * slower than `minStreamTps` tokens per second count as crowded.
   */
  constructor(suite: string, memory: ProviderRecords, minStreamTps = MIN_STREAM_TPS) {
    this.#suite = suite;
    this.#memory = memory;
    this.#minStreamTps = minStreamTps;
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
    return this.#byBuild.get(build)?.all ?? NO_SERVINGS;
  }

  servingOf(id: string, build: string): Serving | undefined {
    return this.#byBuild.get(build)?.of(id);
  }

  announce(
    id: string,
    announcement: Announcement,
    now: number,
    verified: VerifiedProperties = NOT_VERIFIED,
  ): FleetChange | undefined {
    const before = this.#providers.get(id);
    if (before === undefined && this.#providers.size >= MAX_PROVIDERS) return undefined;
    if (before?.session === announcement.session && announcement.sequence < before.sequence)
      return undefined;
    if (before?.previousSession === announcement.session || now < (this.#bannedUntil.get(id) ?? 0))
      return undefined;
    const { session, sequence, machine, engine, draining, sealing } = announcement;
    this.#put({
      id,
      session,
      previousSession: before?.session === session ? before.previousSession : before?.session,
      sequence,
      machine,
      isExternal: engine === 'external',
      draining,
      closedFor: announcement.closedFor,
      conditions: announcement.conditions,
      isPrivate: announcement.privateOnly === true,
      refusesBatches: announcement.noBatches === true,
      prefetches: announcement.prefetches,
      suite: sealing.suite,
      sealingKey: sealing.publicKey,
      ...verified,
      slots: viewsOf(announcement.slots, before?.session === session ? before.slots : undefined),
      lastMessageAt: now,
      silent: false,
      flooding: before?.flooding ?? false,
    });
    if (before === undefined) return 'joined';
    if (before.silent) return 'returned';
    return draining && !before.draining ? 'draining' : undefined;
  }

  /** Takes a report between beats. The result is undefined if it was ignored. */
  report(
    id: string,
    { session, sequence, draining, closedFor, conditions, slots }: Capacity,
    now: number,
  ): FleetChange | 'reported' | undefined {
    const before = this.#providers.get(id);
    if (before === undefined || before.session !== session || sequence < before.sequence)
      return undefined;
    this.#put({
      ...before,
      sequence,
      draining,
      closedFor,
      conditions,
      slots: viewsOf(slots, before.slots),
      lastMessageAt: now,
      silent: false,
    });
    if (before.silent) return 'returned';
    return draining && !before.draining ? 'draining' : 'reported';
  }

  /**
   * Notes that the provider's connection to the hub has ended. The provider stays listed as silent,
   * and returns with its next message.
   */
  lost(id: string): FleetChange | undefined {
    const view = this.#providers.get(id);
    if (view === undefined || view.silent) return undefined;
    this.#put({ ...view, silent: true });
    return 'left';
  }

  /** Applies what was restored of a machine to its slots. */
  refresh(id: string): void {
    const view = this.#providers.get(id);
    if (view === undefined) return;
    this.changeCount += 1;
    for (const slot of view.slots.values()) this.#serve(view, slot);
  }

  setFlooding(id: string, flooding: boolean): void {
    const view = this.#providers.get(id);
    if (view !== undefined && view.flooding !== flooding) this.#put({ ...view, flooding });
  }

  /** Applies a new verdict of trust before the next message of the provider. */
  setVerified(id: string, verified: VerifiedProperties): void {
    const view = this.#providers.get(id);
    if (view !== undefined) this.#put({ ...view, ...verified });
  }

  /** Removes the provider, and ignores its messages that are still in flight. */
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

  /**
   * Marks providers as silent after `silentMs` without a message, and removes them after
   * `forgetMs`. Returns those that have just become silent.
   */
  sweep(now: number, { silentMs, forgetMs }: { silentMs: number; forgetMs: number }): string[] {
    for (const [id, until] of this.#bannedUntil) if (now >= until) this.#bannedUntil.delete(id);
    const newlySilent: string[] = [];
    for (const view of this.#providers.values()) {
      const quiet = now - view.lastMessageAt;
      if (quiet >= forgetMs) this.remove(view.id);
      else if (quiet >= silentMs && !view.silent) {
        this.#put({ ...view, silent: true });
        newlySilent.push(view.id);
      }
    }
    return newlySilent;
  }

  #put(view: ProviderView): void {
    this.changeCount += 1;
    const before = this.#providers.get(view.id);
    if (before !== undefined) this.#unindex(before, view);
    this.#providers.set(view.id, view);
    for (const slot of view.slots.values()) {
      this.#memory.promised(view.id, slot.build).reported(slot.jobs);
      this.#serve(view, slot);
    }
  }

  #serve(provider: ProviderView, slot: Slot): void {
    let serving = this.#byBuild.get(slot.build);
    if (serving === undefined) {
      serving = new ServingList();
      this.#byBuild.set(slot.build, serving);
    }
    serving.put(
      new Serving({
        provider,
        slot,
        suite: this.#suite,
        memory: this.#memory,
        minStreamTps: this.#minStreamTps,
      }),
    );
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
const smoothed = (rate: number, before = rate) => before + NEW_CLAIM_WEIGHT * (rate - before);
