import type {
  Announcement,
  Candidate,
  Reserve,
  RoutingRefusal,
  RoutingSwitches,
  TrustLevel,
} from '#bus-schemas';
import { queueWaitMs } from '#http-api/retry-after.ts';
import { type Decision, DemandCounts, DemandSurvey } from './demand.ts';
import { DesiredPlan } from './desired-builds.ts';
import { reasonOf } from './explanation.ts';
import type { Faults } from './faults.ts';
import { Fleet, type FleetChange, type VerifiedProperties } from './fleet.ts';
import { MachineChooser, NO_CHOICE } from './machine-chooser.ts';
import type { MachineMemory, StoredAt } from './machine-memory.ts';
import {
  Measurements,
  type ObservedEnd,
  type ObservedFailure,
  type OnObserved,
} from './measurements.ts';
import { answeringBoth, type PendingRequest } from './pending-request.ts';
import type { Choice } from './placement.ts';
import { PrefixClaims } from './prefix-claims.ts';
import { PrefixMemory } from './prefix-memory.ts';
import { PriceBook } from './price-book.ts';
import { ProbationTurns } from './probation.ts';
import { Queue, type QueuedRequest } from './queue.ts';
import { RecentCount } from './recent-count.ts';
import { couldOpenByWaiting, mostCommonGate, refusalFor } from './refusals.ts';
import { hasNoWishes, isUnordered, needsAtLeast, wantedBuild } from './request-properties.ts';
import { type Reservation, Reservations } from './reservations.ts';
import type { ProviderRecords } from './serving.ts';
import { type LoadOrder, WarmPool } from './warm-pool.ts';

export interface RouterOptions {
  readonly suite: string;
  readonly queueDepth: number;
  /** Minimum trust level of machines for paid requests; absent without one. */
  readonly minimumTrust?: TrustLevel | undefined;
  /** Least speed of each answer, in tokens per second; 0 for none, by default `MIN_STREAM_TPS`. */
  readonly minStreamTps?: number;
  /**
   * How long after the start an empty fleet means "no beats yet" instead of "no providers", in
   * milliseconds.
   */
  readonly graceMs: number;
  readonly startedAt: number;
  readonly random: () => number;
  readonly onDecision?: (pending: PendingRequest, choice: Choice, outcome: Decision) => void;
  readonly onObserved?: OnObserved;
}

const RATE_WINDOW_MS = 10_000;
const MIN_RELEASES = 3;
/**
 * How long a request waits, in milliseconds, before it may go to a machine that still cools. It
 * goes there only if no other machine can take it.
 */
const COOLING_PATIENCE_MS = 1_000;

/** The choice for a line of a batch while other jobs wait. */
const OTHERS_FIRST: Choice = { ...NO_CHOICE, rejected: { busy: 1 } };

/**
 * Decides where jobs go. The class is pure: time and randomness are parameters, and answers are
 * returned through `PendingRequest`.
 *
 * Invariants: every request is answered exactly once, by its deadline. No decision promises more
 * jobs to a slot than its limited concurrency; only an ingress that has already moved a job there
 * may exceed it. A job holds at most one slot.
 */
export class Router {
  readonly fleet: Fleet;
  readonly reservations = new Reservations();
  readonly #measurements: Measurements;
  readonly #chooser: MachineChooser;
  readonly #options: RouterOptions;
  readonly #queue: Queue;
  readonly #prefixes = new PrefixMemory();
  readonly #claims = new PrefixClaims();
  readonly #warmPool = new WarmPool();
  readonly #demand = new DemandCounts();
  readonly #probationTurns = new ProbationTurns();
  readonly prices = new PriceBook();
  /** Which machines should get which builds. */
  readonly desired = new DesiredPlan();
  /** Parts that an operator has switched on or off. */
  switches: RoutingSwitches = { affinity: true, warm_pool: true };
  readonly #releases = new RecentCount(RATE_WINDOW_MS);
  /** Value of `#changes` at the last drain of the queue. */
  #drained = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#measurements = new Measurements(options.onObserved);
    const records: ProviderRecords = {
      promised: (provider, build) => this.reservations.promised(provider, build),
      unlist: (provider, build) => {
        this.reservations.unlist(provider, build);
        this.#measurements.speeds.unlist(provider, build);
      },
      fault: (provider) => this.faults.record(provider),
      pace: (provider) => this.#measurements.paces.of(provider),
      measured: (provider, build) => this.#measurements.speeds.of(provider, build),
    };
    this.fleet = new Fleet(options.suite, records, options.minStreamTps);
    this.#queue = new Queue(options.queueDepth);
    this.#chooser = new MachineChooser({
      fleet: this.fleet,
      reservations: this.reservations,
      prices: this.prices,
      prefixes: this.#prefixes,
      claims: this.#claims,
      probationTurns: this.#probationTurns,
      random: options.random,
      minimumTrust: options.minimumTrust,
      switches: () => this.switches,
    });
  }

  /** Takes the status of a machine: the state of the fleet, and the prompts that it states to hold. */
  announced(
    provider: string,
    announcement: Announcement,
    now: number,
    verified?: VerifiedProperties,
  ): FleetChange | undefined {
    const change = this.fleet.announce(provider, announcement, now, verified);
    if (announcement.holds !== undefined && this.fleet.provider(provider) !== undefined)
      this.#claims.claimed(provider, announcement.holds, now);
    return change;
  }

  get faults(): Faults {
    return this.#measurements.faults;
  }

  get minimumTrust(): TrustLevel | undefined {
    return this.#options.minimumTrust;
  }

  get queued(): number {
    return this.#queue.length;
  }

  reserve(pending: PendingRequest, now: number): void {
    const { request } = pending;
    // Jobs that wait for newly freed slots get them before a new request does.
    if (this.#queue.length > 0 && (this.#changes !== this.#drained || now >= this.nextDeadline))
      this.drain(now);
    const before = this.reservations.of(request.job);
    if (before !== undefined && !request.exclude.includes(before.provider))
      return this.#repeat(pending, before, now);
    const choice = this.#mustWait(request)
      ? OTHERS_FIRST
      : this.#chooser.choose(request, now, request.patienceMs === 0);
    const earlier = this.#queue.of(request.job);
    const [wanted] = request.builds;
    const isDemand = request.exclude.length === 0 && request.isBatchLine !== true;
    if (earlier === undefined && isDemand && wanted !== undefined)
      this.#warmPool.arrived(wanted, now);
    if (earlier !== undefined)
      return this.#queue.put({ ...earlier, ...answeringBoth(earlier, pending) });
    if (choice.candidates.length > 0) return this.#place(pending, choice, now);
    this.reservations.release(request.job);
    const refusal = this.#refusalFor(request, choice, now);
    if (refusal !== undefined || request.patienceMs === 0)
      return this.#refuse(pending, choice, refusal ?? 'saturated', now);
    const displaced = this.#queue.displacedBy(request);
    if (displaced === undefined) return this.#refuse(pending, choice, 'queue_full', now);
    if (displaced !== 'none') this.#refuseWaiting(displaced, choice, 'queue_full', now);
    this.#queue.put({
      ...pending,
      deadline: now + request.patienceMs,
      onlyForGrace: !couldOpenByWaiting(choice),
    });
    this.#decided(pending, choice, 'queued');
  }

  /**
   * Another router decides from now on. Waiting requests are sent to it, and it learns of earlier
   * promises from the reports of providers.
   */
  standDown(): void {
    for (const waiting of [...this.#queue.values()]) {
      this.#queue.remove(waiting.request.job);
      waiting.askAgain?.();
    }
    this.reservations.clear();
  }

  /**
   * An attempt of a job failed. `next` is the alternate that the ingress has moved the job to, if
   * there is one; without it, the ingress asks for a new reservation.
   */
  attemptFailed(attempt: ObservedFailure, now: number): void {
    const { job, provider, next } = attempt;
    this.#measurements.attemptFailed(attempt, now);
    if (this.reservations.of(job)?.provider === provider) this.#release(job, now, { next });
  }

  jobEnded(end: ObservedEnd, now: number): void {
    const isCompleted = end.result === 'completed';
    const reservation = this.reservations.of(end.job);
    if (isCompleted && reservation !== undefined)
      this.#warmPool.served(reservation.build, now - reservation.at);
    this.#measurements.jobEnded(end, reservation, now);
    const { usage } = end;
    if (isCompleted && usage && reservation?.claim && reservation.provider === end.provider)
      this.#claims.proved(reservation.claim, { account: reservation.account, usage }, now);
    this.end(end.job, now, isCompleted);
  }

  /**
   * Notes the end of a job, in whatever state it is. If it still waited and got a slot later, that
   * slot would never be released.
   */
  end(job: string, now: number, isFinished = false): void {
    const waiting = this.#queue.of(job);
    if (waiting !== undefined) this.#refuseWaiting(waiting, NO_CHOICE, 'queue_timeout', now);
    this.#release(job, now, { isFinished });
  }

  #release(
    job: string,
    now: number,
    { isFinished, next }: { isFinished?: boolean; next?: string | undefined },
  ): void {
    const released = this.reservations.release(job, isFinished);
    if (released === undefined) return;
    this.#releases.add(now);
    if (next === undefined) return;
    const { expectedMs: _, claim: _claim, ...moved } = released;
    this.reservations.take({ ...moved, provider: next, at: now });
  }

  /**
   * Gives free slots to waiting jobs, in turn. A job that cannot be placed does not hold up other
   * jobs. Only for jobs of the same kind and at least the same size the fleet is not searched
   * again.
   */
  drain(now: number): void {
    this.#drained = this.#changes;
    const unplaceable = new Map<string, { request: Reserve; choice: Choice }>();
    for (const waiting of this.#queue.inTurn((account) => this.reservations.heldBy(account))) {
      const { request } = waiting;
      const despiteCooling = now - waiting.requestedAt >= COOLING_PATIENCE_MS;
      const isFree = request.price === undefined;
      const isLine = request.isBatchLine === true;
      const kind = `${request.builds.join(' ')} ${despiteCooling} ${isFree} ${isLine}`;
      const known = unplaceable.get(kind);
      const isNoEasier = known !== undefined && needsAtLeast(request, known.request);
      const choice = this.#mustWait(request)
        ? OTHERS_FIRST
        : isNoEasier
          ? known.choice
          : this.#chooser.choose(request, now, despiteCooling);
      if (choice.candidates.length > 0) {
        this.#queue.remove(request.job);
        this.#place(waiting, choice, now);
        continue;
      }
      if (hasNoWishes(request) && !isNoEasier) unplaceable.set(kind, { request, choice });
      if (now >= waiting.deadline) this.#refuseWaiting(waiting, choice, 'queue_timeout', now);
      else if (waiting.onlyForGrace && now >= this.#graceEndsAt)
        this.#endGrace(waiting, choice, now);
    }
  }

  /** What was measured of a machine, in the form that a later router reads. */
  memoryOf(provider: string, now: number): MachineMemory {
    return this.#measurements.memoryOf(provider, now);
  }

  /** Takes over what an earlier router, or the router of another cell, stored of a machine. */
  restore(provider: string, memory: MachineMemory, stored: StoredAt): void {
    this.#measurements.restore(provider, memory, stored);
    this.fleet.refresh(provider);
  }

  /**
   * Fades old faults and measurements, and drops those of providers that have left, except where
   * `isKept` is true.
   */
  sweep(now: number, isKept: (provider: string) => boolean = () => false): void {
    this.#measurements.sweep(now, {
      isKnown: (provider) => this.fleet.provider(provider) !== undefined || isKept(provider),
      isListed: (provider, build) => this.fleet.provider(provider)?.slots.has(build) === true,
    });
    this.#claims.sweep((provider) => this.fleet.provider(provider) !== undefined);
    this.#probationTurns.sweep((build) => this.fleet.serving(build).length > 0);
  }

  /**
   * Chooses machines that should load a model, because its demand exceeds the slots that have it in
   * memory.
   */
  loadOrders(now: number): LoadOrder[] {
    if (!this.switches.warm_pool) return [];
    return this.#warmPool.orders((build) => this.fleet.serving(build), now);
  }

  /** Ends a period of demand. The survey explains to each machine why it got no request in it. */
  surveyDemand(periodMs: number, now: number): DemandSurvey {
    const { fleet, prices, minimumTrust } = this;
    const demand = this.#demand.take((build) => fleet.serving(build).length > 0);
    return new DemandSurvey({ demand, fleet, prices, minimumTrust, periodMs, now });
  }

  /** Decides anew which machines should get which builds. */
  renewDesired(now: number): void {
    const { fleet } = this;
    const short = this.#warmPool.shortages((build) => fleet.serving(build), now);
    this.desired.renew({ fleet, short, random: this.#options.random, now });
  }

  /** The next time at which a waiting job must be checked even if no slot becomes free. */
  get nextDeadline(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { deadline, onlyForGrace } of this.#queue.values())
      first = Math.min(first, deadline, onlyForGrace ? this.#graceEndsAt : deadline);
    return first;
  }

  /** A line of a batch waits while another job waits for one of its builds. */
  #mustWait({ isBatchLine, builds }: Reserve): boolean {
    return isBatchLine === true && this.#queue.hasOtherThanLines(builds);
  }

  /** Grows with every event, except the passing of time, that may free a slot for a waiting job. */
  get #changes(): number {
    return this.fleet.changeCount + this.reservations.releaseCount;
  }

  get #graceEndsAt(): number {
    return this.#options.startedAt + this.#options.graceMs;
  }

  /**
   * The grace after the start has ended, so all live providers are known: the job goes on waiting
   * for one of them, or is refused because there is none.
   */
  #endGrace(waiting: QueuedRequest, choice: Choice, now: number): void {
    const refusal = this.#refusalFor(waiting.request, choice, now);
    if (refusal !== undefined) this.#refuseWaiting(waiting, choice, refusal, now);
    else this.#queue.put({ ...waiting, onlyForGrace: false });
  }

  #place(pending: PendingRequest, choice: Choice, now: number): void {
    const { request, requestedAt, answer } = pending;
    const [winner] = choice.candidates as readonly [Candidate, ...Candidate[]];
    this.faults.chosen(winner.provider, now);
    if (request.only === undefined)
      this.#probationTurns.placed(
        wantedBuild(request),
        this.fleet.provider(winner.provider)?.isOnProbation === true,
      );
    const tokens = request.promptTokens + request.maxOutputTokens;
    const { job, account } = request;
    const { provider, build } = winner;
    const isLoaded = choice.cost?.load === 0;
    if (request.prefixes) this.#prefixes.remember(request.prefixes, provider, now);
    this.reservations.take({
      job,
      account,
      provider,
      build,
      tokens,
      at: now,
      promptMs: choice.cost?.prefill ?? 0,
      isUnordered: isUnordered(request, winner),
      claim: choice.claim,
      ...(isLoaded && { expectedMs: this.#measurements.predictedByOwnFigures(winner, choice) }),
    });
    this.#decided(pending, choice, 'placed');
    answer({
      ok: true,
      candidates: this.#chooser.priced(choice.candidates, request),
      queuedMs: Math.max(0, Math.round(now - requestedAt)),
      because: reasonOf(choice),
    });
  }

  /**
   * A request for a job that already has a slot gets the same slot, because the first answer may
   * have been lost.
   */
  #repeat(pending: PendingRequest, { provider, build, promptMs }: Reservation, now: number): void {
    const view = this.fleet.provider(provider);
    if (view === undefined) {
      this.reservations.release(pending.request.job);
      return this.reserve(pending, now);
    }
    const same: Candidate = {
      provider,
      build,
      suite: view.suite,
      sealingKey: view.sealingKey,
      expectedFirstContentMs: Math.round(promptMs),
      ...(view.isExternal && { engine: 'external' as const }),
      level: view.level,
    };
    const others = this.#chooser
      .choose(pending.request, now)
      .candidates.filter((candidate) => candidate.provider !== provider);
    pending.answer({
      ok: true,
      candidates: this.#chooser.priced([same, ...others], pending.request),
      queuedMs: 0,
    });
  }

  #decided(pending: PendingRequest, choice: Choice, outcome: Decision): void {
    this.#demand.decided(pending.request, choice, outcome);
    this.#options.onDecision?.(pending, choice, outcome);
  }

  #refusalFor(request: Reserve, choice: Choice, now: number): RoutingRefusal | undefined {
    return refusalFor(request, choice, now < this.#graceEndsAt);
  }

  #refuseWaiting(waiting: QueuedRequest, choice: Choice, code: RoutingRefusal, now: number): void {
    this.#queue.remove(waiting.request.job);
    this.#refuse(waiting, choice, code, now);
  }

  #refuse(pending: PendingRequest, choice: Choice, code: RoutingRefusal, now: number): void {
    this.#decided(pending, choice, 'refused');
    const gate = mostCommonGate(choice);
    pending.answer({
      ok: false,
      code,
      retryAfterMs: this.#retryAfter(now),
      ...(gate !== undefined && { gate }),
    });
  }

  /**
   * The time in which the queue would be served at the rate of the last seconds, in milliseconds.
   */
  #retryAfter(now: number): number {
    const released = this.#releases.at(now);
    // A rate from one or two events is too uncertain.
    if (released < MIN_RELEASES) return queueWaitMs(undefined);
    return queueWaitMs((this.#queue.length + 1) / (released / RATE_WINDOW_MS));
  }
}
