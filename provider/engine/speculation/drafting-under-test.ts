import { changedDecoder } from '../decoders/changed-decoder-under-test.ts';
import type { Decoder, DraftStep } from '../decoders/decoder.ts';
import { unguarded } from '../guarded-work.ts';
import { Scheduler } from '../scheduling/scheduler.ts';
import type { Running } from '../scheduling/task.ts';
import { DraftAssistant } from './draft-assistant.ts';
import { DraftHead } from './draft-head.ts';
import { RepeatedText } from './repeated-text.ts';

interface Options {
  readonly decoder: Decoder;
  readonly vocabulary: number;
  readonly pages: number;
  readonly maxTokens: number;
  readonly maxRunning: number;
  /** The part of the model that drafts; without it, nothing is drafted. */
  readonly drafter?: 'head' | 'assistant';
  /** True if repeated text is drafted too, before the drafter is asked. */
  readonly repeatsText?: boolean;
  /** Changes what the drafter drafts. */
  readonly change?: (best: Int32Array) => Int32Array | Promise<Int32Array>;
}

export interface CountedAnswers {
  readonly scheduler: Scheduler;
  readonly steps: number;
  /** Number of passes through the drafter. */
  readonly drafts: number;
  readonly failures: readonly unknown[];
  /** The answer is cancelled after its token number `cancelAfter`. */
  answer(
    prompt: readonly number[],
    maxTokens: number,
    scope?: string,
    cancelAfter?: number,
  ): Answer;
}

interface Answer {
  readonly running: Running;
  readonly tokens: Promise<readonly number[]>;
}

/** Answers of a model on a clock on which each of its steps takes 100 ms and each draft 5 ms. */
export function answersOf({
  decoder,
  vocabulary,
  drafter,
  repeatsText = false,
  change,
  ...limits
}: Options): CountedAnswers {
  let [steps, drafts] = [0, 0];
  const clock = () => 100 * steps + 5 * drafts;
  const failures: unknown[] = [];
  const speeds = { prefillTps: 10_000, decodeTps: 10 };
  const common = {
    draft: async (step: DraftStep) => {
      drafts += 1;
      const best = await decoder.draft(step);
      return change ? change(best) : best;
    },
    vocabulary,
    speeds,
    guard: unguarded,
    clock,
    onFailure: (error: unknown) => failures.push(error),
  };
  const { maxTokens } = limits;
  const head = new DraftHead({ ...common, maxTokens, times: { stepMs: 5, readMs: 0.1 } });
  const assistant = new DraftAssistant({ ...common, stepMs: 5 });
  const scheduler = new Scheduler({
    decoder: changedDecoder(decoder, {
      step: (step) => {
        steps += 1;
        return decoder.step(step);
      },
    }),
    ...limits,
    // A model with an assistant has no states.
    states: drafter === 'assistant' ? 0 : 2 * limits.maxRunning + 2,
    prefillMs: 100,
    speeds,
    clock,
    ...(drafter !== undefined && {
      drafter: {
        begin: (task, pages, all) => [
          ...(repeatsText ? [new RepeatedText()] : []),
          drafter === 'assistant' ? assistant.begin(all) : head.begin(task, pages),
        ],
        keep: async () => {},
      },
    }),
    onFailure: (error) => {
      throw error;
    },
  });
  return {
    scheduler,
    get steps() {
      return steps;
    },
    get drafts() {
      return drafts;
    },
    failures,
    answer: (prompt, maxTokens, scope = 'one', cancelAfter = Number.POSITIVE_INFINITY) => {
      const ended = Promise.withResolvers<readonly number[]>();
      const tokens: number[] = [];
      const running = scheduler.submit({
        prompt,
        maxTokens,
        scope,
        wantsLogits: false,
        choose: (best) => {
          tokens.push(best);
          if (tokens.length === cancelAfter) running.cancel();
          return best;
        },
        end: () => ended.resolve(tokens),
      });
      return { running, tokens: ended.promise };
    },
  };
}
