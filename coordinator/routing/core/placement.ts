import {
  type Candidate,
  type GateName,
  type Reserve,
  TRUST_LEVELS,
  type TrustLevel,
} from '#bus-schemas';
import { type Cost, costFor, expectedMs, penaltiesMs, rounded, unreadTokens } from './cost.ts';
import type { PrefixClaim } from './prefix-claims.ts';
import { isTooExpensive, type RequestPricing } from './price-book.ts';
import type { Serving } from './serving.ts';

/**
 * Decides which slots may serve a job, and which of them serves it soonest. Every other part of
 * routing uses these two rules.
 */

export type PlacementRequest = Pick<
  Reserve,
  | 'job'
  | 'builds'
  | 'promptTokens'
  | 'maxOutputTokens'
  | 'firstContentMs'
  | 'exclude'
  | 'only'
  | 'requires'
  | 'weights'
  | 'level'
  | 'explains'
  | 'isBatchLine'
> & {
  readonly pricing?: RequestPricing | undefined;
  /** Minimum trust level of the network for paid requests; absent for requests that are free. */
  readonly minimumTrust?: TrustLevel | undefined;
  /** Machines of the caller, which are free for the caller. */
  readonly exempt?: readonly string[] | undefined;
  /** All machines in `only` belong to the caller. */
  readonly areOwn?: boolean | undefined;
  /** Machines that cool after a refusal may serve too, because no other machine can. */
  readonly despiteCooling?: boolean;
  /**
   * Machines on probation may serve too: it is their turn, the caller named them, or no other
   * machine could serve.
   */
  readonly newcomers?: boolean;
  /** These machines probably have the first `tokens` tokens of the prompt in their caches. */
  readonly warm?: readonly { readonly provider: string; readonly tokens: number }[] | undefined;
};

/**
 * Returns the first gate that keeps a slot from serving, or undefined if it may serve. This runs
 * for every provider in every decision, so it uses no table and creates no closure or object.
 */
export function failedGate(
  serving: Serving,
  ask: PlacementRequest,
  now: number,
): GateName | undefined {
  if (ask.only !== undefined && !ask.only.includes(serving.id)) return 'not_wanted';
  if (ask.exclude.length > 0 && ask.exclude.includes(serving.id)) return 'excluded';
  if (serving.closed !== undefined) return serving.closed;
  if (serving.isPrivate && ask.areOwn !== true && ask.exempt?.includes(serving.id) !== true)
    return 'private_only';
  if (serving.refusesBatches && ask.isBatchLine === true) return 'no_batches';
  if (
    ask.requires !== undefined &&
    !ask.requires.every((trait) => serving.slot.traits?.includes(trait))
  )
    return 'traits';
  if (ask.weights !== undefined && !hasWeights(serving, ask.weights)) return 'weights';
  if (isBelow(serving, ask.level)) return 'level';
  if (isBelow(serving, ask.minimumTrust) && ask.exempt?.includes(serving.id) !== true)
    return 'minimum_trust';
  if (ask.pricing !== undefined && isTooExpensive(serving.id, ask.pricing)) return 'price';
  if (ask.promptTokens + ask.maxOutputTokens > serving.contextTokens) return 'context';
  if (serving.isOnProbation && ask.newcomers !== true) return 'probation';
  if (ask.firstContentMs !== undefined && isTooSlow(serving, ask.promptTokens, ask.firstContentMs))
    return 'slow';
  if (serving.isBroken(now)) return 'breaker';
  return capacityGate(serving, ask, now);
}

export const isBelow = ({ provider }: Serving, level: TrustLevel | undefined): boolean =>
  level !== undefined && TRUST_LEVELS.indexOf(provider.level) < TRUST_LEVELS.indexOf(level);

/**
 * A build without a digest in the catalog is not checked; a build with a digest needs a slot whose
 * weight files trust has verified to have it. Otherwise a machine could serve other weights under
 * the name of the build.
 */
function hasWeights(
  { slot, provider }: Serving,
  weights: Readonly<Record<string, string>>,
): boolean {
  const wanted = weights[slot.build];
  return wanted === undefined || provider.weights?.get(slot.build) === wanted;
}

/** Whether the first content would come too late even if the machine had no other job. */
function isTooSlow(serving: Serving, promptTokens: number, firstContentMs: number): boolean {
  return serving.loadMs + promptTokens * serving.promptTokenMs > firstContentMs;
}

/** Checks the gates after the circuit breaker. */
function capacityGate(
  serving: Serving,
  { promptTokens, maxOutputTokens, despiteCooling, isBatchLine }: PlacementRequest,
  now: number,
): 'cooling' | 'busy' | 'tokens' | 'crowded' | undefined {
  if (despiteCooling !== true && serving.isCooling(now)) return 'cooling';
  const places = isBatchLine === true ? placesForLines(serving) : serving.maxConcurrency;
  if (serving.load >= places) return 'busy';
  if (promptTokens + maxOutputTokens > serving.tokensLeft) return 'tokens';
  return serving.load >= serving.uncrowded ? 'crowded' : undefined;
}

/**
 * Lines of batches get a place only while at most half of the places of the machine are taken and it
 * is not crowded, so that the next other job starts at once. One place is always allowed.
 */
const placesForLines = ({ maxConcurrency, uncrowded }: Serving): number =>
  Math.min(maxConcurrency, Math.max(1, Math.min(Math.floor(maxConcurrency / 2), uncrowded)));

export interface Choice {
  /** The statement of the first candidate that it need not compute the prompt, if it was counted on. */
  readonly claim?: PrefixClaim | undefined;
  readonly candidates: readonly Candidate[];
  /** Slots that may serve, of which the candidates are the best. */
  readonly able: number;
  readonly cost: Cost | undefined;
  readonly rejected: Readonly<Partial<Record<GateName, number>>>;
}

export const MAX_CANDIDATES = 4;
/**
 * A slot counts as equal to the best one if its cost is higher by at most `NEAR_MS` milliseconds or
 * by `NEAR_SHARE` of the best cost, whichever is more. A random choice among equals prevents
 * simultaneous requests from all going to one slot.
 */
const NEAR_MS = 10;
const NEAR_SHARE = 0.1;

/** Lists the slots that have a build. */
export type ServedBy = (build: string) => readonly Serving[];

interface ChoiceOptions {
  readonly now: number;
  readonly random: () => number;
  /** The cost to minimise; by default the expected delay. */
  readonly costOf?: typeof expectedMs;
  /** Slots whose cost exceeds the best by at most this share of it are equal to the best. */
  readonly nearShare?: number;
}

export function choose(servedBy: ServedBy, ask: PlacementRequest, choosing: ChoiceOptions): Choice {
  let choice = survey(servedBy, ask, choosing);
  // A slow answer is better than none, so crowded machines serve if no other can.
  if (choice.candidates.length === 0 && choice.rejected.crowded !== undefined)
    choice = survey(servedBy, ask, choosing, 'crowded');
  // If all providers were rejected, those with a running breaker pause may serve after all. Slow
  // ones may too, unless a faster provider will become free.
  if (choice.candidates.length === 0 && choice.rejected.breaker !== undefined)
    choice = survey(servedBy, ask, choosing, 'breaker');
  if (choice.candidates.length > 0 || choice.rejected.slow === undefined) return choice;
  const { busy, tokens, cooling } = choice.rejected;
  return (busy ?? tokens ?? cooling) ? choice : survey(servedBy, ask, choosing, 'slow');
}

type Forgivable = 'crowded' | 'breaker' | 'slow';

function isForgiven(
  gate: Forgivable,
  serving: Serving,
  ask: PlacementRequest,
  now: number,
): boolean {
  if (gate === 'slow' && serving.isBroken(now)) return false;
  const capacity = capacityGate(serving, ask, now);
  return capacity === undefined || capacity === 'crowded';
}

function survey(
  servedBy: ServedBy,
  ask: PlacementRequest,
  { now, random, costOf = expectedMs, nearShare = NEAR_SHARE }: ChoiceOptions,
  forgiven?: Forgivable,
): Choice {
  const rejected: Partial<Record<GateName, number>> = {};
  for (const build of ask.builds) {
    const servings = servedBy(build);
    const totals = totalsFor(servings.length);
    let best = Number.POSITIVE_INFINITY;
    let able = 0;
    for (let place = 0; place < servings.length; place += 1) {
      const serving = servings[place] as Serving;
      const gate = failedGate(serving, ask, now);
      if (gate === undefined || (gate === forgiven && isForgiven(gate, serving, ask, now))) {
        const total =
          costOf(serving, unreadTokens(serving, ask), now) + penaltiesMs(serving, ask, now);
        totals[place] = total;
        able += 1;
        if (total < best) best = total;
      } else {
        totals[place] = Number.POSITIVE_INFINITY;
        rejected[gate] = (rejected[gate] ?? 0) + 1;
      }
    }
    // A later build serves only if no slot of an earlier one can.
    if (best < Number.POSITIVE_INFINITY)
      return { ...chosen({ servings, totals, best, nearShare, random }, ask, now), able, rejected };
  }
  return { candidates: [], able: 0, cost: undefined, rejected };
}

/**
 * Reused between decisions, which run one at a time: allocating an array of thousands for each
 * would be the most expensive part of a decision.
 */
let scratch = new Float64Array(1_024);

function totalsFor(length: number): Float64Array {
  if (scratch.length < length) scratch = new Float64Array(length * 2);
  return scratch.subarray(0, length);
}

interface Places {
  readonly servings: readonly Serving[];
  /** The cost of each slot; infinite if it may not serve. */
  readonly totals: Float64Array;
  readonly best: number;
  readonly nearShare: number;
  readonly random: () => number;
}

function chosen(
  places: Places,
  ask: PlacementRequest,
  now: number,
): Pick<Choice, 'candidates' | 'cost'> {
  const { servings, totals } = places;
  const winner = oneOfTheEquals(places);
  const others = smallest(totals, MAX_CANDIDATES).filter((place) => place !== winner);
  const ordered = [winner, ...others].slice(0, MAX_CANDIDATES);
  return {
    candidates: ordered.map((place) => candidateOf(servings[place] as Serving, ask, now)),
    cost: costFor(servings[winner] as Serving, ask, now),
  };
}

/**
 * Draws two of the equal slots at random and takes the better one. The load becomes nearly as even
 * as if all were compared, and the cost stays close to the best.
 */
function oneOfTheEquals({ totals, best, nearShare, random }: Places): number {
  const limit = limitOfEquals(best, nearShare);
  let equals = 0;
  for (let place = 0; place < totals.length; place += 1)
    if ((totals[place] as number) <= limit) equals += 1;
  const one = nthWithin(totals, limit, Math.floor(random() * equals));
  const other = nthWithin(totals, limit, Math.floor(random() * equals));
  return (totals[other] as number) < (totals[one] as number) ? other : one;
}

/** The highest cost that counts as equal to the best one. */
export const limitOfEquals = (best: number, nearShare = NEAR_SHARE): number =>
  best + Math.max(NEAR_MS, best * nearShare);

function nthWithin(totals: Float64Array, limit: number, n: number): number {
  let left = n;
  for (let place = 0; place < totals.length; place += 1) {
    if ((totals[place] as number) > limit) continue;
    if (left === 0) return place;
    left -= 1;
  }
  throw new RangeError('fewer places than were counted');
}

/** Returns the places of the `count` smallest totals, in order, without sorting the whole array. */
function smallest(totals: Float64Array, count: number): number[] {
  const best: number[] = [];
  let worst = Number.POSITIVE_INFINITY;
  for (let place = 0; place < totals.length; place += 1) {
    const total = totals[place] as number;
    if (total >= worst) continue;
    const at = best.findIndex((other) => total < (totals[other] as number));
    best.splice(at < 0 ? best.length : at, 0, place);
    if (best.length > count) best.pop();
    if (best.length === count) worst = totals[best.at(-1) as number] as number;
  }
  return best;
}

function candidateOf(serving: Serving, ask: PlacementRequest, now: number): Candidate {
  const { provider, slot } = serving;
  const { chip, simulated } = provider.machine;
  const { isExternal } = provider;
  const expectedFirstContentMs = expectedMs(serving, unreadTokens(serving, ask), now);
  return {
    provider: provider.id,
    build: slot.build,
    suite: provider.suite,
    sealingKey: provider.sealingKey,
    expectedFirstContentMs,
    chip,
    simulated,
    ...(isExternal && { engine: 'external' as const }),
    level: provider.level,
    ...(ask.explains && { terms: rounded(costFor(serving, ask, now)) }),
  };
}
