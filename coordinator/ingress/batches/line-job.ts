import type { Logger } from 'pino';
import { MAX_SEALED_BYTES } from '#bus-schemas';
import { CollectedAnswer } from '#http-api/collected-answer.ts';
import { wantedChoices } from '#http-api/core/choices.ts';
import { invalid } from '#http-api/core/json.ts';
import type { AnswerContent } from '#http-api/core/surfaces/surface.ts';
import { ApiError, type ApiErrorCode } from '#http-api/errors.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import { SEAL_BYTES } from '../caller-cipher.ts';
import type { JobCaller } from '../http/job-admission.ts';
import { type PrepareDeps, prepareJob } from '../http/prepare-job.ts';
import type { Jobs } from '../jobs.ts';
import type { LineRequest } from './batch-dialect.ts';
import { checkLine } from './openai-batch.ts';

export interface LineJobDeps extends PrepareDeps {
  readonly jobs: Jobs;
  readonly memory: MemoryBudget;
  readonly log: Logger;
}

interface LineJob {
  readonly request: LineRequest;
  readonly caller: JobCaller;
  readonly scopeSecret: string;
  /** Stores the answer. The job is charged only if it returns true. Never rejects. */
  readonly keep: (answer: object, job: string) => Promise<boolean>;
}

/** An answer that is stored before it is charged. */
class KeptAnswer extends CollectedAnswer {
  #kept: Promise<boolean> | undefined;

  constructor(options: {
    readonly memory: MemoryBudget;
    readonly keep: (content: AnswerContent) => Promise<boolean>;
    readonly onEnd: (result: Promise<boolean> | ApiError) => void;
  }) {
    super({
      memory: options.memory,
      onEnd: (result) => {
        if (result instanceof ApiError) return options.onEnd(result);
        this.#kept = options.keep(result);
        options.onEnd(this.#kept);
      },
    });
  }

  kept(): Promise<boolean> {
    return this.#kept ?? Promise.resolve(false);
  }
}

/**
 * Runs the request of a line as a job. Returns undefined once its answer is stored, or else the
 * error; nothing is charged then. A fault of the program is the error of this line alone, so that it
 * does not stop the others.
 */
export async function runLine(
  { request: { surface, body }, caller, scopeSecret, keep }: LineJob,
  deps: LineJobDeps,
): Promise<ApiError | undefined> {
  try {
    checkLine(body);
    if (surface.choices !== undefined && wantedChoices(body).length > 1)
      throw invalid('n', 'A line of a batch has one choice. Send a line for each.');
    const prepared = await prepareJob({ surface, body, caller, secret: scopeSecret }, deps);
    if (prepared.refusal !== undefined) return prepared.refusal;
    const { spec, head } = prepared;
    const { promise, resolve } = Promise.withResolvers<boolean | ApiError>();
    const answer = new KeptAnswer({
      memory: deps.memory,
      keep: (content) => keep(surface.whole(head, content), spec.id),
      onEnd: resolve,
    });
    deps.jobs.start(spec, answer);
    const result = await promise;
    if (result instanceof ApiError) return result;
    return result ? undefined : new ApiError('service_unavailable');
  } catch (error) {
    if (error instanceof ApiError) return error;
    deps.log.error({ err: error }, 'a line of a batch could not be run');
    return new ApiError('internal_error', undefined, { cause: error });
  }
}

/** Errors that end when a machine is idle or a component is back. */
const PASSING: ReadonlySet<ApiErrorCode> = new Set<ApiErrorCode>([
  'saturated',
  'model_shed',
  'overloaded',
  'draining',
  'no_provider',
  'service_unavailable',
  'rate_limit_exceeded',
  'first_content_timeout',
]);
/** Tries of a line whose machines fail. */
const MAX_FAILURES = 5;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** The pauses between the attempts at one line. */
export class LineRetries {
  #failures = 0;
  #attempts = 0;

  /** The time until the next attempt in milliseconds; undefined if the error is the result. */
  pauseAfter(error: ApiError): number | undefined {
    if (!error.isRetryable) return undefined;
    if (!PASSING.has(error.code)) this.#failures += 1;
    if (this.#failures >= MAX_FAILURES) return undefined;
    const growing = FIRST_PAUSE_MS * 2 ** Math.min(this.#attempts, 6);
    this.#attempts += 1;
    const { retryAfterMs: wanted = growing } = error;
    return Math.min(LONGEST_PAUSE_MS, Math.max(growing, wanted));
  }
}

/** Whether a sealed result fits into one message of the bus. */
export const fitsInMessage = (result: object): boolean =>
  Buffer.byteLength(JSON.stringify(result)) + SEAL_BYTES <= MAX_SEALED_BYTES;
