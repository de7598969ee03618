import { attemptOutcome, type Candidate, type Outcome } from '#bus-schemas';
import { CONTINUATION_MS } from './deadlines.ts';
import {
  type Attempt,
  ended,
  type FailedAttempt,
  type JobCommand,
  type JobState,
  over,
  stay,
  type Transition,
} from './job-state.ts';

/**
 * The attempts of a job: which provider is tried next, how long it has, and when no further
 * provider is tried.
 */

export const MAX_ATTEMPTS = 4;
/** After this time the candidates are outdated, and routing is asked again, in milliseconds. */
const PLAN_MS = 500;
/**
 * Time that a client has to seal its request, in milliseconds. The provider's slot stays reserved
 * during that time.
 */
export const SEAL_MS = 10_000;
/**
 * An attempt is overdue when its first content takes this many times as long as routing expected,
 * for example 5 × 600 ms = 3 s. If the budget for late attempts allows it, the attempt is abandoned
 * for an alternate, or another provider is looked for.
 */
const OVERDUE_FACTOR = 5;
const LEAST_OVERDUE_MS = 2_000;

export function report(
  { attempt, failure, refusal, about }: FailedAttempt,
  next?: string,
): JobCommand {
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
export function nextAttempt(state: JobState, lost: FailedAttempt, now: number): Transition {
  const { attempt, failure } = lost;
  const outcome: Outcome = attemptOutcome(failure, { ...lost, clientSealed: state.clientSeals });
  const { provider } = attempt.candidate;
  const failed = [...state.failed, provider];
  const full = hadNoRoom(outcome) ? [...state.full, provider] : state.full;
  const cleanup: JobCommand[] =
    failure === 'refused' ? [] : [{ do: 'cancel', attempt, reason: 'superseded' }];
  if (state.deliveredTokens > 0) cleanup.push({ do: 'discard' });
  const lastError = now >= state.endBy ? 'timeout' : outcome.error;
  const fresh: JobState = {
    ...state,
    failed,
    full,
    lastError,
    deliveredTokens: 0,
    served: undefined,
    attempt: undefined,
  };
  const exhausted = !outcome.retry || state.attempts >= MAX_ATTEMPTS || now >= state.firstContentBy;
  if (exhausted) {
    const reject: JobCommand = {
      do: 'reject',
      code: lastError,
      retryAfterMs: state.retryAfterMs,
      message: lost.detail && `The provider answers: ${lost.detail}`,
    };
    return over(fresh, [...cleanup, report(lost), reject, ended('failed', undefined)]);
  }
  // If a search has begun, its reply is awaited.
  if (state.search !== undefined)
    return {
      state: { ...fresh, phase: 'reserving', search: undefined },
      commands: [...cleanup, report(lost)],
    };
  const [next, ...alternates] = isPlanFresh(state, now)
    ? fresh.alternates.filter((candidate) => !failed.includes(candidate.provider))
    : [];
  if (next === undefined) {
    return {
      state: { ...fresh, phase: 'reserving' },
      commands: [...cleanup, report(lost), { do: 'reserve', exclude: failed }],
    };
  }
  const dispatched = dispatch({ ...fresh, alternates }, next, now);
  return {
    state: dispatched.state,
    commands: [...cleanup, report(lost, next.provider), ...dispatched.commands],
  };
}

/** Whether the candidates that routing returned can still be used. */
export const isPlanFresh = ({ plannedAt }: Pick<JobState, 'plannedAt'>, now: number): boolean =>
  now - plannedAt <= PLAN_MS;

/** None of the candidates is used if one of them is lost. */
export const withoutLost = (state: JobState, provider: string): JobState =>
  state.alternates.some((candidate) => candidate.provider === provider)
    ? { ...state, plannedAt: Number.NEGATIVE_INFINITY }
    : state;

/** Whether the machine refused only because it takes no further request at this moment. */
const hadNoRoom = ({ party, record }: Outcome) => party === 'none' && record === 'cool';

export function dispatch(state: JobState, candidate: Candidate, now: number): Transition {
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

/**
 * Moves the deadlines by the time that the client took to seal, which must not count against the
 * provider.
 */
export function sealed(state: JobState, attempt: Attempt, now: number): Transition {
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
): Pick<Attempt, 'contentBy' | 'overdueAt' | 'startBy'> {
  const overdueMs = Math.max(LEAST_OVERDUE_MS, OVERDUE_FACTOR * candidate.expectedFirstContentMs);
  if (state.committed) {
    const contentBy = Math.min(state.endBy, now + Math.max(CONTINUATION_MS, overdueMs));
    return { contentBy, overdueAt: contentBy, startBy: contentBy };
  }
  const left = state.firstContentBy - now;
  // The last candidate may use all the time that is left. An earlier one leaves half of it for the
  // next, or more if its content was expected much sooner.
  const hasNext = number < MAX_ATTEMPTS && state.alternates.length > 0;
  const overdueAt = number < MAX_ATTEMPTS ? now + overdueMs : state.firstContentBy;
  if (!hasNext) return { contentBy: state.firstContentBy, overdueAt, startBy: state.lateUntil };
  const contentBy = Math.min(now + left / 2, overdueAt);
  return { contentBy, overdueAt, startBy: contentBy };
}
