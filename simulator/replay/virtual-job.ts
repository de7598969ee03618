import type { Arrival, Reserved } from '#bus-schemas';
import { timesLeft } from '#coordinator/ingress/core/deadlines.ts';
import { step, wakeAt } from '#coordinator/ingress/core/job.ts';
import {
  type Attempt,
  type JobCommand,
  type JobEvent,
  type JobState,
  newJob,
  type Transition,
} from '#coordinator/ingress/core/job-state.ts';
import { MIN_STREAM_TPS } from '#coordinator/routing/core/stream-floor.ts';
import type { ReplayedNetwork } from './replayed-network.ts';
import type { VirtualMac, Work } from './virtual-mac.ts';

/** Time that a message needs over the bus, in milliseconds. */
const HOP_MS = 1;
/** A machine that still works on an attempt this long after its cancellation counts as a zombie. */
const ZOMBIE_MS = 1_000;
const REFUSED_FOR_MS = 1_000;
const NO_PROGRESS = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };

/** The speed that routing wants for each answer by default. */
export const leastTokensPerSecond = MIN_STREAM_TPS;

/** How a request ended from the point of view of its client. */
export interface RequestOutcome {
  readonly served: boolean;
  /** Code of the error that the client received; undefined if the request was served. */
  readonly code: string | undefined;
  readonly firstContentMs: number;
  /** Tokens of the answer per second, from its first content to its end; 0 without content. */
  readonly tokensPerSecond: number;
  readonly attempts: number;
  readonly retryAfterMs: number;
}

/**
 * One request at the ingress in virtual time. It runs the ingress's state machine and its commands.
 */
export class VirtualJob {
  readonly #world: ReplayedNetwork;
  readonly #id: string;
  readonly #arrival: Arrival;
  readonly #onOver: (outcome: RequestOutcome) => void;
  readonly #startedAt: number;
  readonly #events: JobEvent[] = [];
  #state: JobState;
  #isStepping = false;
  #wakesAt = Number.POSITIVE_INFINITY;
  #mac: VirtualMac | undefined;
  #work: Work | undefined;
  #orderedAt: number | undefined;
  #contentAt: number | undefined;
  #error: { code: string; retryAfterMs: number } | undefined;

  constructor(
    world: ReplayedNetwork,
    id: string,
    arrival: Arrival,
    onOver: (outcome: RequestOutcome) => void,
  ) {
    [this.#world, this.#id, this.#arrival, this.#onOver] = [world, id, arrival, onOver];
    this.#startedAt = world.timeline.now;
    const first = newJob({
      streamed: true,
      now: this.#startedAt,
      promptTokens: arrival.promptTokens,
      times: world.times,
    });
    this.#state = first.state;
    this.#carryOut(first);
  }

  #happen(event: JobEvent): void {
    this.#events.push(event);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift())
      this.#carryOut(step(this.#state, next, this.#world.timeline.now));
    this.#isStepping = false;
  }

  #soon(event: () => JobEvent | undefined): void {
    this.#world.timeline.after(HOP_MS, () => {
      const happened = event();
      if (happened !== undefined) this.#happen(happened);
    });
  }

  #carryOut({ state, commands }: Transition): void {
    const wasOver = this.#state.phase === 'over';
    this.#state = state;
    for (const command of commands) this.#do(command);
    if (state.phase === 'over') {
      if (!wasOver) this.#over();
    } else this.#planWake();
  }

  #planWake(): void {
    const at = wakeAt(this.#state);
    if (at >= this.#wakesAt) return;
    this.#wakesAt = at;
    this.#world.timeline.at(at, () => {
      if (this.#wakesAt !== at) return;
      this.#wakesAt = Number.POSITIVE_INFINITY;
      if (this.#state.phase === 'over') return;
      const { now } = this.#world.timeline;
      const more = this.#more();
      const provider = this.#state.attempt?.candidate.provider;
      if (more !== undefined) this.#happen(more);
      else if (now >= wakeAt(this.#state))
        this.#happen({
          type: 'timer',
          isPatient: provider !== undefined && !this.#world.lateBudget.mayCut(provider, now),
        });
      else this.#planWake();
    });
  }

  /** Returns all tokens since the last call as one event; a replay has no event for each token. */
  #more(): JobEvent | undefined {
    const { attempt, deliveredTokens } = this.#state;
    if (
      attempt === undefined ||
      this.#mac === undefined ||
      this.#work === undefined ||
      deliveredTokens === 0
    )
      return undefined;
    const tokens = this.#mac.progress(this.#work) - deliveredTokens;
    return tokens > 0
      ? { type: 'content', attempt: attempt.number, pieces: [], tokens }
      : undefined;
  }

  #do(command: JobCommand): void {
    const { router, timeline } = this.#world;
    switch (command.do) {
      case 'reserve':
        return this.#reserve(command.exclude);
      case 'hold':
        return this.#soon(() => ({ type: 'held' }));
      case 'dispatch':
        return this.#dispatch(command.attempt);
      case 'cancel':
        return this.#cancel();
      case 'report_attempt': {
        const { attempt, failure, refusal, next } = command;
        const { provider } = attempt.candidate;
        if (failure === 'first_content_late') this.#world.lateBudget.cut(provider, timeline.now);
        const fact = { job: this.#id, provider, failure };
        router.attemptFailed(
          { ...fact, ...(refusal && { refusal }), ...(next && { next }) },
          timeline.now,
        );
        return this.#world.drainSoon();
      }
      case 'write':
        this.#contentAt ??= timeline.now;
        return;
      case 'discard':
        this.#contentAt = undefined;
        return;
      case 'reject':
        this.#error = command;
        return;
      case 'cut':
        this.#error = { code: command.code, retryAfterMs: 0 };
        return;
      case 'finish':
        return;
      case 'ended': {
        router.jobEnded(this.#endedFact(command), timeline.now);
        return this.#world.drainSoon();
      }
    }
  }

  #reserve(exclude: readonly string[]): void {
    const { router, timeline, times, build } = this.#world;
    const { account, model, promptTokens, maxTokens } = this.#arrival;
    const request = {
      job: this.#id,
      account,
      model,
      builds: [build.build],
      promptTokens,
      maxOutputTokens: maxTokens,
      ...timesLeft(this.#state, times, timeline.now),
      exclude: [...exclude],
    };
    const answer = (reply: Reserved) =>
      this.#soon(() =>
        reply.ok
          ? { type: 'reserved', candidates: reply.candidates }
          : { type: 'routing_refused', code: reply.code, retryAfterMs: reply.retryAfterMs },
      );
    router.reserve({ request, requestedAt: timeline.now, answer }, timeline.now);
    this.#world.watchQueue();
  }

  #dispatch({ number, candidate }: Attempt): void {
    const mac = this.#world.mac(candidate.provider);
    const { promptTokens, outputTokens, maxTokens } = this.#arrival;
    const deliver = (event: JobEvent) => this.#soon(() => event);
    const work: Work = {
      job: this.#id,
      promptTokens,
      outputTokens,
      maxTokens,
      onContent: () => deliver({ type: 'content', attempt: number, pieces: [], tokens: 1 }),
      onEnd: () => {
        this.#world.report(mac);
        deliver({ type: 'end', attempt: number, finish: 'stop', usage: NO_PROGRESS });
      },
      onLost: () => deliver({ type: 'attempt_failed', attempt: number, failure: 'disconnected' }),
    };
    [this.#mac, this.#work] = [mac, work];
    this.#orderedAt ??= this.#world.timeline.now;
    this.#world.attempts += 1;
    this.#world.lateBudget.begun(candidate.provider, this.#world.timeline.now);
    this.#soon(() => {
      if (!mac.isAwake) return { type: 'attempt_failed', attempt: number, failure: 'disconnected' };
      const reason = mac.offer(work);
      if (reason === undefined) {
        this.#world.report(mac);
        return undefined;
      }
      const { refusals } = this.#world;
      refusals[reason] = (refusals[reason] ?? 0) + 1;
      return { type: 'refused', attempt: number, reason, retryAfterMs: REFUSED_FOR_MS };
    });
  }

  #cancel(): void {
    const [mac, work] = [this.#mac, this.#work];
    if (mac === undefined || work === undefined) return;
    const { timeline } = this.#world;
    timeline.after(HOP_MS, () => {
      if (mac.cancel(work)) this.#world.report(mac);
    });
    timeline.after(ZOMBIE_MS, () => {
      if (mac.isAt(work) && !mac.ailment.ignoresCancels) this.#world.zombies += 1;
    });
  }

  #endedFact({ served, result }: Extract<JobCommand, { do: 'ended' }>) {
    const since = (at: number | undefined) =>
      Math.round(1_000 * ((at ?? this.#startedAt) - this.#startedAt));
    const provider = served?.candidate.provider;
    const timing = {
      routeUs: since(this.#orderedAt),
      holdUs: 0,
      totalUs: since(this.#world.timeline.now),
    };
    return {
      job: this.#id,
      result,
      attempts: this.#state.attempts,
      deliveredTokens: this.#state.deliveredTokens,
      ...(provider && { provider }),
      timing:
        this.#contentAt === undefined
          ? timing
          : { ...timing, firstContentUs: since(this.#contentAt) },
    };
  }

  #over(): void {
    const { attempts } = this.#state;
    const error = this.#error;
    const { now } = this.#world.timeline;
    const contentAt = this.#contentAt ?? now;
    this.#onOver({
      served: error === undefined,
      code: error?.code,
      firstContentMs: contentAt - this.#startedAt,
      tokensPerSecond:
        now > contentAt ? (1_000 * this.#arrival.outputTokens) / (now - contentAt) : 0,
      attempts,
      retryAfterMs: error?.retryAfterMs ?? 0,
    });
  }
}
