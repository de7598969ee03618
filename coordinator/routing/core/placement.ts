import type { Candidate, Reserve } from '#bus-schemas';
import type { Faults } from './faults.ts';
import type { Fleet, ProviderView, SlotView } from './fleet.ts';
import type { Reservations } from './reservations.ts';

/** Where a job can go. Every reader of the fleet asks here: one rule for who may serve, one for who serves soonest. */
export interface World {
  readonly fleet: Fleet;
  readonly reservations: Reservations;
  readonly faults: Faults;
  readonly suite: string;
}

export type Ask = Pick<Reserve, 'job' | 'builds' | 'promptTokens' | 'maxOutputTokens' | 'exclude' | 'only' | 'requires'>;

interface Place {
  readonly provider: ProviderView;
  readonly slot: SlotView;
  /** Jobs there: what it says, or what we promised, whichever is more. */
  readonly load: number;
  /** Sum of the terms of its cost. */
  readonly total: number;
}

type Gate = (place: Place, ask: Ask, world: World, now: number) => boolean;

/** In order; the first that does not hold is the reason. */
const gates = {
  not_wanted: ({ provider }, ask) => ask.only === undefined || ask.only.includes(provider.id),
  excluded: ({ provider }, ask) => !ask.exclude.includes(provider.id),
  silent: ({ provider }) => !provider.silent,
  draining: ({ provider }) => !provider.draining,
  suite: ({ provider }, _ask, world) => provider.suite === world.suite,
  slot_failed: ({ slot }) => slot.state !== 'failed',
  traits: ({ slot }, ask) => ask.requires === undefined || ask.requires.every((trait) => slot.traits?.includes(trait)),
  context: ({ slot }, ask) => ask.promptTokens + ask.maxOutputTokens <= slot.contextTokens,
  breaker: ({ provider }, _ask, world, now) => !world.faults.isOpen(provider.id, now),
  busy: ({ slot, load }) => load < slot.maxConcurrency,
  tokens: ({ provider, slot }, ask, world) =>
    ask.promptTokens + ask.maxOutputTokens <= slot.freeTokens - world.reservations.tokensSince(provider.id, slot.build, slot.reportedAt),
} as const satisfies Record<string, Gate>;

export type GateName = keyof typeof gates;
const gateNames = Object.keys(gates) as GateName[];
const allButBreaker = gateNames.filter((name) => name !== 'breaker');

/** Terms of the expected delay to the first content, in milliseconds. */
interface Cost {
  readonly load: number;
  readonly queue: number;
  readonly prefill: number;
  readonly decode: number;
}

export interface Choice {
  readonly candidates: readonly Candidate[];
  readonly cost: Cost | undefined;
  readonly rejected: Readonly<Partial<Record<GateName, number>>>;
}

const MAX_ALTERNATES = 3;
/** Places this close to the best are equals: among them chance decides, so that simultaneous requests do not all run to one. */
const NEAR_MS = 10;
const NEAR_SHARE = 0.1;
const OVERLOAD_PENALTY = 1;

export function choose(world: World, ask: Ask, now: number, random: () => number): Choice {
  const choice = survey(world, ask, now, random, gateNames);
  // Providers that were only turned away for old faults are better than nobody.
  if (choice.candidates.length > 0 || choice.rejected.breaker === undefined) return choice;
  return survey(world, ask, now, random, allButBreaker);
}

function survey(world: World, ask: Ask, now: number, random: () => number, applied: readonly GateName[]): Choice {
  const rejected: Partial<Record<GateName, number>> = {};
  const places: Place[] = [];
  for (const build of ask.builds) {
    for (const provider of world.fleet.serving(build)) {
      const place = placeAt(world, ask, provider, build);
      if (place === undefined) continue;
      const failed = firstFailed(place, ask, world, now, applied);
      if (failed === undefined) places.push(place);
      else rejected[failed] = (rejected[failed] ?? 0) + 1;
    }
    // A later build only serves when the wanted one has no place.
    if (places.length > 0) break;
  }
  const chosen = smallest(places, 1 + MAX_ALTERNATES);
  const winner = oneOfTheEquals(places, chosen[0]?.total ?? 0, random);
  const ordered = winner === undefined ? [] : [winner, ...chosen.filter((other) => other !== winner)].slice(0, 1 + MAX_ALTERNATES);
  return { candidates: ordered.map(candidateOf), cost: winner && costAt(winner.slot, winner.load, ask), rejected };
}

/** Runs for every provider of every decision: a loop, not a `find`, whose closure would be made each time. */
function firstFailed(place: Place, ask: Ask, world: World, now: number, applied: readonly GateName[]): GateName | undefined {
  for (const name of applied) if (!gates[name](place, ask, world, now)) return name;
  return undefined;
}

/** The first few in order, without sorting thousands for the sake of four. */
function smallest(places: readonly Place[], count: number): Place[] {
  const best: Place[] = [];
  for (const candidate of places) {
    if (best.length === count && candidate.total >= (best.at(-1)?.total ?? 0)) continue;
    const at = best.findIndex(({ total }) => candidate.total < total);
    best.splice(at < 0 ? best.length : at, 0, candidate);
    if (best.length > count) best.pop();
  }
  return best;
}

function placeAt({ reservations }: World, ask: Ask, provider: ProviderView, build: string): Place | undefined {
  const slot = provider.slots.get(build);
  if (slot === undefined) return undefined;
  const load = Math.max(slot.running + slot.waiting, reservations.count(provider.id, build));
  const cost = costAt(slot, load, ask);
  return { provider, slot, load, total: cost.load + cost.queue + cost.prefill + cost.decode };
}

function costAt(slot: SlotView, load: number, { promptTokens }: Ask): Cost {
  const share = slot.maxConcurrency === 0 ? 1 : load / slot.maxConcurrency;
  const step = 1_000 / slot.decodeTps;
  return {
    load: slot.state === 'resident' ? 0 : slot.loadMs,
    queue: load * step,
    prefill: (1_000 * promptTokens) / slot.prefillTps,
    decode: step * (1 + OVERLOAD_PENALTY * share),
  };
}

/** Two at random of those as good as the best, and the better of them: nearly as even as asking everyone, and nearly always cheap. */
function oneOfTheEquals(places: readonly Place[], best: number, random: () => number): Place | undefined {
  const limit = best + Math.max(NEAR_MS, best * NEAR_SHARE);
  const equals = places.filter(({ total }) => total <= limit);
  const pick = () => equals[Math.floor(random() * equals.length)];
  const [one, other] = [pick(), pick()];
  return one !== undefined && other !== undefined && other.total < one.total ? other : one;
}

function candidateOf({ provider, slot, total }: Place): Candidate {
  return {
    provider: provider.id,
    build: slot.build,
    suite: provider.suite,
    sealingKey: provider.sealingKey,
    expectedFirstContentMs: total,
    chip: provider.machine.chip,
    simulated: provider.machine.simulated,
  };
}
