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
import type { ApiErrorCode } from '../errors.ts';
import type { Piece } from './piece.ts';

/** The state, events and commands of a job: the vocabulary of its state machine (job.ts). */

type JobPhase = 'reserving' | 'holding' | 'serving' | 'draining' | 'leaving' | 'over';

export interface Attempt {
  readonly number: number;
  readonly candidate: Candidate;
  /** Ends a provider that took the job but gives nothing. */
  readonly contentBy: number;
  /**
   * A provider that cannot begin by then refuses. Later than `contentBy` where no other candidate
   * is left: late is better than never.
   */
  readonly startBy: number;
  /**
   * The client has to have sealed its request for this provider by then; undefined once it has, and
   * where it need not.
   */
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

export interface Lost {
  readonly attempt: Attempt;
  readonly failure: AttemptFailure;
  readonly refusal?: Refusal | undefined;
  readonly about?: RefusalAbout | undefined;
  /**
   * The reason that the provider gives to the client. It may quote the request, so it goes nowhere
   * else.
   */
  readonly detail?: string | undefined;
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
  | { type: 'hold_refused'; code: HoldRefusal | 'unavailable'; shortage?: KeyShortage | undefined }
  | {
      type: 'refused';
      attempt: number;
      reason: Refusal;
      retryAfterMs: number;
      about?: RefusalAbout | undefined;
      detail?: string | undefined;
    }
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
  | {
      do: 'ended';
      result: JobResult;
      served: Attempt | undefined;
      finish?: Finish;
      usage?: Usage;
      receipt?: Receipt;
    };

export interface Step {
  readonly state: JobState;
  readonly commands: readonly JobCommand[];
}

/** Where everybody is late: so many times the usual wait for the first content. */
const LATE_FACTOR = 4;

export function newJob(options: {
  streamed: boolean;
  clientSeals?: boolean;
  now: number;
  firstContentMs: number;
  jobTimeoutMs: number;
}): Step {
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

export function ended(
  result: JobResult,
  served: Attempt | undefined,
  end?: AttemptEnd,
): JobCommand {
  if (end === undefined) return { do: 'ended', result, served };
  const { finish, usage, receipt } = end;
  return { do: 'ended', result, served, finish, usage, ...(receipt && { receipt }) };
}

export function over(state: JobState, commands: readonly JobCommand[]): Step {
  return { state: { ...state, phase: 'over' }, commands };
}

export function stay(state: JobState): Step {
  return { state, commands: [] };
}
