import type { Candidate, Reserve, Reserved, RoutingRefusal } from '#bus-schemas';
import { Faults } from './faults.ts';
import { Fleet } from './fleet.ts';
import { type Choice, choose, type GateName } from './placement.ts';
import { Reservations } from './reservations.ts';

/**
 * Decides where jobs go. Pure: time and chance are handed in, answers come back through `Asked`.
 *
 * Invariants: every request is answered exactly once, by its deadline; a slot never has more promised than its clamped
 * concurrency; a job holds one slot at most.
 */
export interface Asked {
  readonly request: Reserve;
  readonly askedAt: number;
  readonly answer: (reply: Reserved) => void;
}

export interface RouterOptions {
  readonly suite: string;
  readonly queueDepth: number;
  /** How long after the start an empty fleet means "not heard yet" instead of "nobody". */
  readonly graceMs: number;
  readonly startedAt: number;
  readonly random: () => number;
  readonly onDecision?: (asked: Asked, choice: Choice, outcome: 'placed' | 'queued' | 'refused') => void;
}

interface Waiting extends Asked {
  readonly until: number;
}

const RATE_WINDOW_MS = 10_000;
const ENOUGH_TO_TELL = 3;
const MIN_RETRY_MS = 2_000;
const MAX_RETRY_MS = 30_000;
/** Gates that a wait cannot open. */
const PERMANENT = new Set<GateName>(['context', 'suite', 'slot_failed', 'excluded']);

export class Router {
  readonly fleet = new Fleet();
  readonly reservations = new Reservations();
  readonly faults = new Faults();
  readonly #options: RouterOptions;
  #queue: Waiting[] = [];
  #releasedAt: number[] = [];

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  get queued(): number {
    return this.#queue.length;
  }

  reserve(asked: Asked, now: number): void {
    const { request } = asked;
    const before = this.reservations.of(request.job);
    if (before !== undefined && !request.exclude.includes(before.provider)) return this.#repeat(asked, before, now);
    // Asked again while it waits: the newer request takes its place, and the older one is nobody's any more.
    this.#queue = this.#queue.filter((waiting) => waiting.request.job !== request.job);
    const choice = this.#choose(request, now);
    if (choice.candidates.length > 0) return this.#place(asked, choice, now);
    this.reservations.release(request.job);
    const refusal = this.#whyNot(request, choice, now);
    if (refusal !== undefined || request.patienceMs === 0) return this.#refuse(asked, choice, refusal ?? 'saturated', now);
    if (this.#queue.length >= this.#options.queueDepth) return this.#refuse(asked, choice, 'queue_full', now);
    this.#queue.push({ ...asked, until: now + request.patienceMs });
    this.#options.onDecision?.(asked, choice, 'queued');
  }

  /** The job is over, or has moved on to `next`, an alternate that it was given. */
  release(job: string, now: number, next?: string): void {
    const released = this.reservations.release(job);
    if (released === undefined) return;
    this.#releasedAt.push(now);
    if (next !== undefined) this.reservations.take({ ...released, provider: next, at: now });
  }

  /** Gives waiting jobs what has become free, first come first served; one that cannot be placed holds up nobody else. */
  drain(now: number): void {
    const waiting = this.#queue;
    this.#queue = [];
    for (const asked of waiting) {
      const choice = this.#choose(asked.request, now);
      if (choice.candidates.length > 0) this.#place(asked, choice, now);
      else if (now >= asked.until) this.#refuse(asked, choice, 'queue_timeout', now);
      else this.#queue.push(asked);
    }
  }

  /** When the first waiting job gives up. */
  get nextDeadline(): number {
    return this.#queue.reduce((first, { until }) => Math.min(first, until), Number.POSITIVE_INFINITY);
  }

  #choose(request: Reserve, now: number): Choice {
    const { suite, random } = this.#options;
    return choose({ fleet: this.fleet, reservations: this.reservations, faults: this.faults, suite }, request, now, random);
  }

  #place(asked: Asked, choice: Choice, now: number): void {
    const { request, askedAt, answer } = asked;
    const [winner] = choice.candidates as readonly [Candidate, ...Candidate[]];
    this.faults.chosen(winner.provider, now);
    const tokens = request.promptTokens + request.maxOutputTokens;
    this.reservations.take({ job: request.job, provider: winner.provider, build: winner.build, tokens, at: now });
    this.#options.onDecision?.(asked, choice, 'placed');
    answer({ ok: true, candidates: [...choice.candidates], queuedMs: Math.max(0, Math.round(now - askedAt)) });
  }

  /** The same job asked again gets the same place: the first answer may be lost. */
  #repeat(asked: Asked, { provider, build }: { provider: string; build: string }, now: number): void {
    const view = this.fleet.provider(provider);
    if (view === undefined) {
      this.reservations.release(asked.request.job);
      return this.reserve(asked, now);
    }
    const same: Candidate = { provider, build, suite: view.suite, sealingKey: view.sealingKey, expectedFirstContentMs: 0 };
    const others = this.#choose(asked.request, now).candidates.filter((candidate) => candidate.provider !== provider);
    asked.answer({ ok: true, candidates: [same, ...others], queuedMs: 0 });
  }

  #whyNot(request: Reserve, { rejected }: Choice, now: number): RoutingRefusal | undefined {
    const reasons = Object.keys(rejected) as GateName[];
    if (reasons.length > 0 && reasons.every((reason) => reason === 'context')) return 'too_large';
    const mayOpen = reasons.some((reason) => !PERMANENT.has(reason) && reason !== 'silent');
    if (mayOpen) return undefined;
    const { startedAt, graceMs } = this.#options;
    return now - startedAt < graceMs && request.exclude.length === 0 ? undefined : 'no_provider';
  }

  #refuse(asked: Asked, choice: Choice, code: RoutingRefusal, now: number): void {
    this.#options.onDecision?.(asked, choice, 'refused');
    asked.answer({ ok: false, code, retryAfterMs: this.#retryAfter(now) });
  }

  /** The time until the queue before it is gone, at the pace of the last seconds. */
  #retryAfter(now: number): number {
    this.#releasedAt = this.#releasedAt.filter((at) => now - at < RATE_WINDOW_MS);
    // A pace of one or two says nothing.
    if (this.#releasedAt.length < ENOUGH_TO_TELL) return MIN_RETRY_MS;
    const perMs = this.#releasedAt.length / RATE_WINDOW_MS;
    return Math.round(Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, (this.#queue.length + 1) / perMs)));
  }
}
