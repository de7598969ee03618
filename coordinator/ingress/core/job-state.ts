import type {
  AttemptFailure,
  CancelReason,
  Candidate,
  Finish,
  HoldRefusal,
  JobResult,
  KeyShortage,
  Receipt,
  Refusal,
  RefusalAbout,
  RoutingRefusal,
  Usage,
} from '#bus-schemas';
import type { AttemptEnd } from '#http-api/core/attempt-end.ts';
import type { Piece } from '#http-api/core/piece.ts';
import type { ApiErrorCode } from '#http-api/errors.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import { type Deadlines, deadlinesOf, type JobTimes } from './deadlines.ts';

/** The state, events and commands of the state machine of a job (job.ts). */

type JobPhase = 'reserving' | 'holding' | 'serving' | 'draining' | 'leaving' | 'over';

export interface Attempt {
  readonly number: number;
  readonly candidate: Candidate;
  /** The attempt fails without content by this time, even if the provider has accepted the job. */
  readonly contentBy: number;
  /**
   * From this time on another provider is looked for beside this one, unless the attempt has failed
   * by then: routing knew no alternate when it began.
   */
  readonly overdueAt: number;
  /**
   * A provider that cannot begin by this time refuses the job. It is later than `contentBy` for the
   * last candidate, since a late answer is better than none.
   */
  readonly startBy: number;
  /**
   * The client must seal its request for this provider by this time; undefined after it has, and
   * where the ingress seals.
   */
  readonly sealBy: number | undefined;
}

export interface JobState extends Deadlines {
  readonly phase: JobPhase;
  readonly streamed: boolean;
  /**
   * The client seals the request for each provider that is tried, and the ingress cannot read it.
   */
  readonly clientSeals: boolean;
  /** A slot may be reserved, so routing must receive the end of the job to release it. */
  readonly reserved: boolean;
  /** The money is set aside. Another machine than the first needs its top-up only. */
  readonly held: boolean;
  readonly attempt: Attempt | undefined;
  readonly attempts: number;
  readonly alternates: readonly Candidate[];
  /** Time at which routing returned `alternates`, in milliseconds. */
  readonly plannedAt: number;
  readonly failed: readonly string[];
  /** Those of `failed` that only had no room. */
  readonly full: readonly string[];
  /** The client has received its status line, so its answer cannot begin again. */
  readonly committed: boolean;
  /** The last attempt whose content was written to the client. */
  readonly served: Attempt | undefined;
  /** Another provider can continue the answer, because its tokens are known (continuation.ts). */
  readonly movable: boolean;
  /**
   * Why routing was asked for another provider while one has the job: that one is silent, or overdue
   * with its first content. `unneeded` once it was heard again or began, undefined after the reply.
   */
  readonly search: 'silent' | 'overdue' | 'unneeded' | undefined;
  /** No search for another provider begins before this time. */
  readonly searchFrom: number;
  /** Commands for the end of the job that wait for a reply of routing. */
  readonly owed: readonly JobCommand[];
  readonly deliveredTokens: number;
  readonly lastContentAt: number;
  /** The client's socket is full, so silence on the stream is not the provider's fault. */
  readonly clientBlocked: boolean;
  /** Time at which a draining job stops waiting for the provider's end, in milliseconds. */
  readonly drainBy: number;
  /** The error that the client gets if no further provider is tried. */
  readonly lastError: ApiErrorCode;
  /** Wait that an error demands before a repetition: the newest that a provider stated. */
  readonly retryAfterMs: number;
}

export interface FailedAttempt {
  readonly attempt: Attempt;
  readonly failure: AttemptFailure;
  readonly refusal?: Refusal | undefined;
  readonly about?: RefusalAbout | undefined;
  /**
   * The provider's reason, for the client. It may quote the request, so it must not reach logs,
   * metrics or events.
   */
  readonly detail?: string | undefined;
  /** The end that the provider stated, if it stated one. */
  readonly end?: AttemptEnd | undefined;
}

export type JobEvent =
  | { type: 'reserved'; candidates: readonly Candidate[] }
  | {
      type: 'routing_refused';
      code: RoutingRefusal | 'unavailable';
      retryAfterMs: number;
      gate?: string | undefined;
    }
  | { type: 'held' }
  | {
      type: 'hold_refused';
      code: HoldRefusal | 'unavailable';
      shortage?: KeyShortage | undefined;
      owedMicroUsd?: number | undefined;
    }
  | {
      type: 'refused';
      attempt: number;
      reason: Refusal;
      retryAfterMs: number;
      about?: RefusalAbout | undefined;
      detail?: string | undefined;
    }
  | {
      type: 'content';
      attempt: number;
      pieces: readonly Piece[];
      tokens: number;
      /** Another provider could continue the answer after this content. */
      movable?: boolean;
    }
  /** The provider of a running answer has not been heard for some seconds. */
  | { type: 'silent'; attempt: number }
  /** The provider was heard again after a silence. */
  | { type: 'heard'; attempt: number }
  | ({ type: 'end'; attempt: number } & AttemptEnd)
  | { type: 'attempt_failed'; attempt: number; failure: AttemptFailure }
  /** Routing has lost this provider: it was removed, or its connection is gone. */
  | { type: 'provider_lost'; provider: string }
  /** The client has sealed its request for the provider of this attempt. */
  | { type: 'sealed'; attempt: number }
  /** The answers that are collected whole have used up the memory that they share. */
  | { type: 'answer_full' }
  | { type: 'client_blocked' }
  | { type: 'client_ready' }
  | { type: 'client_gone' }
  /** The ingress stops and cannot wait for the answer any longer. */
  | { type: 'ingress_stops' }
  /** `isPatient` is true if the budget for late attempts does not allow one more cut. */
  | { type: 'timer'; isPatient?: boolean };

export type JobCommand =
  /** `build` is the only one that may serve: the one that began the answer. */
  | { do: 'reserve'; exclude: readonly string[]; build?: string }
  | { do: 'hold'; provider: string }
  | { do: 'dispatch'; attempt: Attempt }
  | { do: 'cancel'; attempt: Attempt; reason: CancelReason }
  | ({ do: 'report_attempt'; next?: string } & Omit<FailedAttempt, 'detail' | 'end'>)
  | { do: 'write'; pieces: readonly Piece[]; tokens: number }
  /** Drops the collected output of a failed attempt, of which the client has received nothing. */
  | { do: 'discard' }
  | ({ do: 'finish' } & AttemptEnd)
  | { do: 'reject'; code: ApiErrorCode; retryAfterMs: number; message?: string | undefined }
  | { do: 'cut'; code: ApiErrorCode }
  | {
      do: 'ended';
      result: JobResult;
      served: Attempt | undefined;
      finish?: Finish;
      usage?: Usage;
      receipt?: Receipt;
    };

export interface Transition {
  readonly state: JobState;
  readonly commands: readonly JobCommand[];
}

export function newJob(options: {
  streamed: boolean;
  clientSeals?: boolean;
  now: number;
  promptTokens: number;
  times: JobTimes;
}): Transition {
  return {
    state: {
      phase: 'reserving',
      streamed: options.streamed,
      clientSeals: options.clientSeals === true,
      ...deadlinesOf(options),
      reserved: false,
      held: false,
      attempt: undefined,
      attempts: 0,
      alternates: [],
      plannedAt: options.now,
      failed: [],
      full: [],
      committed: false,
      served: undefined,
      movable: false,
      search: undefined,
      searchFrom: options.now,
      owed: [],
      deliveredTokens: 0,
      lastContentAt: options.now,
      clientBlocked: false,
      drainBy: 0,
      lastError: 'no_provider',
      retryAfterMs: RETRY_AFTER_MS.unstated,
    },
    commands: [{ do: 'reserve', exclude: [] }],
  };
}

export function ended(
  result: JobResult,
  served: Attempt | undefined,
  end?: AttemptEnd,
): JobCommand {
  if (end === undefined) return { do: 'ended', result, served };
  const { finish, usage, receipt } = end;
  return { do: 'ended', result, served, finish, usage, ...(receipt && { receipt }) };
}

/**
 * Ends the job. If routing was asked for another provider, the end waits for the reply: a slot that
 * is reserved after the end would stay reserved.
 */
export function over(state: JobState, commands: readonly JobCommand[]): Transition {
  if (state.search === undefined) return { state: { ...state, phase: 'over' }, commands };
  const owed = commands.filter((command) => command.do === 'ended');
  return {
    state: { ...state, phase: 'leaving', search: undefined, owed },
    commands: commands.filter((command) => command.do !== 'ended'),
  };
}

/** Whether the client has received a part of the answer from the current attempt. */
export const hasContent = ({ served, attempt }: Pick<JobState, 'served' | 'attempt'>): boolean =>
  served !== undefined && served.number === attempt?.number;

export function stay(state: JobState): Transition {
  return { state, commands: [] };
}
