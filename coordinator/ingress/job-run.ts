import type { Logger } from 'pino';
import {
  type AttemptFailure,
  Cancel,
  type CancelReason,
  core,
  events,
  JobAttempt,
  JobEnded,
  type Out,
  type Reserved,
  services,
  Violation,
} from '#bus-schemas';
import { type Bus, traceHeaders } from '#coordinator/bus.ts';
import type { Answer, ServingDetails } from '#http-api/answer.ts';
import type { Piece } from '#http-api/core/piece.ts';
import { ApiError } from '#http-api/errors.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import { AttemptStream } from './attempt-stream.ts';
import { callUntil } from './call-until.ts';
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
import type { JobSpec } from './job-spec.ts';
import type { JobTrace } from './job-trace.ts';
import type { PlaceFinder } from './place-finder.ts';
import type { Recounter } from './recounter.ts';
import type { Transcript } from './transcript.ts';

export interface JobDeps {
  readonly ingress: string;
  readonly bus: Bus;
  readonly places: PlaceFinder;
  readonly flow: FlowSender;
  readonly lateBudget: LateBudget;
  readonly recounter: Recounter;
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

const HOLD_EACH_MS = 2_000;
const HOLD_TOTAL_MS = 6_000;
const RESERVE_EACH_MS = 5_000;
/**
 * Time by which a hold outlives the job's own limit, so that the end can still be charged, in
 * milliseconds.
 */
const HOLD_MARGIN_MS = 120_000;
/**
 * Failures that are reported as violations of the protocol. Routing judges slowness and refusals
 * itself.
 */
const VIOLATIONS: Partial<Record<AttemptFailure, Violation['violation']>> = {
  unopenable_frame: 'unopenable_frame',
  protocol_violation: 'malformed_message',
};

/** Runs one job: passes events to its state machine and executes the resulting commands. */
export class JobRun {
  readonly spec: JobSpec;
  readonly #deps: JobDeps;
  readonly #answer: Answer;
  readonly #marks: JobMarks;
  readonly #trace: JobTrace | undefined;
  #state: JobState;
  #stream: AttemptStream | undefined;
  /** Text of the current attempt, if it may be recounted. */
  #transcript: Transcript | undefined;
  /**
   * Most tokens that the client pays for, set after a recount that found fewer tokens than billed.
   */
  #recounted = Number.POSITIVE_INFINITY;
  #recounting: Promise<void> | undefined;
  /** Resolves after the recount, when the end of the job has been reported. */
  #reportingEnd: Promise<void> | undefined;
  #queue: JobEvent[] = [];
  #stepping = false;

  constructor(spec: JobSpec, answer: Answer, deps: JobDeps) {
    this.spec = spec;
    this.#deps = deps;
    this.#answer = answer;
    const startedAt = deps.clock();
    this.#marks = { startedAt };
    this.#trace = deps.traceOf?.(spec);
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
    if (this.#stream?.attempt.candidate.provider === provider)
      this.#stream.providerLost(this.#deps.clock());
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
        return void this.#reserve(command.exclude);
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

  async #reserve(exclude: readonly string[]): Promise<void> {
    const { only, first } = this.spec.machines;
    // Preferred machines are tried without waiting in a queue: if they are busy, the others follow.
    const preferred =
      first.length > 0 && exclude.length === 0
        ? await this.#askForPlace({ exclude, only: first, waits: false })
        : undefined;
    const reply = preferred?.ok
      ? preferred
      : await this.#askForPlace({ exclude, only, waits: true });
    this.#marks.routedAt ??= this.#deps.clock();
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

  /**
   * Hides the reason `price` from a caller who set no price limit: machines above the listed price
   * were excluded, and the caller cannot change that.
   */
  #causeOf(gate: string | undefined): string | undefined {
    return gate === 'price' && this.spec.maxPrice === undefined ? undefined : gate;
  }

  #askForPlace({
    exclude,
    only,
    waits,
  }: {
    exclude: readonly string[];
    only: readonly string[] | undefined;
    waits: boolean;
  }): Promise<Reserved | undefined> {
    const { clock, times } = this.#deps;
    const left = timesLeft(this.#state, times, clock());
    const patienceMs = waits ? left.patienceMs : 0;
    const {
      id,
      account,
      model,
      promptEstimate,
      maxOutputTokens,
      ignore,
      requires,
      level,
      prefers,
      price,
      prefixes,
      clientSeals,
    } = this.spec;
    const request = {
      job: id,
      account,
      model: model.id,
      builds: model.builds,
      promptTokens: promptEstimate,
      maxOutputTokens,
      patienceMs,
      firstContentMs: left.firstContentMs,
      exclude: [...ignore, ...exclude],
      ...(only && { only: [...only] }),
      ...(requires.length > 0 && { requires: [...requires] }),
      ...(model.weights && { weights: model.weights }),
      ...(level && { level }),
      ...(prefers && { prefers }),
      ...(price && { price }),
      ...(clientSeals && { clientSeals }),
      ...(prefixes.length > 0 && { prefixes: [...prefixes] }),
    };
    const limits = {
      eachMs: RESERVE_EACH_MS,
      totalMs: patienceMs + RESERVE_EACH_MS,
      trace: this.#trace?.context,
    };
    return this.#ask(() => this.#deps.places.reserve(request, this.spec.conversation, limits));
  }

  async #hold(provider: string): Promise<void> {
    const { bus, clock, times, now } = this.#deps;
    const { id, account, key, model, promptBound, maxOutputTokens, maxPrice } = this.spec;
    const request = {
      job: id,
      account,
      key,
      model: model.id,
      provider,
      promptBound,
      outputBound: maxOutputTokens,
      ...(maxPrice && { maxPrice }),
      expiresAt: now() + times.jobTimeoutMs + HOLD_MARGIN_MS,
    };
    const reply = await this.#ask(() =>
      callUntil(bus, services.settlement.hold, request, {
        eachMs: HOLD_EACH_MS,
        totalMs: HOLD_TOTAL_MS,
        trace: this.#trace?.context,
      }),
    );
    this.#marks.heldAt = clock();
    if (reply === undefined) this.#happen({ type: 'hold_refused', code: 'unavailable' });
    else if (reply.ok) this.#happen({ type: 'held' });
    else {
      const { code, shortage, owedMicroUsd } = reply;
      this.#happen({ type: 'hold_refused', code, shortage, owedMicroUsd });
    }
  }

  /**
   * Returns undefined for a call that failed, or whose reply is invalid: the job must still end.
   */
  async #ask<Reply>(call: () => Promise<Reply | undefined>): Promise<Reply | undefined> {
    try {
      return await call();
    } catch (error) {
      this.#deps.log.error({ job: this.spec.id, err: error }, 'a call of a job failed');
      return undefined;
    }
  }

  async #dispatch(attempt: Attempt): Promise<void> {
    const { candidate, number } = attempt;
    const { bus, flow, clock, ingress, lateBudget } = this.#deps;
    const topUpFailure = number > 1 ? await this.#topUpFailure(candidate.provider) : undefined;
    if (topUpFailure !== undefined)
      return this.#happen({ type: 'attempt_failed', attempt: number, failure: topUpFailure });
    const { id, seal, streamed, promptEstimate, maxOutputTokens } = this.spec;
    const trace = this.#trace?.beginAttempt(number);
    const publishing = trace && { headers: traceHeaders(trace) };
    const sealing = await this.#ask(() => seal(attempt));
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
    const options = {
      job: { id, ingress, streamed, promptTokens: promptEstimate, maxOutputTokens },
      attempt: this.#state.attempt,
      sealing,
      flow,
      publish: (subject: string, payload: Uint8Array) =>
        bus.connection.publish(subject, payload, publishing),
      transcript: this.#newTranscript(),
      on: (event: JobEvent) => this.#onStreamEvent(event, attempt),
    };
    this.#stream = new AttemptStream(options, clock());
  }

  #newTranscript(): Transcript | undefined {
    this.#transcript?.[Symbol.dispose]();
    this.#recounting = undefined;
    this.#recounted = Number.POSITIVE_INFINITY;
    this.#transcript = this.#deps.recounter.transcriptFor(this.spec.model, this.spec.recount);
    return this.#transcript;
  }

  /**
   * Handles an event of the stream. An end whose answer is in the sample waits for its recount, so
   * that the client sees the token count that it pays for.
   */
  #onStreamEvent(event: JobEvent, attempt: Attempt): void {
    const recount = event.type === 'end' ? this.#recount(attempt) : undefined;
    if (recount === undefined) this.#happen(event);
    else void recount.then(() => this.#happen(event));
  }

  /** Recounts an attempt at most once; undefined if there is no recount to wait for. */
  #recount({ number, candidate }: Attempt): Promise<void> | undefined {
    const transcript = this.#transcript;
    this.#transcript = undefined;
    if (transcript === undefined) return this.#recounting;
    const recount = this.#deps.recounter.recount(transcript);
    transcript[Symbol.dispose]();
    this.#recounting = recount?.then((share) => {
      if (share >= 1) return;
      // Another provider may have taken over in the meantime.
      if (this.#state.attempts === number)
        this.#recounted = Math.ceil(this.#state.deliveredTokens * share);
      const { bus, now } = this.#deps;
      const fact = {
        provider: candidate.provider,
        at: now(),
        violation: 'overbilled' as const,
        job: this.spec.id,
      };
      bus.emit(
        events.telemetryViolation,
        Violation,
        fact,
        `violation:overbilled:${this.spec.id}:${number}`,
      );
    });
    return this.#recounting;
  }

  /**
   * Raises the hold for a further provider, which may have a higher price. The hold must also name
   * the provider so that settlement accepts its receipt.
   */
  async #topUpFailure(provider: string): Promise<'unaffordable' | 'no_answer' | undefined> {
    const { id, maxPrice } = this.spec;
    const request = { job: id, provider, ...(maxPrice && { maxPrice }) };
    const reply = await this.#ask(() =>
      callUntil(this.#deps.bus, services.settlement.topUp, request, {
        eachMs: HOLD_EACH_MS,
        totalMs: HOLD_TOTAL_MS,
        trace: this.#trace?.context,
      }),
    );
    if (reply === undefined) return 'no_answer';
    return reply.ok ? undefined : 'unaffordable';
  }

  #cancel(attempt: Attempt, reason: CancelReason): void {
    this.#deps.bus.publish(core.down(attempt.candidate.provider, 'cancel'), Cancel, {
      job: this.spec.id,
      attempt: attempt.number,
      reason,
    });
  }

  #reportAttempt({
    attempt,
    failure,
    refusal,
    about,
    next,
  }: Extract<JobCommand, { do: 'report_attempt' }>): void {
    const { bus, now, clock, lateBudget } = this.#deps;
    const { provider, build } = attempt.candidate;
    this.#trace?.attemptFailed(failure);
    if (failure === 'first_content_late') lateBudget.cut(provider, clock());
    const { id: job, account, clientSeals: clientSealed } = this.spec;
    const fact = {
      job,
      account,
      clientSealed,
      attempt: attempt.number,
      provider,
      build,
      at: now(),
      failure,
    };
    const id = `attempt:${this.spec.id}:${attempt.number}`;
    bus.emit(
      events.jobAttempt,
      JobAttempt,
      { ...fact, ...(refusal && { refusal }), ...(about && { about }), ...(next && { next }) },
      id,
    );
    const violation = VIOLATIONS[failure];
    if (violation)
      bus.emit(
        events.telemetryViolation,
        Violation,
        { provider, at: now(), violation },
        `violation:${id}`,
      );
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
    this.#answer.finish({
      finish,
      usage: billable(usage, { promptBound, deliveredTokens: this.#deliveredTokens }),
      stopSequence,
    });
  }

  get #deliveredTokens(): number {
    return Math.min(this.#state.deliveredTokens, this.#recounted);
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
    const { provider, build, chip, simulated, level = 'none' } = candidate;
    return {
      provider,
      build,
      chip,
      simulated,
      level,
      attempt: number,
      receiptSalt: this.#stream?.receiptSalt,
      parseUs: microsecondsBetween(this.spec.receivedAt, startedAt),
      routeUs: microsecondsBetween(startedAt, routedAt),
      holdUs: microsecondsBetween(routedAt, heldAt),
      firstContentUs: microsecondsBetween(startedAt, contentAt),
    };
  }

  /**
   * Ends the job. A machine that fails without an end is paid by its receipt, so its answer is in
   * the sample like any other.
   */
  #end(end: Extract<JobCommand, { do: 'ended' }>): void {
    const recount = end.served && this.#recount(end.served);
    this.#transcript?.[Symbol.dispose]();
    if (recount === undefined) this.#reportEnd(end);
    else this.#reportingEnd = recount.then(() => this.#reportEnd(end));
  }

  #reportEnd(end: Extract<JobCommand, { do: 'ended' }>): void {
    const { bus, clock, now, ingress } = this.#deps;
    const state = { ...this.#state, deliveredTokens: this.#deliveredTokens };
    const fact = endedFact({ job: this.spec, ingress, state, marks: this.#marks }, end, {
      at: now(),
      now: clock(),
    });
    bus.emit(events.jobEnded, JobEnded, fact, `ended:${this.spec.id}`);
    this.#trace?.end(fact);
  }
}
