import {
  COST_TERMS,
  type DemandReport,
  type GateName,
  type MissedReason,
  type Reserve,
} from '#bus-schemas';
import { type Cost, costFor } from './cost.ts';
import type { Fleet, ProviderView } from './fleet.ts';
import { type Choice, failedGate, limitOfEquals, type PlacementRequest } from './placement.ts';
import type { PriceBook } from './price-book.ts';
import { areNewcomersLimited } from './probation.ts';
import type { Serving } from './serving.ts';

/** Requests of one build whose gates are examined for every machine; the last ones of the period. */
const SAMPLES = 4;

export type Decision = 'placed' | 'queued' | 'refused';

interface BuildDemand {
  requests: number;
  /** For each machine, the number of attempts for which it was chosen. */
  readonly chosen: Map<string, number>;
  readonly samples: Reserve[];
}

/**
 * Counts the requests of each build, so that every machine can be told why it got none. A decision
 * costs no more than a count: the gates are examined once in a period, for the last requests.
 */
export class DemandCounts {
  #builds = new Map<string, BuildDemand>();

  /** Counts a request at its first final decision, and each machine that was chosen. */
  decided(request: Reserve, { candidates: [winner] }: Choice, outcome: Decision): void {
    // Requests that name their machines are not demand that other machines could serve.
    if (request.only !== undefined || outcome === 'queued') return;
    if (request.exclude.length === 0)
      for (const build of request.builds) this.#count(build, request);
    if (winner === undefined || outcome !== 'placed') return;
    const { chosen } = this.#of(winner.build);
    chosen.set(winner.provider, (chosen.get(winner.provider) ?? 0) + 1);
  }

  /** Returns the counts since the last call, and begins a new period. Drops what no machine has. */
  take(isServed: (build: string) => boolean): ReadonlyMap<string, Readonly<BuildDemand>> {
    const taken = this.#builds;
    this.#builds = new Map();
    for (const build of taken.keys()) if (!isServed(build)) taken.delete(build);
    return taken;
  }

  #count(build: string, request: Reserve): void {
    const demand = this.#of(build);
    demand.samples[demand.requests % SAMPLES] = request;
    demand.requests += 1;
  }

  #of(build: string): BuildDemand {
    const demand = this.#builds.get(build) ?? { requests: 0, chosen: new Map(), samples: [] };
    this.#builds.set(build, demand);
    return demand;
  }
}

export interface SurveyOptions {
  readonly demand: ReadonlyMap<string, Readonly<BuildDemand>>;
  readonly fleet: Pick<Fleet, 'serving' | 'servingOf'>;
  readonly prices: Pick<PriceBook, 'pricingFor'>;
  readonly minimumTrust: PlacementRequest['minimumTrust'];
  readonly periodMs: number;
  readonly now: number;
}

/** A sample of the requests for one build, with the costs of the machines that could serve it. */
interface Surveyed {
  readonly ask: PlacementRequest;
  /** Costs of the machines that pass every gate, in ascending order. */
  readonly costs: Float64Array;
  readonly best: Cost | undefined;
  readonly isForOtherBuild: boolean;
}

type Behind = NonNullable<DemandReport['builds'][number]['behind']>;

/**
 * Explains to machines why they got none of the requests of a period. All machines with a build are
 * compared by the same samples, which are examined once.
 */
export class DemandSurvey {
  readonly #options: SurveyOptions;
  readonly #surveyed = new Map<string, readonly Surveyed[]>();

  constructor(options: SurveyOptions) {
    this.#options = options;
  }

  reportFor({ id, slots }: ProviderView): DemandReport {
    const { demand, fleet, periodMs } = this.#options;
    const builds = [...slots.keys()].map((build) => {
      const { requests = 0, chosen } = demand.get(build) ?? {};
      const times = chosen?.get(id) ?? 0;
      const serving = fleet.servingOf(id, build);
      const missed =
        times > 0 || serving === undefined ? undefined : this.#missed(serving, requests);
      return { build, requests, chosen: times, ...missed };
    });
    return { periodMs, builds };
  }

  #missed(serving: Serving, requests: number): { missed: MissedReason; behind?: Behind } {
    if (serving.closed !== undefined) return { missed: serving.closed };
    if (requests === 0) return { missed: 'no_requests' };
    const { build } = serving.slot;
    const verdicts = this.#samplesOf(build).map((sample) => this.#verdict(serving, sample));
    const groups = Map.groupBy(verdicts, ({ missed }) => missed);
    const [most = []] = [...groups.values()].toSorted((one, other) => other.length - one.length);
    return most.at(-1) ?? { missed: 'no_requests' };
  }

  #verdict(
    serving: Serving,
    { ask, costs, best, isForOtherBuild }: Surveyed,
  ): { missed: MissedReason; behind?: Behind } {
    const { now } = this.#options;
    const gate: GateName | undefined = failedGate(serving, ask, now);
    if (gate !== undefined) return { missed: gate };
    if (isForOtherBuild) return { missed: 'other_build' };
    const cost = costFor(serving, ask, now);
    const [ownMs, bestMs] = [totalOf(cost), costs[0] ?? 0];
    if (best === undefined || ownMs <= limitOfEquals(bestMs)) return { missed: 'not_drawn' };
    const machines = countBelow(costs, ownMs);
    return {
      missed: 'others_sooner',
      behind: { machines, term: termOf(cost, best), ownMs, bestMs },
    };
  }

  #samplesOf(build: string): readonly Surveyed[] {
    const known = this.#surveyed.get(build);
    if (known !== undefined) return known;
    const { samples = [] } = this.#options.demand.get(build) ?? {};
    const surveyed = samples.map((request) => this.#survey(build, request));
    this.#surveyed.set(build, surveyed);
    return surveyed;
  }

  #survey(build: string, request: Reserve): Surveyed {
    const { fleet, now } = this.#options;
    const ask = this.#askOf(request, build);
    const isOpen = (serving: Serving) => failedGate(serving, ask, now) === undefined;
    const open = fleet.serving(build).filter(isOpen);
    const costs = new Float64Array(
      open.map((serving) => totalOf(costFor(serving, ask, now))),
    ).sort();
    const best = open.find((serving) => totalOf(costFor(serving, ask, now)) === costs[0]);
    const earlier = request.builds.slice(0, request.builds.indexOf(build));
    return {
      ask,
      costs,
      best: best && costFor(best, ask, now),
      isForOtherBuild: earlier.some((other) => fleet.serving(other).some(isOpen)),
    };
  }

  /** The request as any machine sees it: machines of the caller have no advantage. */
  #askOf({ price, ...request }: Reserve, build: string): PlacementRequest {
    const { prices, minimumTrust, fleet, now } = this.#options;
    const ask: PlacementRequest = {
      ...request,
      exclude: [],
      pricing: price && prices.pricingFor(request.model, { ...price, exempt: [] }),
      ...(price !== undefined && { minimumTrust }),
    };
    return { ...ask, newcomers: !areNewcomersLimited(fleet.serving(build), ask, now) };
  }
}

/** The number of costs below a limit; `costs` is sorted. */
function countBelow(costs: Float64Array, limit: number): number {
  let [low, high] = [0, costs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((costs[middle] as number) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

const totalOf = (cost: Cost): number =>
  COST_TERMS.reduce((sum, term) => sum + (cost[term] ?? 0), 0);

/** The term in which the cost exceeds the best one most. */
const termOf = (cost: Cost, best: Cost): string =>
  COST_TERMS.reduce((most, term) =>
    excess(cost, best, term) > excess(cost, best, most) ? term : most,
  );

const excess = (cost: Cost, best: Cost, term: (typeof COST_TERMS)[number]): number =>
  (cost[term] ?? 0) - (best[term] ?? 0);
