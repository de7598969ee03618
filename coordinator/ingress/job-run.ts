import type { Logger } from 'pino';
import {
  Cancel,
  type CancelReason,
  type Candidate,
  core,
  encodingOf,
  type Out,
  type Reserved,
  type RoutedBecause,
} from '#bus-schemas';
import { type Bus, traceHeaders } from '#coordinator/bus.ts';
import type { Answer, RoutingChoice, ServingDetails } from '#http-api/answer.ts';
import type { Piece } from '#http-api/core/piece.ts';
import { ApiError } from '#http-api/errors.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import { AnswerSoFar } from './answer-so-far.ts';
import { AttemptStream } from './attempt-stream.ts';
import { answerCost } from './core/answer-cost.ts';
import { type JobTimes, timesLeft } from './core/deadlines.ts';
import { billable, endedFact, type JobMarks, microsecondsBetween } from './core/ended-fact.ts';
import { step, wakeAt } from './core/job.ts';
import {
  type Attempt,
  type JobCommand,
  type JobEvent,
  type JobState,
  newJob,
  type Transition,
} from './core/job-state.ts';
import type { LateBudget } from './core/late-budget.ts';
import type { FlowSender } from './flow-sender.ts';
import { JobCalls, type WantedPlace } from './job-calls.ts';
import { JobFacts } from './job-facts.ts';
import { JobRecount } from './job-recount.ts';
import type { JobSpec } from './job-spec.ts';
import type { JobTrace } from './job-trace.ts';
import type { PlaceFinder } from './place-finder.ts';
import type { ReceiptGroups } from './receipt-groups.ts';
import type { Recounter } from './recounter.ts';

export interface JobDeps {
  readonly ingress: string;
  readonly bus: Bus;
  readonly places: PlaceFinder;
  readonly flow: FlowSender;
  readonly lateBudget: LateBudget;
  readonly receiptGroups: Pick<ReceiptGroups, 'areRead'>;
  readonly recounter: Recounter;
  /** For the parts of answers that other machines could continue. */
  readonly memoryOfAnswers: MemoryBudget;
  readonly log: Logger;
  /** Returns the trace of a new job; undefined if OpenTelemetry is off. */
  readonly traceOf: ((spec: JobSpec) => JobTrace) | undefined;
  readonly times: JobTimes;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Monotonic clock, in milliseconds. */
  readonly clock: () => number;
  readonly onOver: (job: JobRun) => void;
}

/**
 * Time by which a hold outlives the job's own limit, so that the end can still be charged, in
 * milliseconds.
 */
const HOLD_MARGIN_MS = 120_000;
/** Runs one job: passes events to its state machine and executes the resulting commands. */
export class JobRun {
  readonly spec: JobSpec;
  readonly #deps: JobDeps;
  readonly #answer: Answer;
  readonly #marks: JobMarks;
  readonly #trace: JobTrace | undefined;
  readonly #calls: JobCalls;
  readonly #facts: JobFacts;
  readonly #recount: JobRecount;
  #state: JobState;
  #soFar: AnswerSoFar;
  #stream: AttemptStream | undefined;
  /** Time in the queue of routing, over all reservations of the job, in milliseconds. */
  #queuedMs = 0;
  /** The reason of the last reservation; undefined if routing gave none. */
  #routed: RoutedBecause | undefined;
  /** Resolves after the recount, when the end of the job has been reported. */
  #reportingEnd: Promise<void> | undefined;
  #queue: JobEvent[] = [];
  #stepping = false;

  constructor(spec: JobSpec, answer: Answer, deps: JobDeps) {
    this.spec = spec;
    this.#deps = deps;
    this.#answer = answer;
    this.#trace = deps.traceOf?.(spec);
    this.#calls = new JobCalls(spec, deps, this.#trace);
    this.#facts = new JobFacts(spec, deps.bus, deps.now);
    this.#recount = new JobRecount({
      recounter: deps.recounter,
      model: spec.model,
      terms: spec.recount,
      deliveredBy: (attempt) =>
        this.#state.attempts === attempt ? this.#state.deliveredTokens : undefined,
      onOverbilled: (attempt, provider) => this.#facts.overbilled(attempt, provider),
    });
    this.#soFar = new AnswerSoFar(deps.memoryOfAnswers);
    const startedAt = deps.clock();
    this.#marks = { startedAt };
    const first = newJob({
      streamed: spec.streamed,
      clientSeals: spec.clientSeals,
      now: startedAt,
      promptTokens: spec.promptEstimate,
      times: deps.times,
    });
    this.#state = first.state;
    this.#carryOut(first);
  }

  /**
   * Handles a message on this job's subject. Returns false if it does not belong to the current
   * attempt.
   */
  take(provider: string, out: Out): boolean {
    const stream = this.#stream;
    if (
      stream === undefined ||
      stream.attempt.candidate.provider !== provider ||
      stream.attempt.number !== out.attempt
    )
      return false;
    stream.take(out, this.#deps.clock());
    return true;
  }

  clientGone(): void {
    this.#happen({ type: 'client_gone' });
  }

  /** Ends the answer with an error, because the ingress stops. */
  ingressStops(): void {
    this.#happen({ type: 'ingress_stops' });
  }

  clientReady(): void {
    this.#happen({ type: 'client_ready' });
    this.#stream?.consumed();
  }

  tick(): void {
    const now = this.#deps.clock();
    this.#stream?.tick(now);
    if (now < wakeAt(this.#state)) return;
    const provider = this.#state.attempt?.candidate.provider;
    this.#happen({
      type: 'timer',
      isPatient: provider !== undefined && !this.#deps.lateBudget.mayCut(provider, now),
    });
  }

  busReconnected(): void {
    this.#stream?.reconnected(this.#deps.clock());
  }

  providerLost(provider: string): void {
    this.#happen({ type: 'provider_lost', provider });
    const { attempt } = this.#state;
    if (attempt?.candidate.provider !== provider) return;
    if (this.#stream?.attempt.number === attempt.number)
      this.#stream.providerLost(this.#deps.clock());
    // The order has not been sent: the money or the client's seal is awaited.
    else this.#happen({ type: 'attempt_failed', attempt: attempt.number, failure: 'disconnected' });
  }

  /**
   * Queues an event. Executing a command may produce the next event, which must wait until all
   * commands of the current one are done.
   */
  #happen(event: JobEvent): void {
    this.#queue.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#carryOut(step(this.#state, next, this.#deps.clock()));
      }
    } finally {
      this.#stepping = false;
    }
  }

  #carryOut({ state, commands }: Transition): void {
    const wasOver = this.#state.phase === 'over';
    this.#state = state;
    for (const command of commands) this.#do(command);
    if (state.phase !== 'over' || wasOver) return;
    if (this.#reportingEnd === undefined) this.#deps.onOver(this);
    else void this.#reportingEnd.then(() => this.#deps.onOver(this));
  }

  #do(command: JobCommand): void {
    switch (command.do) {
      case 'reserve':
        return void this.#reserve(command);
      case 'hold':
        return void this.#hold(command.provider);
      case 'dispatch':
        return void this.#dispatch(command.attempt);
      case 'cancel':
        return this.#cancel(command.attempt, command.reason);
      case 'report_attempt':
        return this.#reportAttempt(command);
      case 'write':
        return this.#write(command.pieces);
      case 'discard':
        delete this.#marks.contentAt;
        return this.#answer.discard();
      case 'finish':
        return this.#finish(command);
      case 'reject':
        return this.#answer.reject(
          new ApiError(command.code, command.message, { retryAfterMs: command.retryAfterMs }),
        );
      case 'cut':
        return this.#answer.cut(new ApiError(command.code));
      case 'ended':
        return this.#end(command);
    }
  }

  async #reserve({ exclude, build }: Extract<JobCommand, { do: 'reserve' }>): Promise<void> {
    const { only, first } = this.spec.machines;
    // Preferred machines are tried without waiting in a queue: if they are busy, the others follow.
    const preferred =
      first.length > 0 && exclude.length === 0
        ? await this.#askForPlace({ build, exclude, only: first, waits: false })
        : undefined;
    const reply = preferred?.ok
      ? preferred
      : await this.#askForPlace({ build, exclude, only, waits: true });
    this.#marks.routedAt ??= this.#deps.clock();
    if (reply?.ok) this.#noteReservation(reply);
    if (reply === undefined)
      this.#happen({
        type: 'routing_refused',
        code: 'unavailable',
        retryAfterMs: RETRY_AFTER_MS.unstated,
      });
    else if (reply.ok) this.#happen({ type: 'reserved', candidates: reply.candidates });
    else
      this.#happen({
        type: 'routing_refused',
        code: reply.code,
        retryAfterMs: reply.retryAfterMs,
        gate: this.#causeOf(reply.gate),
      });
  }

  #noteReservation({ queuedMs, because, candidates }: Extract<Reserved, { ok: true }>): void {
    this.#queuedMs += queuedMs;
    const [winner] = candidates;
    this.#routed = because &&
      winner && { ...because, first: winner.provider, queuedMs: this.#queuedMs };
  }

  /**
   * Hides the reason `price` from a caller who set no price limit: machines above the listed price
   * were excluded, and the caller cannot change that.
   */
  #causeOf(gate: string | undefined): string | undefined {
    return gate === 'price' && this.spec.maxPrice === undefined ? undefined : gate;
  }

  /** Asks for a slot; `waits` means that the job may wait in the queue of routing. */
  #askForPlace({
    waits,
    ...wanted
  }: Pick<WantedPlace, 'build' | 'exclude' | 'only'> & { waits: boolean }): Promise<
    Reserved | undefined
  > {
    const { clock, times } = this.#deps;
    const { patienceMs, firstContentMs } = timesLeft(this.#state, times, clock());
    return this.#calls.reserve({
      ...wanted,
      patienceMs: waits ? patienceMs : 0,
      firstContentMs,
    });
  }

  async #hold(provider: string): Promise<void> {
    const { clock, times, now } = this.#deps;
    const lifeMs = times.jobTimeoutMs + HOLD_MARGIN_MS;
    const reply = await this.#calls.hold(provider, { lifeMs, expiresAt: now() + lifeMs });
    this.#marks.heldAt = clock();
    if (reply === undefined) this.#happen({ type: 'hold_refused', code: 'unavailable' });
    else if (reply.ok) this.#happen({ type: 'held' });
    else {
      const { code, shortage, owedMicroUsd } = reply;
      this.#happen({ type: 'hold_refused', code, shortage, owedMicroUsd });
    }
  }

  async #dispatch(attempt: Attempt): Promise<void> {
    const { candidate, number } = attempt;
    const { bus, flow, clock, ingress, lateBudget, receiptGroups } = this.#deps;
    const topUpFailure = await this.#calls.topUp(candidate.provider);
    if (topUpFailure !== undefined)
      return this.#happen({ type: 'attempt_failed', attempt: number, failure: topUpFailure });
    if (!this.#state.committed) this.#beginAnswer();
    const { id, seal, streamed, promptEstimate, maxOutputTokens, requires } = this.spec;
    const encoding = encodingOf(requires);
    const trace = this.#trace?.beginAttempt(number);
    const publishing = trace && { headers: traceHeaders(trace) };
    const sealing = await this.#calls.ask(() => seal(attempt, this.#soFar));
    if (sealing === undefined)
      return this.#happen({
        type: 'attempt_failed',
        attempt: number,
        failure: this.spec.clientSeals ? 'no_answer' : 'protocol_violation',
      });
    // The client may have left in the meantime; no order is sent then.
    if (this.#state.phase !== 'serving' || this.#state.attempt?.number !== number) return;
    this.#happen({ type: 'sealed', attempt: number });
    lateBudget.begun(candidate.provider, clock());
    this.#soFar.begin(sealing.receiptSalt);
    const isContinuation = this.#state.committed;
    const options = {
      job: {
        id,
        ingress,
        streamed,
        promptTokens: promptEstimate,
        maxOutputTokens,
        encoding,
        groups: receiptGroups.areRead,
      },
      attempt: this.#state.attempt,
      sealing,
      flow,
      publish: (subject: string, payload: Uint8Array) =>
        bus.connection.publish(subject, payload, publishing),
      transcript: isContinuation ? this.#recount.drop() : this.#recount.begin(),
      soFar: this.#soFar,
      before: isContinuation ? this.#stream?.counts : undefined,
      on: (event: JobEvent) => this.#onStreamEvent(event, attempt),
    };
    this.#stream = new AttemptStream(options, clock());
  }

  /**
   * Handles an event of the stream. An end whose answer is in the sample waits for its recount, so
   * that the client sees the token count that it pays for.
   */
  #onStreamEvent(event: JobEvent, attempt: Attempt): void {
    const recount = event.type === 'end' ? this.#recountOf(attempt) : undefined;
    if (recount === undefined) this.#happen(event);
    else void recount.then(() => this.#happen(event));
  }

  #recountOf({ number, candidate }: Attempt): Promise<void> | undefined {
    return this.#recount.of(number, candidate.provider);
  }

  /** The client has received nothing, so the machine of the next attempt begins the answer. */
  #beginAnswer(): void {
    this.#soFar[Symbol.dispose]();
    this.#soFar = new AnswerSoFar(this.#deps.memoryOfAnswers);
  }

  #cancel(attempt: Attempt, reason: CancelReason): void {
    if (this.#stream?.attempt.number === attempt.number) this.#stream.stopOrdering();
    this.#deps.bus.publish(core.down(attempt.candidate.provider, 'cancel'), Cancel, {
      job: this.spec.id,
      attempt: attempt.number,
      reason,
    });
  }

  #reportAttempt(command: Extract<JobCommand, { do: 'report_attempt' }>): void {
    const { clock, lateBudget } = this.#deps;
    if (this.#stream?.attempt.number === command.attempt.number) this.#stream.close();
    if (command.failure === 'first_content_late')
      lateBudget.cut(command.attempt.candidate.provider, clock());
    this.#trace?.attemptFailed(command.failure);
    this.#facts.attemptFailed(command);
  }

  #write(pieces: readonly Piece[]): void {
    this.#markFirstContent();
    switch (this.#answer.write(pieces)) {
      case 'more':
        return this.#stream?.consumed();
      case 'wait':
        return this.#happen({ type: 'client_blocked' });
      case 'full':
        return this.#happen({ type: 'answer_full' });
    }
  }

  #finish({ finish, usage, stopSequence }: Extract<JobCommand, { do: 'finish' }>): void {
    this.#markFirstContent();
    const { promptBound } = this.spec;
    const deliveredTokens = this.#deliveredTokens;
    const billed = billable(usage, { promptBound, deliveredTokens });
    const { terms } = this.#calls;
    const cost = terms && answerCost(terms, billed, deliveredTokens);
    this.#answer.finish({ finish, usage: billed, stopSequence, cost });
  }

  get #deliveredTokens(): number {
    return Math.min(this.#state.deliveredTokens, this.#recount.mostTokens);
  }

  /** Records the time of the first content, and sends the client the details of the machine. */
  #markFirstContent(): void {
    if (this.#marks.contentAt !== undefined) return;
    this.#marks.contentAt = this.#deps.clock();
    const attempt = this.#state.attempt;
    if (attempt !== undefined) this.#answer.serving(this.#servingDetails(attempt));
  }

  #servingDetails({ number, candidate }: Attempt): ServingDetails {
    const { startedAt, routedAt, heldAt, contentAt } = this.#marks;
    const { provider, build, chip, simulated, engine, level = 'none' } = candidate;
    return {
      provider,
      build,
      chip,
      simulated,
      engine,
      level,
      attempt: number,
      choice: this.spec.explains ? this.#choice(candidate) : undefined,
      receiptSalt: this.#stream?.receiptSalt,
      parseUs: microsecondsBetween(this.spec.receivedAt, startedAt),
      routeUs: microsecondsBetween(startedAt, routedAt),
      holdUs: microsecondsBetween(routedAt, heldAt),
      firstContentUs: microsecondsBetween(startedAt, contentAt),
    };
  }

  #choice({ build, expectedFirstContentMs, terms, costMicroUsd }: Candidate): RoutingChoice {
    const weights = this.spec.model.weights?.[build];
    return { weights, queuedMs: this.#queuedMs, expectedFirstContentMs, terms, costMicroUsd };
  }

  /**
   * Ends the job. A machine that fails without an end is paid by its receipt, so its answer is in
   * the sample like any other.
   */
  #end(end: Extract<JobCommand, { do: 'ended' }>): void {
    const recount = end.served && this.#recountOf(end.served);
    const kept = end.result === 'completed' ? this.#answer.kept?.() : undefined;
    this.#recount[Symbol.dispose]();
    this.#soFar[Symbol.dispose]();
    if (recount === undefined && kept === undefined) return this.#reportEnd(end);
    this.#reportingEnd = Promise.all([kept, recount]).then(([isKept]) =>
      this.#reportEnd(isKept === false ? { ...end, result: 'failed' } : end),
    );
  }

  #reportEnd(end: Extract<JobCommand, { do: 'ended' }>): void {
    const { clock, now, ingress } = this.#deps;
    const state = { ...this.#state, deliveredTokens: this.#deliveredTokens };
    const ended = { job: this.spec, ingress, state, marks: this.#marks, routed: this.#routed };
    const fact = endedFact(ended, end, { at: now(), now: clock() });
    this.#facts.ended(fact);
    this.#trace?.end(fact);
  }
}
