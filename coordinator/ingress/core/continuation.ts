import { type AttemptFailure, attemptOutcome, type Candidate } from '#bus-schemas';
import type { ApiErrorCode } from '#http-api/errors.ts';
import { dispatch, MAX_ATTEMPTS, nextAttempt, report } from './job-attempts.ts';
import {
  type Attempt,
  ended,
  type FailedAttempt,
  hasContent,
  type JobCommand,
  type JobState,
  over,
  stay,
  type Transition,
} from './job-state.ts';

/**
 * Continuations: attempts that continue an answer of which the client has received a part, on
 * another machine with the same build, from the tokens that arrived.
 *
 * If a machine failed, routing is asked for another one, and the stream is cut if there is none. If
 * a machine is only silent, before or in its answer, or overdue with its first content, it keeps the
 * job until routing has found another one: the silence may be that of the network around it, and
 * then no other machine can be found either.
 */

/** Shortest time between two searches for another machine, in milliseconds. */
const SEARCH_AGAIN_MS = 2_000;

/** A machine that failed so may have written anything, also what the client has received. */
const DISHONEST: ReadonlySet<AttemptFailure> = new Set(['unopenable_frame', 'protocol_violation']);

/**
 * Handles an attempt that failed: another provider begins the answer if the client has received
 * nothing, and continues it otherwise. If none can, the stream is cut.
 */
export function attemptFailed(state: JobState, lost: FailedAttempt, now: number): Transition {
  if (!state.committed) return nextAttempt(state, lost, now);
  const { attempt, failure, end } = lost;
  const cleanup = [
    ...(failure === 'refused' || end !== undefined ? [] : [cancel(attempt)]),
    report(lost),
  ];
  if (!isContinuable(state, lost, now)) {
    const cause = failure === 'out_of_memory' ? 'provider_out_of_memory' : 'stream_cut';
    return over(state, [...cleanup, ...cutShort(state, { now, cause, end })]);
  }
  const failed = [...state.failed, attempt.candidate.provider];
  // If a search has begun, its reply is awaited.
  const reserve = state.search === undefined ? [reserveFor(attempt, failed)] : [];
  return {
    state: { ...state, phase: 'reserving', failed, attempt: undefined, search: undefined },
    commands: [...cleanup, ...reserve],
  };
}

/** Routing has no machine that could continue the answer. */
export const nobodyContinues = (state: JobState, now: number): Transition =>
  over(state, cutShort(state, { now, cause: 'stream_cut', end: undefined }));

function cutShort(
  state: JobState,
  { now, cause, end }: { now: number; cause: ApiErrorCode } & Pick<FailedAttempt, 'end'>,
): JobCommand[] {
  return [
    { do: 'cut', code: now >= state.endBy ? 'timeout' : cause },
    ended('cut_short', state.served, hasContent(state) ? end : undefined),
  ];
}

const mayMove = (state: JobState, now: number): boolean =>
  state.committed && state.movable && state.attempts < MAX_ATTEMPTS && now < state.endBy;

const isContinuable = (state: JobState, lost: FailedAttempt, now: number): boolean =>
  mayMove(state, now) &&
  attemptOutcome(lost.failure, lost).retry &&
  !(hasContent(state) && DISHONEST.has(lost.failure));

/** Whether another machine may continue the answer, or begin it if the client has nothing of it. */
const maySearch = (state: JobState, now: number): boolean =>
  state.committed
    ? hasContent(state) && mayMove(state, now)
    : state.attempts < MAX_ATTEMPTS && now < state.firstContentBy;

/** Looks for another machine, because the one that has the job is silent or overdue. */
export function searchBeside(
  state: JobState,
  { attempt, because }: { attempt: Attempt; because: 'silent' | 'overdue' },
  now: number,
): Transition {
  if (isWanted(state)) return stay(state);
  if (state.search === 'unneeded') return stay({ ...state, search: because });
  if (!maySearch(state, now) || now < state.searchFrom) return stay(state);
  const exclude = [...state.failed, attempt.candidate.provider];
  return {
    state: { ...state, search: because },
    commands: [state.committed ? reserveFor(attempt, exclude) : { do: 'reserve', exclude }],
  };
}

/** Whether another machine would take over. */
export const isWanted = ({ search }: Pick<JobState, 'search'>): boolean =>
  search === 'silent' || search === 'overdue';

/** The silent machine was heard again, so it keeps the job. */
export const searchUnneeded = (state: JobState): Transition =>
  stay(state.search === 'silent' ? { ...state, search: 'unneeded' } : state);

/** The reply to a search: its first candidate takes over if it is still wanted. */
export function searchReplied(
  state: JobState,
  attempt: Attempt,
  { candidates, now }: { candidates: readonly Candidate[]; now: number },
): Transition {
  const settled: JobState = { ...state, search: undefined, searchFrom: now + SEARCH_AGAIN_MS };
  const [next] = candidates;
  if (!isWanted(state) || next === undefined || !maySearch(state, now)) return stay(settled);
  if (!state.committed)
    return nextAttempt(
      { ...settled, alternates: candidates, plannedAt: now },
      { attempt, failure: state.search === 'overdue' ? 'first_content_late' : 'stalled' },
      now,
    );
  const failed = [...state.failed, attempt.candidate.provider];
  const dispatched = dispatch({ ...settled, failed, alternates: [] }, next, now);
  return {
    state: dispatched.state,
    commands: [
      cancel(attempt),
      report({ attempt, failure: 'stalled' }, next.provider),
      ...dispatched.commands,
    ],
  };
}

const cancel = (attempt: Attempt): JobCommand => ({ do: 'cancel', attempt, reason: 'fault' });

const reserveFor = ({ candidate }: Attempt, exclude: readonly string[]): JobCommand => ({
  do: 'reserve',
  exclude,
  build: candidate.build,
});
