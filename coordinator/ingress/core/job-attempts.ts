import { type AttemptFailure, attemptOutcome, type Candidate, type Outcome } from '#bus-schemas';
import {
  type Attempt,
  ended,
  type JobCommand,
  type JobState,
  type Lost,
  over,
  type Step,
  stay,
} from './job-state.ts';

/** The attempts of a job: which provider is tried next, until when, and when no further one is. */

export const MAX_ATTEMPTS = 4;
/**
 * Routing's knowledge of the alternates is outdated after this, in milliseconds; a place is sought
 * anew.
 */
const PLAN_MS = 500;
/**
 * How long a client may take to seal its request, in milliseconds: its place is kept from others
 * meanwhile.
 */
export const SEAL_MS = 10_000;
/**
 * An answer that takes so many times as long as expected is sought elsewhere, within the budget for
 * late attempts.
 */
const OVERDUE_FACTOR = 5;
const LEAST_OVERDUE_MS = 2_000;

/** An attempt that did not serve the job, in the words of bus-schemas/messages/outcomes.ts. */
export function attemptFailed(
  state: JobState,
  attempt: Attempt,
  failure: AttemptFailure,
  now: number,
): Step {
  if (!state.committed) return nextAttempt(state, { attempt, failure }, now);
  return over(state, [
    { do: 'cancel', attempt, reason: 'fault' },
    report({ attempt, failure }),
    { do: 'cut', code: now >= state.endBy ? 'timeout' : 'stream_cut' },
    ended('cut_short', attempt),
  ]);
}

export function report({ attempt, failure, refusal, about }: Lost, next?: string): JobCommand {
  return {
    do: 'report_attempt',
    attempt,
    failure,
    ...(refusal && { refusal }),
    ...(about && { about }),
    ...(next !== undefined && { next }),
  };
}

/** The client has received nothing yet: another provider may answer. */
export function nextAttempt(state: JobState, lost: Lost, now: number): Step {
  const { attempt, failure } = lost;
  const outcome: Outcome = attemptOutcome(failure, { ...lost, clientSealed: state.clientSeals });
  const failed = [...state.failed, attempt.candidate.provider];
  const forget: JobCommand[] =
    failure === 'refused' ? [] : [{ do: 'cancel', attempt, reason: 'superseded' }];
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
  const [next, ...alternates] = isFresh
    ? fresh.alternates.filter((candidate) => !failed.includes(candidate.provider))
    : [];
  if (next === undefined) {
    return {
      state: { ...fresh, phase: 'reserving' },
      commands: [...forget, report(lost), { do: 'reserve', exclude: failed }],
    };
  }
  const dispatched = dispatch({ ...fresh, alternates }, next, now);
  return {
    state: dispatched.state,
    commands: [...forget, report(lost, next.provider), ...dispatched.commands],
  };
}

export function dispatch(state: JobState, candidate: Candidate, now: number): Step {
  const number = state.attempts + 1;
  const sealBy = state.clientSeals ? now + SEAL_MS : undefined;
  const attempt: Attempt = {
    number,
    candidate,
    sealBy,
    ...deadlines(state, { number, candidate }, now),
  };
  return {
    state: { ...state, phase: 'serving', attempts: number, attempt },
    commands: [{ do: 'dispatch', attempt }],
  };
}

/** What the client took to seal is not the provider's time. */
export function sealed(state: JobState, attempt: Attempt, now: number): Step {
  if (attempt.sealBy === undefined) return stay(state);
  const waited = now - (attempt.sealBy - SEAL_MS);
  const moved = {
    ...state,
    firstContentBy: state.firstContentBy + waited,
    lateUntil: state.lateUntil + waited,
  };
  return {
    state: {
      ...moved,
      attempt: { ...attempt, sealBy: undefined, ...deadlines(moved, attempt, now) },
    },
    commands: [],
  };
}

function deadlines(
  state: JobState,
  { number, candidate }: Pick<Attempt, 'number' | 'candidate'>,
  now: number,
): Pick<Attempt, 'contentBy' | 'startBy'> {
  const left = state.firstContentBy - now;
  // The last try may use all that is left; an earlier one leaves half for the next, and more when
  // it was expected much sooner.
  const hasNext = number < MAX_ATTEMPTS && state.alternates.length > 0;
  const overdue = Math.max(LEAST_OVERDUE_MS, OVERDUE_FACTOR * candidate.expectedFirstContentMs);
  if (!hasNext) return { contentBy: state.firstContentBy, startBy: state.lateUntil };
  const contentBy = now + Math.min(left / 2, overdue);
  return { contentBy, startBy: contentBy };
}
