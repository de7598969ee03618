import type { Answer, ServingDetails } from '#http-api/answer.ts';
import type { AttemptEnd } from '#http-api/core/attempt-end.ts';
import { mayFallBack } from '#http-api/core/fallback-models.ts';
import type { Piece } from '#http-api/core/piece.ts';
import { ApiError } from '#http-api/errors.ts';

/**
 * The answer of a job that another model can replace while nothing has been sent. `fallBack`
 * receives the error, and sends it if no other model can answer either.
 */
class FallbackAnswer implements Answer {
  readonly #answer: Answer;
  readonly #fallBack: (error: ApiError) => void;

  constructor(answer: Answer, fallBack: (error: ApiError) => void) {
    this.#answer = answer;
    this.#fallBack = fallBack;
  }

  serving(details: ServingDetails): void {
    this.#answer.serving(details);
  }

  write(pieces: readonly Piece[]): 'more' | 'wait' | 'full' {
    return this.#answer.write(pieces);
  }

  discard(): void {
    this.#answer.discard();
  }

  finish(end: AttemptEnd): void {
    this.#answer.finish(end);
  }

  reject(error: ApiError): void {
    if (mayFallBack(error)) this.#fallBack(error);
    else this.#answer.reject(error);
  }

  cut(error: ApiError): void {
    this.#answer.cut(error);
  }
}

interface FallbackSteps<Job> {
  readonly prepare: (model: unknown) => Promise<Job>;
  readonly answer: (job: Job) => Answer;
  readonly start: (job: Job, answer: Answer) => void;
  /** Whether the client has left. */
  readonly isGone: () => boolean;
  /** Receives a job that failed when the job of another model has been started in its place. */
  readonly onReplaced: (job: Job) => void;
  /** Receives an error that is a fault of this program. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Starts the job of the first model that can be prepared. If the job fails before its first
 * content, the job of the next model follows. The client gets the error of the last model that was
 * started, or of the first one if none could be.
 */
export async function answerWithFirst<Job>(
  models: readonly unknown[],
  steps: FallbackSteps<Job>,
): Promise<void> {
  const { job, rest } = await firstPrepared(models, steps.prepare);
  const answer = steps.answer(job);
  const fallBack = async (error: ApiError) => {
    try {
      if (steps.isGone()) return answer.reject(error);
      await answerWithFirst(rest, steps);
      answer.discard();
      steps.onReplaced(job);
    } catch (failure) {
      if (!(failure instanceof ApiError)) steps.onFailure(failure);
      answer.reject(error);
    }
  };
  steps.start(
    job,
    rest.length === 0 ? answer : new FallbackAnswer(answer, (error) => void fallBack(error)),
  );
}

async function firstPrepared<Job>(
  models: readonly unknown[],
  prepare: (model: unknown) => Promise<Job>,
): Promise<{ job: Job; rest: readonly unknown[] }> {
  let first: unknown;
  for (const [index, model] of models.entries()) {
    try {
      return { job: await prepare(model), rest: models.slice(index + 1) };
    } catch (error) {
      first ??= error;
      if (!(error instanceof ApiError && mayFallBack(error))) break;
    }
  }
  throw first;
}
