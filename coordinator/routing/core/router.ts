import {
  attemptOutcome,
  type Candidate,
  type JobAttempt,
  type JobEnded,
  type PriceTerms,
  type Reserve,
  type Reserved,
  type RoutingRefusal,
  type RoutingSwitches,
  type TrustLevel,
} from '#bus-schemas';
import { queueWaitMs } from '#http-api/retry-after.ts';
import { Calibration } from './calibration.ts';
import { Faults } from './faults.ts';
import { Fleet } from './fleet.ts';
import type { MachineMemory, StoredAt } from './machine-memory.ts';
import { MeasuredSpeeds } from './measured-speeds.ts';
import type { Choice, GateName, PlacementRequest } from './placement.ts';
import { choosePreferred } from './preferences.ts';
import { PrefixMemory } from './prefix-memory.ts';
import { PriceBook } from './price-book.ts';
import { isLeftToNewcomers, ProbationTurns } from './probation.ts';
import { Queue, type QueuedRequest } from './queue.ts';
import { RecentCount } from './recent-count.ts';
import { Reservations } from './reservations.ts';
import type { MachineCounts } from './unwritten-records.ts';
import { type LoadOrder, WarmPool } from './warm-pool.ts';

/**
 * Decides where jobs go. The class is pure: time and randomness are parameters, and answers are
 * returned through `PendingRequest`.
 *
 * Invariants: every request is answered exactly once, by its deadline. No decision promises more
 * jobs to a slot than its limited concurrency; only an ingress that has already moved a job there
 * may exceed it. A job holds at most one slot.
 */
export interface PendingRequest {
  readonly request: Reserve;
  readonly requestedAt: number;
  readonly answer: (reply: Reserved) => void;
  /** Called instead of `answer` if another router may take over. */
  readonly askAgain?: () => void;
}

export interface RouterOptions {
  readonly suite: string;
  readonly queueDepth: number;
  /** Minimum trust level of machines for paid requests; absent without one. */
  readonly minimumTrust?: TrustLevel | undefined;
  /**
   * How long after the start an empty fleet means "no beats yet" instead of "no providers", in
   * milliseconds.
   */
  readonly graceMs: number;
  readonly startedAt: number;
  readonly random: () => number;
  readonly onDecision?: (
    pending: PendingRequest,
    choice: Choice,
    outcome: 'placed' | 'queued' | 'refused',
  ) => void;
  /** Called when a machine served, failed or refused a job, for its record. */
  readonly onObserved?: (provider: string, counts: Partial<MachineCounts>) => void;
}

type Ended = Pick<
  JobEnded,
  'job' | 'provider' | 'result' | 'attempts' | 'timing' | 'deliveredTokens'
>;
type FailedAttempt = Pick<
  JobAttempt,
  'job' | 'provider' | 'failure' | 'refusal' | 'about' | 'clientSealed' | 'account' | 'next'
>;

const RATE_WINDOW_MS = 10_000;
const MIN_RELEASES = 3;
/**
 * How long a request waits, in milliseconds, before it may go to a machine that still cools. It
 * goes there only if no other machine can take it.
 */
const COOLING_PATIENCE_MS = 1_000;
/**
 * The share of the concurrency of a model that one account may hold for sealed jobs that are not
 * ordered yet. One slot is always allowed.
 */
const UNORDERED_SHARE = 0.25;
/** Gates that do not open by waiting. */
const PERMANENT = new Set<GateName>([
  'not_wanted',
  'excluded',
  'flooding',
  'paused',
  'suite',
  'slot_failed',
  'traits',
  'weights',
  'level',
  'minimum_trust',
  'price',
  'context',
  'slow',
]);

export class Router {
  readonly fleet: Fleet;
  readonly reservations = new Reservations();
  readonly faults = new Faults();
  readonly #calibration = new Calibration();
  readonly #speeds = new MeasuredSpeeds();
  readonly #options: RouterOptions;
  readonly #queue: Queue;
  readonly #prefixes = new PrefixMemory();
  readonly #warmPool = new WarmPool();
  readonly #probationTurns = new ProbationTurns();
  readonly prices = new PriceBook();
  /** Parts that an operator has switched on or off. */
  switches: RoutingSwitches = { affinity: true, warm_pool: true };
  readonly #releases = new RecentCount(RATE_WINDOW_MS);
  /** Value of `#changes` at the last drain of the queue. */
  #drained = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.fleet = new Fleet(options.suite, {
      promised: (provider, build) => this.reservations.promised(provider, build),
      unlist: (provider, build) => {
        this.reservations.unlist(provider, build);
        this.#speeds.unlist(provider, build);
      },
      fault: (provider) => this.faults.record(provider),
      pace: (provider) => this.#calibration.of(provider),
      measured: (provider, build) => this.#speeds.of(provider, build),
    });
    this.#queue = new Queue(options.queueDepth);
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
    const choice = this.#choose(request, now, request.patienceMs === 0);
    const earlier = this.#queue.of(request.job);
    const [wanted] = request.builds;
    if (earlier === undefined && request.exclude.length === 0 && wanted !== undefined)
      this.#warmPool.arrived(wanted, now);
    if (earlier !== undefined)
      return this.#queue.put({ ...earlier, ...answeringBoth(earlier, pending) });
    if (choice.candidates.length > 0) return this.#place(pending, choice, now);
    this.reservations.release(request.job);
    const refusal = this.#refusalFor(request, choice, now);
    if (refusal !== undefined || request.patienceMs === 0)
      return this.#refuse(pending, choice, refusal ?? 'saturated', now);
    const displaced = this.#queue.displacedBy(request.account);
    if (displaced === undefined) return this.#refuse(pending, choice, 'queue_full', now);
    if (displaced !== 'none') this.#refuseWaiting(displaced, choice, 'queue_full', now);
    this.#queue.put({
      ...pending,
      deadline: now + request.patienceMs,
      onlyForGrace: !couldOpenByWaiting(choice),
    });
    this.#options.onDecision?.(pending, choice, 'queued');
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
  attemptFailed(attempt: FailedAttempt, now: number): void {
    const { job, provider, failure, account, next } = attempt;
    switch (attemptOutcome(failure, attempt).record) {
      case 'none':
        break;
      case 'note':
        this.faults.blamed(provider, account, now);
        this.#options.onObserved?.(provider, { blamed: 1 });
        break;
      case 'cool':
        this.faults.refused(provider, now);
        this.#options.onObserved?.(provider, { refused: 1 });
        break;
      case 'fault':
        this.faults.failed(provider, now);
        this.#options.onObserved?.(provider, { failed: 1 });
        break;
    }
    if (this.reservations.of(job)?.provider === provider) this.#release(job, now, { next });
  }

  jobEnded({ job, provider, result, attempts, timing, deliveredTokens }: Ended, now: number): void {
    if (provider !== undefined && result === 'completed') this.faults.served(provider, now);
    const reservation = this.reservations.of(job);
    if (result === 'completed' && reservation !== undefined)
      this.#warmPool.served(reservation.build, now - reservation.at);
    if (
      result === 'completed' &&
      provider !== undefined &&
      reservation?.provider === provider &&
      timing.firstContentUs !== undefined
    ) {
      const tookMs = (timing.totalUs - timing.firstContentUs) / 1_000;
      this.#speeds.learn(
        provider,
        reservation.build,
        { account: reservation.account, tokens: deliveredTokens, tookMs },
        now,
      );
    }
    const isFirst =
      attempts === 1 && reservation !== undefined && reservation.provider === provider;
    if (isFirst && reservation.expectedMs !== undefined && timing.firstContentUs !== undefined) {
      const tookMs = (timing.firstContentUs - timing.routeUs - timing.holdUs) / 1_000;
      const { expectedMs } = reservation;
      this.#calibration.learn(reservation.provider, { expectedMs, tookMs }, now);
    }
    if (provider !== undefined)
      this.#options.onObserved?.(provider, {
        served: result === 'completed' ? 1 : 0,
        tokens: deliveredTokens,
      });
    this.end(job, now, result === 'completed');
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
    const { expectedMs: _, ...moved } = released;
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
      const kind = `${request.builds.join(' ')} ${despiteCooling} ${isFree}`;
      const known = unplaceable.get(kind);
      const isNoEasier = known !== undefined && needsAtLeast(request, known.request);
      const choice = isNoEasier ? known.choice : this.#choose(request, now, despiteCooling);
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
    const faults = this.faults.stored(provider, now);
    const pace = this.#calibration.stored(provider, now);
    const speeds = this.#speeds.stored(provider, now);
    return {
      ...(faults && { faults }),
      ...(pace && { pace }),
      ...(speeds.length > 0 && { speeds }),
    };
  }

  /** Takes over what an earlier router, or the router of another cell, stored of a machine. */
  restore(provider: string, { faults, pace, speeds = [] }: MachineMemory, stored: StoredAt): void {
    if (faults !== undefined) this.faults.restore(provider, faults, stored);
    if (pace !== undefined) this.#calibration.restore(provider, pace, stored);
    for (const speed of speeds) this.#speeds.restore(provider, speed, stored);
    this.fleet.refresh(provider);
  }

  /**
   * Fades old faults and measurements, and drops those of providers that have left, except where
   * `isKept` is true.
   */
  sweep(now: number, isKept: (provider: string) => boolean = () => false): void {
    const isKnown = (provider: string) =>
      this.fleet.provider(provider) !== undefined || isKept(provider);
    this.faults.sweep(now, isKnown);
    this.#calibration.sweep(now, isKnown);
    this.#probationTurns.sweep((build) => this.fleet.serving(build).length > 0);
    this.#speeds.sweep(
      now,
      (provider, build) => this.fleet.provider(provider)?.slots.has(build) === true,
    );
  }

  /**
   * Chooses machines that should load a model, because its demand exceeds the slots that have it in
   * memory.
   */
  loadOrders(now: number): LoadOrder[] {
    if (!this.switches.warm_pool) return [];
    return this.#warmPool.orders((build) => this.fleet.serving(build), now);
  }

  /** The next time at which a waiting job must be checked even if no slot becomes free. */
  get nextDeadline(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { deadline, onlyForGrace } of this.#queue.values())
      first = Math.min(first, deadline, onlyForGrace ? this.#graceEndsAt : deadline);
    return first;
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

  #choose(request: Reserve, now: number, despiteCooling = false): Choice {
    const choice = this.#chooseMachine(request, now, despiteCooling);
    return this.#isOverShare(request, choice)
      ? { ...NO_CHOICE, rejected: { unordered: 1 } }
      : choice;
  }

  #chooseMachine(request: Reserve, now: number, despiteCooling: boolean): Choice {
    const warm =
      request.prefixes && this.switches.affinity
        ? this.#prefixes.find(request.prefixes, now)
        : undefined;
    const pricing = this.prices.pricingFor(request.model, request.price);
    const newcomers =
      request.only !== undefined || this.#probationTurns.isOpen(wantedBuild(request));
    const ask = {
      ...request,
      warm,
      pricing,
      newcomers,
      ...(request.price !== undefined && {
        minimumTrust: this.minimumTrust,
        exempt: request.price.exempt,
      }),
    };
    const choice = this.#chooseAmong(ask, now, despiteCooling);
    return isLeftToNewcomers(choice)
      ? this.#chooseAmong({ ...ask, newcomers: true }, now, despiteCooling)
      : choice;
  }

  #chooseAmong(ask: PlacementRequest, now: number, despiteCooling: boolean): Choice {
    const among = (wanted: PlacementRequest) =>
      choosePreferred((build) => this.fleet.serving(build), wanted, now, this.#options.random);
    const choice = among(ask);
    if (!despiteCooling || choice.candidates.length > 0 || choice.rejected.cooling === undefined)
      return choice;
    const cooled = among({ ...ask, despiteCooling });
    return cooled.candidates.length > 0 ? cooled : choice;
  }

  /**
   * Prevents one account from blocking a model for all others with sealed sessions that it never
   * orders.
   */
  #isOverShare(request: Reserve, { candidates: [winner] }: Choice): boolean {
    if (winner === undefined || !isUnordered(request, winner)) return false;
    const { account, builds } = request;
    const held = this.reservations.unorderedBy(account, builds);
    if (held === 0) return false;
    let places = 0;
    for (const build of builds)
      for (const { closed, maxConcurrency } of this.fleet.serving(build))
        if (closed === undefined) places += maxConcurrency;
    return held >= Math.max(1, Math.floor(places * UNORDERED_SHARE));
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
      ...(isLoaded && { expectedMs: this.#predictedByOwnFigures(winner, choice) }),
    });
    this.#options.onDecision?.(pending, choice, 'placed');
    answer({
      ok: true,
      candidates: this.#priced(choice.candidates, request),
      queuedMs: Math.max(0, Math.round(now - requestedAt)),
    });
  }

  /**
   * The expected delay without the correction by the machine's pace. A measured decoding speed is
   * not part of that correction.
   */
  #predictedByOwnFigures(
    { provider, build, expectedFirstContentMs }: Candidate,
    { cost }: Choice,
  ): number {
    const { slowdown } = this.#calibration.of(provider);
    const decodeMs =
      cost === undefined || this.#speeds.of(provider, build).tokenMs === 0
        ? 0
        : cost.queue + cost.decode;
    return Math.max(0, expectedFirstContentMs - decodeMs) / slowdown + decodeMs;
  }

  /**
   * A request for a job that already has a slot gets the same slot, because the first answer may
   * have been lost.
   */
  #repeat(
    pending: PendingRequest,
    { provider, build }: { provider: string; build: string },
    now: number,
  ): void {
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
      expectedFirstContentMs: 0,
      level: view.level,
    };
    const others = this.#choose(pending.request, now).candidates.filter(
      (candidate) => candidate.provider !== provider,
    );
    pending.answer({
      ok: true,
      candidates: this.#priced([same, ...others], pending.request),
      queuedMs: 0,
    });
  }

  #priced(
    candidates: readonly Candidate[],
    { model, price, promptTokens, maxOutputTokens }: Reserve,
  ): Candidate[] {
    if (price === undefined) return [...candidates];
    const bounds = { promptTokens, maxOutputTokens };
    return candidates.map((candidate) => ({
      ...candidate,
      costMicroUsd: this.prices.costOf(model, price, { provider: candidate.provider, ...bounds }),
    }));
  }

  #refusalFor(request: Reserve, choice: Choice, now: number): RoutingRefusal | undefined {
    const reasons = (Object.keys(choice.rejected) as GateName[]).filter(
      (reason) => reason !== 'not_wanted',
    );
    if (reasons.length > 0 && reasons.every((reason) => reason === 'context')) return 'too_large';
    if (couldOpenByWaiting(choice)) return undefined;
    return now < this.#graceEndsAt && request.exclude.length === 0 ? undefined : 'no_provider';
  }

  #refuseWaiting(waiting: QueuedRequest, choice: Choice, code: RoutingRefusal, now: number): void {
    this.#queue.remove(waiting.request.job);
    this.#refuse(waiting, choice, code, now);
  }

  #refuse(pending: PendingRequest, choice: Choice, code: RoutingRefusal, now: number): void {
    this.#options.onDecision?.(pending, choice, 'refused');
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

function mostCommonGate({ rejected }: Choice): GateName | undefined {
  const [first] = (Object.entries(rejected) as [GateName, number][]).toSorted(
    ([, one], [, other]) => other - one,
  );
  return first?.[0];
}

const wantedBuild = ({ builds }: Reserve): string => builds[0] as string;

const NO_CHOICE: Choice = { candidates: [], cost: undefined, rejected: {} };

/**
 * Whether `one` needs at least as much as `other`, so that a slot which rejects `other` rejects
 * `one` too. Only the sizes are compared, because the time limit for the first content grows with
 * the prompt.
 */
const needsAtLeast = (one: Reserve, other: Reserve) =>
  one.promptTokens >= other.promptTokens &&
  one.promptTokens + one.maxOutputTokens >= other.promptTokens + other.maxOutputTokens;

/**
 * Whether the request has no special wishes. If it cannot be placed, similar requests cannot be
 * placed either.
 */
const hasNoWishes = ({ exclude, only, requires, price, clientSeals }: Reserve) =>
  exclude.length === 0 &&
  only === undefined &&
  requires === undefined &&
  clientSeals !== true &&
  (price === undefined || isListed(price));

/** Whether the client has yet to seal the request for this machine. */
const isUnordered = ({ clientSeals, prefers }: Reserve, { provider }: Candidate) =>
  clientSeals === true && prefers?.sealedFor !== provider;

/** Whether the caller accepts exactly the listed price. */
const isListed = ({ list, max }: PriceTerms) =>
  max.inputMicroUsdPerMillion === list.inputMicroUsdPerMillion &&
  max.outputMicroUsdPerMillion === list.outputMicroUsdPerMillion;

/** Whether waiting may help: a provider is there, and is only out of capacity now. */
const couldOpenByWaiting = ({ rejected }: Choice) =>
  (Object.keys(rejected) as GateName[]).some(
    (reason) => !PERMANENT.has(reason) && reason !== 'silent',
  );

/**
 * A job that is requested again while it waits keeps its turn, and both requests get the one
 * answer.
 */
const answeringBoth = (
  one: PendingRequest,
  other: PendingRequest,
): Pick<PendingRequest, 'answer' | 'askAgain'> => ({
  answer: (reply) => {
    one.answer(reply);
    other.answer(reply);
  },
  askAgain: () => {
    one.askAgain?.();
    other.askAgain?.();
  },
});
