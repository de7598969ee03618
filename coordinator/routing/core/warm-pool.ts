import type { Serving } from './serving.ts';

const HALF_LIFE_MS = 30_000;
const FORGOTTEN_BELOW = 0.01;
/** A shorter time of observation is too short for a rate, in milliseconds. */
const MIN_OBSERVED_MS = 5_000;
/** Assumed time of a job of a model that no machine has served yet, in milliseconds. */
const UNKNOWN_SERVICE_MS = 10_000;
/** Factor on the average number of running jobs, because requests arrive in bursts. */
const MARGIN = 1.5;
/**
 * An order is repeated, to the machine that is then best, if it has had no effect after this many
 * loading times.
 */
const PATIENCE_FACTOR = 2;

export interface LoadOrder {
  readonly provider: string;
  readonly build: string;
}

interface Demand {
  /** The number of arrivals, in which older ones count less. */
  arrivals: number;
  at: number;
  readonly since: number;
  /** Average time of a job on a machine, in milliseconds. */
  serviceMs: number;
}

/**
 * Keeps as many slots of each model in memory as its demand needs. By Little's law, arrivals per
 * second times seconds of work give the number of jobs that run at once. If the slots in memory
 * allow fewer, a machine that has the model on its disk is ordered to load it, one machine at a
 * time.
 */
export class WarmPool {
  readonly #demands = new Map<string, Demand>();
  readonly #ordered = new Map<string, { provider: string; until: number }>();

  arrived(build: string, now: number): void {
    const demand = this.#demands.get(build) ?? { arrivals: 0, at: now, since: now, serviceMs: 0 };
    demand.arrivals = faded(demand, now) + 1;
    demand.at = now;
    this.#demands.set(build, demand);
  }

  served(build: string, tookMs: number): void {
    const demand = this.#demands.get(build);
    if (demand === undefined) return;
    demand.serviceMs =
      demand.serviceMs === 0 ? tookMs : demand.serviceMs + 0.1 * (tookMs - demand.serviceMs);
  }

  orders(servedBy: (build: string) => readonly Serving[], now: number): LoadOrder[] {
    const orders: LoadOrder[] = [];
    for (const [build, demand] of this.#demands) {
      const arrivals = faded(demand, now);
      if (arrivals < FORGOTTEN_BELOW) {
        this.#demands.delete(build);
        this.#ordered.delete(build);
        continue;
      }
      const wanted = arrivalsPerMs(demand, now) * demand.serviceMs * MARGIN;
      const order = this.#orderFor(build, servedBy(build), { wanted, now });
      if (order !== undefined) orders.push(order);
    }
    return orders;
  }

  /**
   * The builds whose demand exceeds what all machines that have them can serve, in memory or not.
   */
  shortages(servedBy: (build: string) => readonly Serving[], now: number): Set<string> {
    const short = [...this.#demands].filter(([build, demand]) => {
      const wanted = arrivalsPerMs(demand, now) * (demand.serviceMs || UNKNOWN_SERVICE_MS) * MARGIN;
      const places = servedBy(build)
        .filter(({ closed }) => closed === undefined)
        .reduce(
          (sum, { maxConcurrency, uncrowded }) => sum + Math.min(maxConcurrency, uncrowded),
          0,
        );
      return faded(demand, now) >= FORGOTTEN_BELOW && wanted > places;
    });
    return new Set(short.map(([build]) => build));
  }

  #orderFor(
    build: string,
    servings: readonly Serving[],
    { wanted, now }: { wanted: number; now: number },
  ): LoadOrder | undefined {
    const open = servings.filter(({ closed }) => closed === undefined);
    const before = this.#ordered.get(build);
    const isFollowed =
      before !== undefined &&
      open.some(({ id, slot }) => id === before.provider && slot.state !== 'cold');
    if (isFollowed) this.#ordered.delete(build);
    else if (before !== undefined && now < before.until) return undefined;
    const warm = open
      .filter(({ slot }) => slot.state !== 'cold')
      .reduce((sum, { maxConcurrency, uncrowded }) => sum + Math.min(maxConcurrency, uncrowded), 0);
    if (warm >= wanted) return undefined;
    const cold = open.filter((serving) => serving.slot.state === 'cold' && !serving.isBroken(now));
    const best = cold.sort(
      (one, other) => one.loadMs + one.tokenMs - (other.loadMs + other.tokenMs),
    )[0];
    if (best === undefined) return undefined;
    this.#ordered.set(build, { provider: best.id, until: now + PATIENCE_FACTOR * best.loadMs });
    return { provider: best.id, build };
  }
}

/**
 * Corrects the rate of a model whose demand began recently: the weighted sum has not reached its
 * final value yet.
 */
function arrivalsPerMs(demand: Demand, now: number): number {
  const counted = 1 - 2 ** (-Math.max(MIN_OBSERVED_MS, now - demand.since) / HALF_LIFE_MS);
  return (faded(demand, now) * Math.LN2) / HALF_LIFE_MS / counted;
}

const faded = ({ arrivals, at }: Demand, now: number): number =>
  arrivals * 2 ** (-(now - at) / HALF_LIFE_MS);
