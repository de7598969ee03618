import { type Candidate, FINISH_FAILURES, type HoldRefusal } from '#bus-schemas';
import type { AttemptEnd } from '#http-api/core/attempt-end.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import {
  attemptFailed,
  isWanted,
  nobodyContinues,
  searchBeside,
  searchReplied,
  searchUnneeded,
} from './continuation.ts';
import { dispatch, isPlanFresh, MAX_ATTEMPTS, sealed, withoutLost } from './job-attempts.ts';
import {
  type Attempt,
  ended,
  type FailedAttempt,
  hasContent,
  type JobCommand,
  type JobEvent,
  type JobState,
  over,
  stay,
  type Transition,
} from './job-state.ts';
import {
  debtMessage,
  holdError,
  routingError,
  shortageMessage,
  unservedBecause,
} from './refusal-errors.ts';

/**
 * The life of one consumer request, as a function of (state, event, now) that returns the new state
 * and commands.
 *
 *   reserving → holding → serving ⇄ reserving (no alternate left, or another provider continues
 *                  ⇅                           the answer) → over
 *              reserving (the hold took so long that the slot may be gone)
 *        ↘ ↘ ↘ draining: the client is gone, the provider's end is awaited → over
 *          leaving: the job has ended, the reply to a reservation or hold is awaited → over
 *
 * Invariants: every job that reserved a slot gives exactly one `ended` command, after the replies
 * to all its requests have arrived; nothing is written to the client before the first content; an
 * abandoned attempt is cancelled and reported once.
 */

const PATIENT_MS = 1_000;
/** A stream without content for this long is cut, in milliseconds. */
export const STALL_MS = 60_000;
const ANSWER_FULL =
  'The memory for answers that are not streamed is full. Set stream to true, or try again later.';
/** Longest wait of a cancelled job for the provider's end, in milliseconds. */
export const DRAIN_MS = 2_000;

export function step(state: JobState, event: JobEvent, now: number): Transition {
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

/**
 * Time of the next `timer` event that the state machine needs, in milliseconds; infinite if it
 * needs none.
 */
export function wakeAt(state: JobState): number {
  switch (state.phase) {
    case 'serving':
      if (hasContent(state))
        return state.clientBlocked
          ? state.endBy
          : Math.min(state.lastContentAt + STALL_MS, state.endBy);
      return state.attempt === undefined
        ? state.firstContentBy
        : attemptWakesAt(state, state.attempt);
    case 'draining':
      return state.drainBy;
    case 'reserving':
    case 'holding':
    case 'leaving':
    case 'over':
      return Number.POSITIVE_INFINITY;
  }
}

function attemptWakesAt(state: JobState, { sealBy, contentBy, overdueAt }: Attempt): number {
  if (sealBy !== undefined) return sealBy;
  return isWanted(state) ? contentBy : Math.min(contentBy, Math.max(overdueAt, state.searchFrom));
}

function whileReserving(state: JobState, event: JobEvent, now: number): Transition {
  switch (event.type) {
    case 'reserved': {
      const [winner, ...alternates] = event.candidates;
      if (winner === undefined)
        return refuse(state, { code: 'no_provider', retryAfterMs: state.retryAfterMs });
      const reserved: JobState = { ...state, reserved: true, alternates, plannedAt: now };
      if (state.held) return dispatch(reserved, winner, now);
      return {
        state: { ...reserved, phase: 'holding', alternates: event.candidates },
        commands: [{ do: 'hold', provider: winner.provider }],
      };
    }
    case 'routing_refused':
      return state.committed ? nobodyContinues(state, now) : refuse(state, event);
    case 'client_gone':
      return leave(state);
    case 'ingress_stops': {
      if (!state.committed) return stay(state);
      const leaving = leave(state);
      return { ...leaving, commands: [{ do: 'cut', code: 'draining' }] };
    }
    default:
      return stay(state);
  }
}

/** Waits for the reply of routing or settlement before the job ends. */
function leave(state: JobState): Transition {
  const owed = state.committed ? [ended('client_gone', state.served)] : [];
  return { state: { ...state, phase: 'leaving', owed }, commands: [] };
}

function whileHolding(state: JobState, event: JobEvent, now: number): Transition {
  switch (event.type) {
    case 'held': {
      const held: JobState = { ...state, held: true };
      const [winner, ...alternates] = state.alternates;
      if (winner === undefined) return over(held, [ended('failed', undefined)]);
      if (isPlanFresh(held, now)) return dispatch({ ...held, alternates }, winner, now);
      // The machine may have been removed, or routing may have given its slot to another job.
      return {
        state: { ...held, phase: 'reserving', alternates: [] },
        commands: [{ do: 'reserve', exclude: held.failed }],
      };
    }
    case 'hold_refused':
      return holdRefused(state, event, now);
    case 'provider_lost':
      return stay(withoutLost(state, event.provider));
    case 'client_gone':
      return leave(state);
    default:
      return stay(state);
  }
}

/**
 * The price of one machine must not keep a caller from the others. A machine is excluded, and
 * routing is asked for another, if its price is above the caller's limit, or if the caller cannot
 * afford it and another candidate costs less. The new reservation releases the slot of the excluded
 * machine.
 */
function holdRefused(
  state: JobState,
  { code, shortage, owedMicroUsd }: Extract<JobEvent, { type: 'hold_refused' }>,
  now: number,
): Transition {
  const [refused, ...others] = state.alternates;
  const lastError = owedMicroUsd === undefined ? holdError(code) : 'payment_owed';
  const isWorthAnother =
    code === 'price_above_limit' ||
    (isUnaffordable(code) && others.some((other) => costOf(other) < costOf(refused)));
  const failed = refused === undefined ? state.failed : [...state.failed, refused.provider];
  if (!isWorthAnother || failed.length >= MAX_ATTEMPTS || now >= state.firstContentBy)
    return over(state, [
      {
        do: 'reject',
        code: lastError,
        message:
          owedMicroUsd === undefined
            ? shortage && shortageMessage(shortage)
            : debtMessage(owedMicroUsd),
        retryAfterMs: RETRY_AFTER_MS.unstated,
      },
      ended('failed', undefined),
    ]);
  return {
    state: { ...state, phase: 'reserving', failed, lastError, alternates: [] },
    commands: [{ do: 'reserve', exclude: failed }],
  };
}

const isUnaffordable = (code: HoldRefusal | 'unavailable'): boolean =>
  code === 'insufficient_funds' || code === 'key_limit' || code === 'account_limit';
const costOf = (candidate: Candidate | undefined): number => candidate?.costMicroUsd ?? 0;

/**
 * Waits for the reply to the reservation or hold before the job ends. A job that ended earlier
 * would leave its slot or its hold behind, because no later command releases them.
 */
function whileLeaving(state: JobState, event: JobEvent): Transition {
  const { owed } = state;
  switch (event.type) {
    case 'reserved':
    case 'held':
    case 'hold_refused':
      return over(
        { ...state, reserved: true },
        owed.length > 0 ? owed : [ended('failed', undefined)],
      );
    case 'routing_refused':
      return owed.length > 0 ? over(state, owed) : refuse(state, event);
    default:
      return stay(state);
  }
}

function whileServing(state: JobState, event: JobEvent, now: number): Transition {
  const { attempt } = state;
  if (attempt === undefined) return stay(state);
  if ('attempt' in event && event.attempt !== attempt.number) return stay(state);
  switch (event.type) {
    case 'content':
      return {
        state: {
          ...state,
          committed: state.streamed,
          served: attempt,
          movable: event.movable === true,
          ...(state.search && { search: 'unneeded' }),
          deliveredTokens: state.deliveredTokens + event.tokens,
          lastContentAt: now,
        },
        commands: [{ do: 'write', pieces: event.pieces, tokens: event.tokens }],
      };
    case 'end':
      return endOfAttempt(state, attempt, event, now);
    case 'refused':
      // The provider has already delivered content, so a refusal violates the protocol.
      if (hasContent(state))
        return attemptFailed(state, { attempt, failure: 'protocol_violation' }, now);
      return attemptFailed(
        { ...state, retryAfterMs: event.retryAfterMs },
        {
          attempt,
          failure: 'refused',
          refusal: event.reason,
          about: event.about,
          detail: event.detail,
        },
        now,
      );
    case 'attempt_failed':
      return attemptFailed(state, { attempt, failure: event.failure }, now);
    case 'silent':
      return searchBeside(state, { attempt, because: 'silent' }, now);
    case 'heard':
      return searchUnneeded(state);
    case 'reserved':
      return searchReplied(state, attempt, { candidates: event.candidates, now });
    case 'routing_refused':
      return searchReplied(state, attempt, { candidates: [], now });
    case 'sealed':
      return sealed(state, attempt, now);
    case 'provider_lost':
      return stay(withoutLost(state, event.provider));
    case 'answer_full':
      return over(state, [
        { do: 'cancel', attempt, reason: 'superseded' },
        {
          do: 'reject',
          code: 'service_unavailable',
          message: ANSWER_FULL,
          retryAfterMs: state.retryAfterMs,
        },
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
    case 'ingress_stops':
      return ingressStops(state, attempt, now);
    case 'timer':
      return serveTimer(state, attempt, { now, isPatient: event.isPatient === true });
    default:
      return stay(state);
  }
}

/**
 * A client that has received a part of its answer is told why it ends, and pays for this part. Any
 * other client gets an error with which it repeats its request elsewhere, and pays nothing.
 */
function ingressStops(state: JobState, attempt: Attempt, now: number): Transition {
  if (!state.committed)
    return over(state, [
      { do: 'cancel', attempt, reason: 'superseded' },
      { do: 'reject', code: 'draining', retryAfterMs: state.retryAfterMs },
      ended('failed', undefined),
    ]);
  return {
    state: { ...state, phase: 'draining', drainBy: now + DRAIN_MS },
    commands: [
      { do: 'cut', code: 'draining' },
      { do: 'cancel', attempt, reason: 'client_gone' },
    ],
  };
}

/**
 * The client is gone. The provider's end states the work to be charged; wait for it until
 * `drainBy`.
 */
function whileDraining(state: JobState, event: JobEvent, now: number): Transition {
  const { attempt } = state;
  if (attempt === undefined) return over(state, [ended('client_gone', undefined)]);
  if ('attempt' in event && event.attempt !== attempt.number) return stay(state);
  // The client has only received content of an earlier machine, which is paid for it.
  const continued = state.committed && !hasContent(state);
  const payee = continued ? state.served : attempt;
  switch (event.type) {
    case 'reserved':
    case 'routing_refused':
      return stay({ ...state, search: undefined });
    case 'content':
      // The provider sent this before the cancel arrived. The client never receives it, so it is
      // not charged.
      return stay(state);
    case 'end':
      return over(state, [ended('client_gone', payee, continued ? undefined : event)]);
    case 'refused':
    case 'attempt_failed':
      return over(state, [ended('client_gone', payee)]);
    case 'timer':
      return now < state.drainBy ? stay(state) : over(state, [ended('client_gone', payee)]);
    default:
      return stay(state);
  }
}

function endOfAttempt(state: JobState, attempt: Attempt, end: AttemptEnd, now: number): Transition {
  const failure = FINISH_FAILURES[end.finish];
  if (failure === undefined) {
    return over(state, [
      { do: 'finish', finish: end.finish, usage: end.usage, stopSequence: end.stopSequence },
      ended('completed', attempt, end),
    ]);
  }
  const lost: FailedAttempt =
    end.about === undefined
      ? { attempt, failure, end }
      : { attempt, failure: 'refused', refusal: 'invalid_request', about: end.about, end };
  return attemptFailed(state, lost, now);
}

function serveTimer(
  state: JobState,
  attempt: Attempt,
  { now, isPatient }: { now: number; isPatient: boolean },
): Transition {
  if (attempt.sealBy !== undefined) {
    return now < attempt.sealBy
      ? stay(state)
      : over(state, [
          { do: 'reject', code: 'gone', retryAfterMs: state.retryAfterMs },
          ended('failed', undefined),
        ]);
  }
  const stalled = () => attemptFailed(state, { attempt, failure: 'stalled' }, now);
  if (now >= state.endBy) return stalled();
  if (hasContent(state))
    return state.clientBlocked || now < state.lastContentAt + STALL_MS ? stay(state) : stalled();
  if (now < attempt.contentBy) {
    if (now < attempt.overdueAt) return stay(state);
    return isPatient
      ? stay({ ...state, searchFrom: now + PATIENT_MS })
      : searchBeside(state, { attempt, because: 'overdue' }, now);
  }
  if (isPatient && now < state.lateUntil) {
    const contentBy = Math.min(now + PATIENT_MS, state.lateUntil);
    return stay({ ...state, attempt: { ...attempt, contentBy, overdueAt: contentBy } });
  }
  return attemptFailed(state, { attempt, failure: 'first_content_late' }, now);
}

/**
 * A call to routing without a reply may have reserved a slot all the same, so the job must still
 * give `ended`, which releases it.
 */
function refuse(
  state: JobState,
  { code, retryAfterMs, gate }: Omit<Extract<JobEvent, { type: 'routing_refused' }>, 'type'>,
): Transition {
  if (code === 'no_provider' && state.full.length > 0 && state.phase === 'reserving') {
    // No other machine can answer, so the job waits for room at those that had none.
    const failed = state.failed.filter((provider) => !state.full.includes(provider));
    return {
      state: { ...state, failed, full: [] },
      commands: [{ do: 'reserve', exclude: failed }],
    };
  }
  const reserved = state.reserved || code === 'unavailable';
  // After a refused hold or a failed attempt, the client gets that error: it is the reason why
  // another machine was needed, and routing found none.
  const error =
    state.failed.length > 0
      ? { code: state.lastError }
      : (unservedBecause(code, gate) ?? { code: routingError(code) });
  const reject: JobCommand = { do: 'reject', ...error, retryAfterMs };
  return over({ ...state, reserved }, [
    ...(state.phase === 'leaving' ? [] : [reject]),
    ...(reserved ? [ended('failed', undefined)] : []),
  ]);
}
