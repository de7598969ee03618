import { type DesiredBuild, type DesiredReason, MAX_DESIRED, services } from '#bus-schemas';
import type { Fleet, ProviderView } from './fleet.ts';

/** What routing needs to know of a model of the catalogue. */
export interface FleetModel {
  readonly id: string;
  /** The preferred build comes first. */
  readonly builds: readonly string[];
  readonly previousBuild: string | undefined;
  /** A repository of the publisher on Hugging Face; builds have the names of repositories. */
  readonly repository: string | undefined;
  /** Digests of the files by build. */
  readonly weights: ReadonlyMap<string, Uint8Array>;
  /** Memory that a machine needs, in GiB; undefined if the operator does not state it. */
  readonly memoryGb: number | undefined;
}

/** A build, and the machines that should get it. */
interface WantedBuild {
  readonly desired: DesiredBuild;
  readonly candidates: ReadonlySet<string>;
  /** The one machine that fetches it at present; undefined if no candidate does so by itself. */
  readonly chosen: string | undefined;
}

/** Builds that are wanted at the same time; further ones wait. */
const { MAX_WANTED } = services;
/** Time for which the demand must exceed the machines before another one is asked, in milliseconds. */
const SHORT_MS = 300_000;
/** Time in which a machine downloads and announces a build before another is asked, in milliseconds. */
const PATIENCE_MS = 1_800_000;

export interface DesiredOptions {
  readonly fleet: Pick<Fleet, 'all' | 'serving' | 'servingOf' | 'provider'>;
  /** Builds whose demand exceeds the machines that have them. */
  readonly short: ReadonlySet<string>;
  readonly random: () => number;
  readonly now: number;
}

/**
 * Decides which machines should get which builds: the new build of a rollout, and a model with more
 * requests than its machines can answer. Of the machines that fetch builds by themselves, one at a
 * time is asked for each build, so that a bad build reaches one machine first and a download of the
 * whole fleet does not begin at once. Machines whose owner is asked get the same message as a hint.
 */
export class DesiredPlan {
  models: readonly FleetModel[] = [];
  readonly #shortSince = new Map<string, number>();
  readonly #asked = new Map<string, { readonly provider: string; readonly until: number }>();
  #wanted: readonly WantedBuild[] = [];

  /** The builds that the network wants on more machines, wherever they are. */
  get wanted(): readonly DesiredBuild[] {
    return this.#wanted.map(({ desired }) => desired);
  }

  /** Decides for the next period. */
  renew(options: DesiredOptions): void {
    this.#noteShortage(options);
    const wanted: WantedBuild[] = [];
    for (const model of this.models) {
      if (wanted.length >= MAX_WANTED) break;
      const desired = this.#desiredOf(model, options);
      if (desired === undefined) continue;
      const candidates = candidatesFor(model, desired, options);
      wanted.push({
        desired,
        candidates: new Set(candidates.map(({ id }) => id)),
        chosen: this.#choose(desired.build, candidates, options),
      });
    }
    this.#wanted = wanted;
    for (const build of this.#asked.keys())
      if (!wanted.some(({ desired }) => desired.build === build)) this.#asked.delete(build);
  }

  /** The builds that a machine should get, at most `MAX_DESIRED`. */
  desiredOf({ id, prefetches }: Pick<ProviderView, 'id' | 'prefetches'>): DesiredBuild[] {
    if (prefetches === undefined) return [];
    return this.#wanted
      .filter(({ candidates, chosen }) => (prefetches ? chosen === id : candidates.has(id)))
      .slice(0, MAX_DESIRED)
      .map(({ desired }) => desired);
  }

  #noteShortage({ short, now }: DesiredOptions): void {
    for (const build of this.#shortSince.keys())
      if (!short.has(build)) this.#shortSince.delete(build);
    for (const build of short) if (!this.#shortSince.has(build)) this.#shortSince.set(build, now);
  }

  /** Only a build whose digest the catalogue states can be checked by a machine. */
  #desiredOf(model: FleetModel, options: DesiredOptions): DesiredBuild | undefined {
    const [build = ''] = model.builds;
    const weights = model.weights.get(build);
    const reason = this.#reasonFor(model, build, options);
    if (weights === undefined || model.repository === undefined || reason === undefined)
      return undefined;
    const repository = repositoryOf(model.repository, build);
    return { model: model.id, build, repository, weights, reason };
  }

  #reasonFor(
    { previousBuild, memoryGb }: FleetModel,
    build: string,
    { fleet, now }: DesiredOptions,
  ): DesiredReason | undefined {
    const has = (id: string) => fleet.servingOf(id, build) !== undefined;
    if (previousBuild !== undefined && fleet.serving(previousBuild).some(({ id }) => !has(id)))
      return 'rollout';
    const since = this.#shortSince.get(build) ?? now;
    return memoryGb !== undefined && now - since >= SHORT_MS ? 'demand' : undefined;
  }

  /** The machine that was asked before, until it has the build or has taken too long. */
  #choose(
    build: string,
    candidates: readonly ProviderView[],
    { random, now }: DesiredOptions,
  ): string | undefined {
    const willing = candidates.filter(({ prefetches }) => prefetches === true);
    const before = this.#asked.get(build);
    if (before !== undefined && now < before.until)
      if (willing.some(({ id }) => id === before.provider)) return before.provider;
    const chosen = willing[Math.floor(random() * willing.length)];
    if (chosen === undefined) this.#asked.delete(build);
    else this.#asked.set(build, { provider: chosen.id, until: now + PATIENCE_MS });
    return chosen?.id;
  }
}

function candidatesFor(
  { previousBuild, memoryGb = 0 }: FleetModel,
  { build, reason }: DesiredBuild,
  { fleet }: DesiredOptions,
): ProviderView[] {
  const machines =
    reason === 'rollout'
      ? fleet.serving(previousBuild ?? '').map(({ provider }) => provider)
      : [...fleet.all()];
  return machines.filter(
    ({ prefetches, silent, isPrivate, slots, machine }) =>
      prefetches !== undefined &&
      !silent &&
      !isPrivate &&
      !slots.has(build) &&
      machine.memoryGb >= memoryGb,
  );
}

/** The repository of a build: that of the model if it has the name of the build, or one beside it. */
function repositoryOf(known: string, build: string): string {
  const [publisher = ''] = known.split('/');
  return `${publisher}/${build}`;
}
