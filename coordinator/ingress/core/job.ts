import {
  type AttemptFailure,
  attemptOutcome,
  type CancelReason,
  type Candidate,
  FINISH_FAILURES,
  type Finish,
  type HoldRefusal,
  type JobResult,
  type KeyShortage,
  type Outcome,
  type Receipt,
  type Refusal,
  type RefusalAbout,
  type RoutingRefusal,
  type Usage,
} from '#bus-schemas';
import type { ApiErrorCode } from '../errors.ts';
import type { Piece } from './piece.ts';
import { holdError, routingError, shortageMessage, unservedBecause } from './refusal-errors.ts';

/**
 * The life of one consumer request, as a function of (state, event) that returns commands.
 *
 *   reserving → holding → serving ⇄ reserving (no alternate left) → over
 *        ↘        ↘          ↘ draining: the client is gone, the provider's account is awaited → over
 *          leaving: the client is gone, an answer that may cost something is awaited → over
 *
 * Invariants: every job that was reserved gives exactly one `ended` command, after all that it asked for was answered;
 * nothing is written to the client before the first content; an attempt left behind is cancelled and reported once.
 */
type JobPhase = 'reserving' | 'holding' | 'serving' | 'draining' | 'leaving' | 'over';

export interface Attempt {
  readonly number: number;
  readonly candidate: Candidate;
  /** Ends a provider that took the job but gives nothing. */
  readonly contentBy: number;
  /** A provider that cannot begin by then refuses. Later than `contentBy` where no other candidate is left: late is better than never. */
  readonly startBy: number;
  /** The client has to have sealed its request for this provider by then; undefined once it has, and where it need not. */
  readonly sealBy: number | undefined;
}

export interface JobState {
  readonly phase: JobPhase;
  readonly streamed: boolean;
  /** We cannot read the request: its client seals it for each provider that is tried. */
  readonly clientSeals: boolean;
  /** Content must begin by then: absolute from receipt, never moved by retries. */
  readonly firstContentBy: number;
  /** And when so many are late that cutting them off would help nobody, by then. */
  readonly lateUntil: number;
  readonly endBy: number;
  /** A slot was taken, so somebody must hear of the end. */
  readonly reserved: boolean;
  readonly attempt: Attempt | undefined;
  readonly attempts: number;
  readonly alternates: readonly Candidate[];
  /** When routing named them. */
  readonly plannedAt: number;
  readonly failed: readonly string[];
  /** The client has its status line: failover is over. */
  readonly committed: boolean;
  readonly deliveredTokens: number;
  readonly lastContentAt: number;
  /** The client takes no more for now: silence is its fault, not the provider's. */
  readonly clientBlocked: boolean;
  /** When a draining job stops waiting for the provider's end. */
  readonly drainBy: number;
  /** The API's error if nothing else is tried. */
  readonly lastError: ApiErrorCode;
  readonly retryAfterMs: number;
}

/** How the provider says that an attempt ended. */
export interface AttemptEnd {
  readonly finish: Finish;
  readonly usage: Usage;
  readonly stopSequence?: string | undefined;
  /** The part of the request that made it fail, where the engine works. */
  readonly about?: RefusalAbout | undefined;
  /** As the provider sent it, not checked yet. */
  readonly receipt?: Receipt | undefined;
}

/** An attempt that did not serve the job, in the words of bus-schemas/messages/outcomes.ts. */
interface Lost {
  readonly attempt: Attempt;
  readonly failure: AttemptFailure;
  readonly refusal?: Refusal | undefined;
  readonly about?: RefusalAbout | undefined;
  /** The reason that the provider gives to the client. It may quote the request, so it goes nowhere else. */
  readonly detail?: string | undefined;
}

export type JobEvent =
  | { type: 'reserved'; candidates: readonly Candidate[] }
  | { type: 'routing_refused'; code: RoutingRefusal | 'unavailable'; retryAfterMs: number; gate?: string | undefined }
  | { type: 'held' }
  | { type: 'hold_refused'; code: HoldRefusal | 'unavailable'; shortage?: KeyShortage | undefined }
  | { type: 'refused'; attempt: number; reason: Refusal; retryAfterMs: number; about?: RefusalAbout | undefined; detail?: string | undefined }
  | { type: 'content'; attempt: number; pieces: readonly Piece[]; tokens: number }
  | ({ type: 'end'; attempt: number } & AttemptEnd)
  | { type: 'attempt_failed'; attempt: number; failure: AttemptFailure }
  /** The client has sealed its request for the provider of this attempt. */
  | { type: 'sealed'; attempt: number }
  /** All answers that are collected whole take as much memory as they may. */
  | { type: 'answer_full' }
  | { type: 'client_blocked' }
  | { type: 'client_ready' }
  | { type: 'client_gone' }
  /** Patient: too many were cut off for being late already. */
  | { type: 'timer'; isPatient?: boolean };

export type JobCommand =
  | { do: 'reserve'; exclude: readonly string[] }
  | { do: 'hold'; provider: string }
  | { do: 'dispatch'; attempt: Attempt }
  | { do: 'cancel'; attempt: Attempt; reason: CancelReason }
  | ({ do: 'report_attempt'; next?: string } & Omit<Lost, 'detail'>)
  | { do: 'write'; pieces: readonly Piece[]; tokens: number }
  /** Forget what a failed attempt gave to a client that has seen none of it. */
  | { do: 'discard' }
  | ({ do: 'finish' } & AttemptEnd)
  | { do: 'reject'; code: ApiErrorCode; retryAfterMs: number; message?: string | undefined }
  | { do: 'cut'; code: ApiErrorCode }
  | { do: 'ended'; result: JobResult; served: Attempt | undefined; finish?: Finish; usage?: Usage; receipt?: Receipt };

export interface Step {
  readonly state: JobState;
  readonly commands: readonly JobCommand[];
}

export const MAX_ATTEMPTS = 4;
/** What routing knew of the alternates is of no worth after this; it is asked again. */
const PLAN_MS = 500;
/** Where everybody is late: so many times the usual wait for the first content. */
const LATE_FACTOR = 4;
const PATIENT_MS = 1_000;
/** A client that has a place and does not use it keeps it from others. */
export const SEAL_MS = 10_000;
/** An answer that takes so many times as long as it was expected to is looked for elsewhere, as far as the budget for late ones goes. */
const OVERDUE_FACTOR = 5;
const LEAST_OVERDUE_MS = 2_000;
/** A stream that says nothing for this long is cut. */
export const STALL_MS = 60_000;
const ANSWER_FULL = 'This server collects as many whole answers as its memory allows. Ask for a stream, or try again later.';
/** How long the provider's own account of a cancelled job is waited for. */
export const DRAIN_MS = 2_000;

export function newJob(options: { streamed: boolean; clientSeals?: boolean; now: number; firstContentMs: number; jobTimeoutMs: number }): Step {
  return {
    state: {
      phase: 'reserving',
      streamed: options.streamed,
      clientSeals: options.clientSeals === true,
      firstContentBy: options.now + options.firstContentMs,
      lateUntil: options.now + Math.min(LATE_FACTOR * options.firstContentMs, options.jobTimeoutMs),
      endBy: options.now + options.jobTimeoutMs,
      reserved: false,
      attempt: undefined,
      attempts: 0,
      alternates: [],
      plannedAt: options.now,
      failed: [],
      committed: false,
      deliveredTokens: 0,
      lastContentAt: options.now,
      clientBlocked: false,
      drainBy: 0,
      lastError: 'no_provider',
      retryAfterMs: 2_000,
    },
    commands: [{ do: 'reserve', exclude: [] }],
  };
}

export function step(state: JobState, event: JobEvent, now: number): Step {
  switch (state.phase) {
    case 'reserving':
      return whileReserving(state, event, now);
    case 'holding':
      return whileHolding(state, event, now);
    case 'serving':
      return whileServing(state, event, now);
    case 'draining':
      return whileDraining(state, event, now);
    case 'leaving':
      return whileLeaving(state, event);
    case 'over':
      return stay(state);
  }
}

/** When the machine wants a `timer` event at the latest. */
export function wakeAt(state: JobState): number {
  switch (state.phase) {
    case 'serving':
      if (state.deliveredTokens > 0) return state.clientBlocked ? state.endBy : Math.min(state.lastContentAt + STALL_MS, state.endBy);
      return state.attempt === undefined ? state.firstContentBy : (state.attempt.sealBy ?? state.attempt.contentBy);
    case 'draining':
      return state.drainBy;
    case 'reserving':
    case 'holding':
    case 'leaving':
    case 'over':
      return Number.POSITIVE_INFINITY;
  }
}

function whileReserving(state: JobState, event: JobEvent, now: number): Step {
  switch (event.type) {
    case 'reserved': {
      const [winner, ...alternates] = event.candidates;
      if (winner === undefined) return refuse(state, { code: 'no_provider', retryAfterMs: state.retryAfterMs });
      const reserved: JobState = { ...state, reserved: true, alternates, plannedAt: now };
      // A reservation after a failed attempt: the money is held already.
      if (state.attempts > 0) return dispatch(reserved, winner, now);
      return { state: { ...reserved, phase: 'holding', alternates: event.candidates }, commands: [{ do: 'hold', provider: winner.provider }] };
    }
    case 'routing_refused':
      return refuse(state, event);
    case 'client_gone':
      return { state: { ...state, phase: 'leaving' }, commands: [] };
    default:
      return stay(state);
  }
}

function whileHolding(state: JobState, event: JobEvent, now: number): Step {
  switch (event.type) {
    case 'held': {
      const [winner, ...alternates] = state.alternates;
      if (winner === undefined) return over(state, [ended('failed', undefined)]);
      return dispatch({ ...state, alternates }, winner, now);
    }
    case 'hold_refused':
      return holdRefused(state, event, now);
    case 'client_gone':
      return { state: { ...state, phase: 'leaving' }, commands: [] };
    default:
      return stay(state);
  }
}

/**
 * The price of one machine must not keep a caller from the others: a machine above the caller's limit, or one that the caller cannot afford while
 * another costs less, is left out and a place is sought anew. Its slot goes back with the new reservation.
 */
function holdRefused(state: JobState, { code, shortage }: Extract<JobEvent, { type: 'hold_refused' }>, now: number): Step {
  const [refused, ...others] = state.alternates;
  const lastError = holdError(code);
  const isWorthAnother = code === 'price_above_limit' || (isUnaffordable(code) && others.some((other) => costOf(other) < costOf(refused)));
  const failed = refused === undefined ? state.failed : [...state.failed, refused.provider];
  if (!isWorthAnother || failed.length >= MAX_ATTEMPTS || now >= state.firstContentBy)
    return over(state, [{ do: 'reject', code: lastError, message: shortage && shortageMessage(shortage), retryAfterMs: 2_000 }, ended('failed', undefined)]);
  return { state: { ...state, phase: 'reserving', failed, lastError, alternates: [] }, commands: [{ do: 'reserve', exclude: failed }] };
}

const isUnaffordable = (code: HoldRefusal | 'unavailable'): boolean => code === 'insufficient_funds' || code === 'key_limit';
const costOf = (candidate: Candidate | undefined): number => candidate?.costMicroUsd ?? 0;

/** Ending before the answer came could leave a slot or a hold behind that nobody gives back. */
function whileLeaving(state: JobState, event: JobEvent): Step {
  switch (event.type) {
    case 'reserved':
    case 'held':
    case 'hold_refused':
      return over({ ...state, reserved: true }, [ended('failed', undefined)]);
    case 'routing_refused':
      return refuse({ ...state, phase: 'leaving' }, event);
    default:
      return stay(state);
  }
}

function whileServing(state: JobState, event: JobEvent, now: number): Step {
  const { attempt } = state;
  if (attempt === undefined) return stay(state);
  if ('attempt' in event && event.attempt !== attempt.number) return stay(state);
  switch (event.type) {
    case 'content':
      return {
        state: { ...state, committed: state.streamed, deliveredTokens: state.deliveredTokens + event.tokens, lastContentAt: now },
        commands: [{ do: 'write', pieces: event.pieces, tokens: event.tokens }],
      };
    case 'end':
      return endOfAttempt(state, attempt, event, now);
    case 'refused':
      // It took the job and began: a refusal now is a broken word.
      if (state.deliveredTokens > 0) return attemptFailed(state, attempt, 'protocol_violation', now);
      return nextAttempt(
        { ...state, retryAfterMs: event.retryAfterMs },
        { attempt, failure: 'refused', refusal: event.reason, about: event.about, detail: event.detail },
        now,
      );
    case 'attempt_failed':
      return attemptFailed(state, attempt, event.failure, now);
    case 'sealed':
      return sealed(state, attempt, now);
    case 'answer_full':
      return over(state, [
        { do: 'cancel', attempt, reason: 'superseded' },
        { do: 'reject', code: 'service_unavailable', message: ANSWER_FULL, retryAfterMs: state.retryAfterMs },
        ended('failed', undefined),
      ]);
    case 'client_blocked':
      return { state: { ...state, clientBlocked: true }, commands: [] };
    case 'client_ready':
      return { state: { ...state, clientBlocked: false, lastContentAt: now }, commands: [] };
    case 'client_gone':
      return {
        state: { ...state, phase: 'draining', drainBy: now + DRAIN_MS },
        commands: [{ do: 'cancel', attempt, reason: 'client_gone' }],
      };
    case 'timer':
      return serveTimer(state, attempt, { now, isPatient: event.isPatient === true });
    default:
      return stay(state);
  }
}

/** The client is gone or was cut off; the provider's end says what the work was. */
function whileDraining(state: JobState, event: JobEvent, now: number): Step {
  const { attempt } = state;
  if (attempt === undefined) return over(state, [ended('client_gone', undefined)]);
  if ('attempt' in event && event.attempt !== attempt.number) return stay(state);
  switch (event.type) {
    case 'content':
      // Made before the cancel arrived and never shown to anyone: not charged.
      return stay(state);
    case 'end':
      return over(state, [ended('client_gone', attempt, event)]);
    case 'refused':
    case 'attempt_failed':
      return over(state, [ended('client_gone', attempt)]);
    case 'timer':
      return now < state.drainBy ? stay(state) : over(state, [ended('client_gone', attempt)]);
    default:
      return stay(state);
  }
}

function endOfAttempt(state: JobState, attempt: Attempt, end: AttemptEnd, now: number): Step {
  const failure = FINISH_FAILURES[end.finish];
  if (failure === undefined) {
    return over(state, [{ do: 'finish', finish: end.finish, usage: end.usage, stopSequence: end.stopSequence }, ended('completed', attempt, end)]);
  }
  const lost: Lost = end.about === undefined ? { attempt, failure } : { attempt, failure: 'refused', refusal: 'invalid_request', about: end.about };
  if (!state.committed) return nextAttempt(state, lost, now);
  return over(state, [report(lost), { do: 'cut', code: 'stream_cut' }, ended('cut_short', attempt, end)]);
}

function serveTimer(state: JobState, attempt: Attempt, { now, isPatient }: { now: number; isPatient: boolean }): Step {
  if (attempt.sealBy !== undefined) {
    return now < attempt.sealBy ? stay(state) : over(state, [{ do: 'reject', code: 'gone', retryAfterMs: state.retryAfterMs }, ended('failed', undefined)]);
  }
  if (now >= state.endBy) return attemptFailed(state, attempt, 'stalled', now);
  if (state.deliveredTokens > 0) {
    return state.clientBlocked || now < state.lastContentAt + STALL_MS ? stay(state) : attemptFailed(state, attempt, 'stalled', now);
  }
  if (now < attempt.contentBy) return stay(state);
  if (isPatient && now < state.lateUntil) {
    return { state: { ...state, attempt: { ...attempt, contentBy: Math.min(now + PATIENT_MS, state.lateUntil) } }, commands: [] };
  }
  return attemptFailed(state, attempt, 'first_content_late', now);
}

function attemptFailed(state: JobState, attempt: Attempt, failure: AttemptFailure, now: number): Step {
  if (!state.committed) return nextAttempt(state, { attempt, failure }, now);
  return over(state, [
    { do: 'cancel', attempt, reason: 'fault' },
    report({ attempt, failure }),
    { do: 'cut', code: now >= state.endBy ? 'timeout' : 'stream_cut' },
    ended('cut_short', attempt),
  ]);
}

function report({ attempt, failure, refusal, about }: Lost, next?: string): JobCommand {
  return { do: 'report_attempt', attempt, failure, ...(refusal && { refusal }), ...(about && { about }), ...(next !== undefined && { next }) };
}

/** The client has received nothing yet: another provider may answer. */
function nextAttempt(state: JobState, lost: Lost, now: number): Step {
  const { attempt, failure } = lost;
  const outcome: Outcome = attemptOutcome(failure, { ...lost, clientSealed: state.clientSeals });
  const failed = [...state.failed, attempt.candidate.provider];
  const forget: JobCommand[] = failure === 'refused' ? [] : [{ do: 'cancel', attempt, reason: 'superseded' }];
  if (state.deliveredTokens > 0) forget.push({ do: 'discard' });
  const lastError = now >= state.endBy ? 'timeout' : outcome.error;
  const fresh: JobState = { ...state, failed, lastError, deliveredTokens: 0, attempt: undefined };
  const exhausted = !outcome.retry || state.attempts >= MAX_ATTEMPTS || now >= state.firstContentBy;
  if (exhausted) {
    const reject: JobCommand = {
      do: 'reject',
      code: lastError,
      retryAfterMs: state.retryAfterMs,
      message: lost.detail && `The provider answers: ${lost.detail}`,
    };
    return over(fresh, [...forget, report(lost), reject, ended('failed', undefined)]);
  }
  const isFresh = now - state.plannedAt <= PLAN_MS;
  const [next, ...alternates] = isFresh ? fresh.alternates.filter((candidate) => !failed.includes(candidate.provider)) : [];
  if (next === undefined) {
    return { state: { ...fresh, phase: 'reserving' }, commands: [...forget, report(lost), { do: 'reserve', exclude: failed }] };
  }
  const dispatched = dispatch({ ...fresh, alternates }, next, now);
  return { state: dispatched.state, commands: [...forget, report(lost, next.provider), ...dispatched.commands] };
}

function dispatch(state: JobState, candidate: Candidate, now: number): Step {
  const number = state.attempts + 1;
  const sealBy = state.clientSeals ? now + SEAL_MS : undefined;
  const attempt: Attempt = { number, candidate, sealBy, ...deadlines(state, { number, candidate }, now) };
  return { state: { ...state, phase: 'serving', attempts: number, attempt }, commands: [{ do: 'dispatch', attempt }] };
}

/** What the client took to seal is not the provider's time. */
function sealed(state: JobState, attempt: Attempt, now: number): Step {
  if (attempt.sealBy === undefined) return stay(state);
  const waited = now - (attempt.sealBy - SEAL_MS);
  const moved = { ...state, firstContentBy: state.firstContentBy + waited, lateUntil: state.lateUntil + waited };
  return { state: { ...moved, attempt: { ...attempt, sealBy: undefined, ...deadlines(moved, attempt, now) } }, commands: [] };
}

function deadlines(state: JobState, { number, candidate }: Pick<Attempt, 'number' | 'candidate'>, now: number): Pick<Attempt, 'contentBy' | 'startBy'> {
  const left = state.firstContentBy - now;
  // The last try may use all that is left; an earlier one leaves half for the next, and more when it was expected much sooner.
  const hasNext = number < MAX_ATTEMPTS && state.alternates.length > 0;
  const overdue = Math.max(LEAST_OVERDUE_MS, OVERDUE_FACTOR * candidate.expectedFirstContentMs);
  if (!hasNext) return { contentBy: state.firstContentBy, startBy: state.lateUntil };
  const contentBy = now + Math.min(left / 2, overdue);
  return { contentBy, startBy: contentBy };
}

/** Routing that did not answer may have taken a slot all the same: it must hear of the end. */
function refuse(state: JobState, { code, retryAfterMs, gate }: Omit<Extract<JobEvent, { type: 'routing_refused' }>, 'type'>): Step {
  const reserved = state.reserved || code === 'unavailable';
  // After a refused hold or a failed attempt, the caller is told of that: no further machine was found.
  const error = state.failed.length > 0 ? { code: state.lastError } : (unservedBecause(code, gate) ?? { code: routingError(code) });
  const reject: JobCommand = { do: 'reject', ...error, retryAfterMs };
  return over({ ...state, reserved }, [...(state.phase === 'leaving' ? [] : [reject]), ...(reserved ? [ended('failed', undefined)] : [])]);
}

function ended(result: JobResult, served: Attempt | undefined, end?: AttemptEnd): JobCommand {
  if (end === undefined) return { do: 'ended', result, served };
  const { finish, usage, receipt } = end;
  return { do: 'ended', result, served, finish, usage, ...(receipt && { receipt }) };
}

function over(state: JobState, commands: readonly JobCommand[]): Step {
  return { state: { ...state, phase: 'over' }, commands };
}

function stay(state: JobState): Step {
  return { state, commands: [] };
}
