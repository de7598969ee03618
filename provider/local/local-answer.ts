import type { ServerResponse } from 'node:http';
import { attemptOutcome } from '#bus-schemas';
import type { Answer } from '#http-api/answer.ts';
import { StreamAnswer, WholeAnswer } from '#http-api/answer-writers.ts';
import { ApiError } from '#http-api/errors.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import {
  type Engine,
  type GenerationRequest,
  RequestRefused,
  type Sequence,
} from '../engine/engine.ts';
import { withPromptUsage } from '../engine/prompt-usage.ts';

interface Beginning {
  readonly engine: Engine;
  readonly request: GenerationRequest;
  readonly answer: Answer;
  readonly response: ServerResponse;
}

type WriterOptions = ConstructorParameters<typeof StreamAnswer>[0];

const HEARTBEAT_MS = 15_000;
/** Requests of the owner's programs at the same time. */
const MAX_RUNNING = 64;

/** Passes the answers of the engine to programs on this machine. */
export class LocalAnswers {
  readonly #memory: MemoryBudget;
  #running = 0;

  constructor(memory: MemoryBudget) {
    this.#memory = memory;
  }

  answerFor(options: WriterOptions, isStreamed: boolean): Answer {
    return isStreamed
      ? new StreamAnswer(options, HEARTBEAT_MS)
      : new WholeAnswer(options, this.#memory);
  }

  /**
   * Runs a request, and writes its answer no faster than its client reads. The answer ends once:
   * complete, with an error, or when the client closes its connection.
   */
  begin({ engine, request, answer, response }: Beginning): void {
    if (this.#running >= MAX_RUNNING) return answer.reject(new ApiError('saturated'));
    this.#running += 1;
    let hasBegun = false;
    let hasEnded = false;
    let sequence: Sequence | undefined;
    const end = (write: () => void) => {
      if (hasEnded) return;
      hasEnded = true;
      this.#running -= 1;
      response.off('close', gone);
      write();
    };
    const gone = () =>
      end(() => {
        sequence?.cancel();
      });
    const fail = (error: ApiError) =>
      end(() => (hasBegun ? answer.cut(error) : answer.reject(error)));
    response.on('drain', () => sequence?.resume());
    response.once('close', gone);
    try {
      const sink = withPromptUsage({
        delta: (delta) => {
          if (hasEnded) return;
          hasBegun = true;
          const room = answer.write([delta]);
          if (room === 'wait') sequence?.pause();
          if (room !== 'full') return;
          sequence?.cancel();
          fail(
            new ApiError(
              'service_unavailable',
              'The memory for whole answers is full. Set stream to true.',
            ),
          );
        },
        end: (finish, usage, facts = {}) => {
          const { about } = facts;
          if (finish === 'out_of_memory') return fail(new ApiError('provider_out_of_memory'));
          if (finish === 'error')
            return fail(new ApiError(attemptOutcome('engine_error', { about }).error));
          end(() => answer.finish({ finish, usage, ...facts }));
        },
        refuse: (refusal) => fail(errorOf(refusal)),
      });
      sequence = engine.generate(request, sink);
    } catch (error) {
      fail(
        error instanceof RequestRefused
          ? errorOf(error)
          : new ApiError('internal_error', undefined, { cause: error }),
      );
    }
    if (response.destroyed) gone();
  }
}

const errorOf = ({ code, about, detail }: RequestRefused): ApiError =>
  new ApiError(attemptOutcome('refused', { refusal: code, about }).error, detail);
