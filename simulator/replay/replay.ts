import { createHash } from 'node:crypto';
import type { Arrival } from '#bus-schemas';
import { SeededRandom } from '#provider/engine/sampling/random.ts';
import { FluidBound } from './fluid-bound.ts';
import { type Demand, madeUpArrivals } from './made-up-arrivals.ts';
import { type Absence, absencesOf, presentShare } from './owners.ts';
import { ReplayedNetwork, type ReplayedNetworkOptions } from './replayed-network.ts';
import type { Clients, Incident, Scenario } from './scenarios.ts';
import { leastTokensPerSecond, type RequestOutcome, VirtualJob } from './virtual-job.ts';

export interface ReplayOptions extends ReplayedNetworkOptions {
  readonly arrivals: Iterable<Arrival>;
  readonly clients: Clients;
  readonly incidents: readonly Incident[];
  /** Owners let their computers sleep, limit the hours and use them; absent: they never do. */
  readonly owners?: { readonly hours: number };
}

export interface Report {
  readonly requests: number;
  readonly servedShare: number;
  /** `servedShare` divided by the theoretical maximum that `FluidBound` computes. */
  readonly ofOptimum: number;
  readonly refusedBy: Readonly<Record<string, number>>;
  readonly firstContentMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** Speed of the served answers after their first content; p5 is exceeded by 95 % of them. */
  readonly tokensPerSecond: { readonly p5: number; readonly p50: number };
  /** Share of the served answers that were slower than `leastTokensPerSecond`. */
  readonly slowShare: number;
  /** Number of attempts at machines, divided by the number of requests including retries. */
  readonly attemptsPerRequest: number;
  readonly refusedAttempts: Readonly<Record<string, number>>;
  /** Requests that never ended. */
  readonly hung: number;
  /** Attempts that a machine still worked on one second after they were cancelled. */
  readonly zombies: number;
  /** SHA-256 over the outcome of every request in order; equal for two runs with the same seed. */
  readonly digest: string;
  readonly virtualHours: number;
  /** Share of the machine-hours in which machines were awake and open. */
  readonly availableShare: number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
export const TIMES = {
  firstContentMs: 9_000,
  queuePatienceMs: 30_000,
  jobTimeoutMs: 600_000,
} as const;
export const QUEUE_DEPTH = 128;

export function runScenario(scenario: Scenario, seed: number, conditions = true): Report {
  const {
    macs,
    concurrency,
    minutes,
    load,
    clients,
    incidents,
    times,
    queueDepth = QUEUE_DEPTH,
    owners = false,
  } = scenario;
  const options = {
    macs,
    concurrency,
    queueDepth,
    seed,
    conditions,
    times: { ...TIMES, ...times },
  };
  const hours = minutes / 60;
  const available = owners ? sharedHours(macs, hours, seed) : 1;
  const demand: Demand = {
    hours,
    perSecond: load * available * capacityOf(new ReplayedNetwork(options)),
    swing: 0,
    accounts: 50,
    model: 'sim-llama-8b',
  };
  return replay({
    ...options,
    clients,
    incidents,
    ...(owners && { owners: { hours } }),
    arrivals: madeUpArrivals(demand, new SeededRandom(seed + 1)),
  });
}

/** Number of average requests per second that the awake and working machines can serve. */
function capacityOf({ macs }: ReplayedNetwork): number {
  let sum = 0;
  for (const mac of macs) if (mac.isAble) sum += mac.requestsPerSecond * mac.speed;
  return sum;
}

/**
 * Replays the arrivals against the real state machines of ingress and router, and reports the
 * outcomes.
 */
export function replay(options: ReplayOptions): Report {
  const world = new ReplayedNetwork(options);
  const fates = new Fates();
  const bound = new FluidBound(options.times.queuePatienceMs);
  const { timeline } = world;
  let asked = 0;
  let open = 0;
  let jobs = 0;
  let seconds = 0;
  let able = 0;
  const ask = (arrival: Arrival, tried: number, firstAskedAt: number) => {
    jobs += 1;
    open += 1;
    new VirtualJob(world, `job_${String(jobs).padStart(22, '0')}`, arrival, (outcome) => {
      open -= 1;
      const again = outcome.served ? undefined : retryAfter(options.clients, outcome, tried);
      if (again === undefined) fates.add(outcome, timeline.now - firstAskedAt, tried);
      else
        timeline.after(again * (1 + world.random.next() / 4), () =>
          ask(arrival, tried + 1, firstAskedAt),
        );
    });
  };
  const arrivals = options.arrivals[Symbol.iterator]();
  let isOver = false;
  const next = () => {
    const { value, done } = arrivals.next();
    isOver = done === true;
    if (done) return;
    timeline.at(value.at, () => {
      asked += 1;
      ask(value, 0, timeline.now);
      next();
    });
  };
  const everySecond = () => {
    bound.second(asked, capacityOf(world));
    asked = 0;
    seconds += 1;
    for (const mac of world.macs) if (mac.isAble) able += 1;
    if (!isOver || open > 0) timeline.after(SECOND_MS, everySecond);
  };
  next();
  timeline.after(SECOND_MS, everySecond);
  for (const incident of options.incidents) startIncident(world, incident);
  if (options.owners !== undefined) startOwners(world, options.owners.hours, options.seed);
  while (!isOver) timeline.runUntil(timeline.now + MINUTE_MS);
  const endedAt = timeline.now;
  timeline.runUntil(endedAt + 2 * options.times.jobTimeoutMs);
  return {
    ...fates.report(bound.share),
    attemptsPerRequest: world.attempts / jobs,
    refusedAttempts: world.refusals,
    hung: open,
    zombies: world.zombies,
    virtualHours: endedAt / 60 / MINUTE_MS,
    availableShare: able / Math.max(1, seconds * world.macs.length),
  };
}

function retryAfter(
  { retries, retryMs }: Clients,
  { code, retryAfterMs }: RequestOutcome,
  tried: number,
): number | undefined {
  const mayRetry = tried < retries && code !== 'stream_cut';
  return mayRetry ? (retryMs ?? Math.max(500, retryAfterMs)) : undefined;
}

function startIncident(world: ReplayedNetwork, incident: Incident): void {
  const { minute, untilMinute, share, ailment, sleepSeconds, everyMinute } = incident;
  const { timeline, random } = world;
  timeline.at(minute * MINUTE_MS, () => {
    const chosen = world.macs.filter(() => random.next() < share);
    for (const mac of chosen) {
      if (ailment) world.ail(mac, ailment);
      if (sleepSeconds)
        timeline.after(random.next() * MINUTE_MS, () => world.sleep(mac, sleepSeconds * SECOND_MS));
    }
    if (everyMinute && minute + 1 < (untilMinute ?? Number.POSITIVE_INFINITY))
      startIncident(world, { ...incident, minute: minute + 1 });
    if (ailment && untilMinute !== undefined)
      timeline.at(untilMinute * MINUTE_MS, () => {
        for (const mac of chosen) world.heal(mac);
      });
  });
}

/** Owners draw from a sequence of their own, so that all else is as without them. */
function* habits(macs: number, hours: number, seed: number): Generator<Absence[]> {
  const random = new SeededRandom(seed + 2);
  for (let mac = 0; mac < macs; mac += 1) yield absencesOf(hours, random);
}

/** Share of the machine-hours that owners leave to the network. */
function sharedHours(macs: number, hours: number, seed: number): number {
  let sum = 0;
  for (const absences of habits(macs, hours, seed)) sum += presentShare(absences, hours);
  return sum / macs;
}

function startOwners(world: ReplayedNetwork, hours: number, seed: number): void {
  const ofMacs = habits(world.macs.length, hours, seed);
  for (const mac of world.macs)
    for (const { kind, at, ms } of ofMacs.next().value ?? [])
      world.timeline.at(at, () =>
        kind === 'asleep' ? world.sleep(mac, ms) : world.close(mac, ms),
      );
}

/** Collects the outcomes of the requests in the order in which they end. */
class Fates {
  readonly #hash = createHash('sha256');
  readonly #firstContent: number[] = [];
  readonly #speeds: number[] = [];
  readonly #refusedBy: Record<string, number> = {};
  #count = 0;
  #served = 0;
  #slow = 0;
  #line = '';

  add(
    { served, code = 'served', firstContentMs, tokensPerSecond, attempts }: RequestOutcome,
    tookMs: number,
    tried: number,
  ): void {
    this.#count += 1;
    this.#line += `${code} ${attempts} ${tried} ${firstContentMs} ${tookMs}\n`;
    if (this.#line.length > 65_536) this.#flush();
    if (served) {
      this.#served += 1;
      this.#firstContent.push(firstContentMs);
      this.#speeds.push(tokensPerSecond);
      if (tokensPerSecond < leastTokensPerSecond) this.#slow += 1;
    } else this.#refusedBy[code] = (this.#refusedBy[code] ?? 0) + 1;
  }

  report(bound: number) {
    this.#flush();
    const firstContent = quantiles(this.#firstContent);
    const speed = quantiles(this.#speeds);
    const servedShare = this.#count === 0 ? 1 : this.#served / this.#count;
    return {
      requests: this.#count,
      servedShare,
      ofOptimum: servedShare / bound,
      refusedBy: this.#refusedBy,
      firstContentMs: { p50: firstContent(0.5), p95: firstContent(0.95), p99: firstContent(0.99) },
      tokensPerSecond: { p5: speed(0.05), p50: speed(0.5) },
      slowShare: this.#served === 0 ? 0 : this.#slow / this.#served,
      digest: this.#hash.digest('hex'),
    };
  }

  #flush(): void {
    this.#hash.update(this.#line);
    this.#line = '';
  }
}

/** Returns the rounded value below which a share of the values lies; 0 if there are none. */
function quantiles(values: readonly number[]): (share: number) => number {
  const sorted = Float64Array.from(values).sort();
  return (share) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}
