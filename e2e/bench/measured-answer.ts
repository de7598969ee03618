import { isDeepStrictEqual } from 'node:util';
import { changedDecoder } from '#provider/engine/decoders/changed-decoder-under-test.ts';
import type { Decoder } from '#provider/engine/decoders/decoder.ts';
import { Scheduler } from '#provider/engine/scheduling/scheduler.ts';
import type { Speeds } from '#provider/engine/scheduling/speeds.ts';
import type { Task } from '#provider/engine/scheduling/task.ts';
import type { DraftSource } from '#provider/engine/speculation/draft-source.ts';
import { show, spread } from './statistics.ts';

interface MeasuredAnswer {
  readonly tokens: readonly number[];
  readonly tookMs: number;
  readonly processorMs: number;
  readonly steps: number;
  readonly draftedTokens: number;
}

interface AnswerOptions {
  readonly decoder: Decoder;
  readonly pages: number;
  /** Number of state slots; 0 for a model without states. */
  readonly states: number;
  readonly maxTokens: number;
  readonly speeds: Speeds;
  readonly prompt: readonly number[];
  readonly tokens: number;
  readonly isEnd: (token: number) => boolean;
  /** The clock by which drafts are decided; by default, that of the wall. */
  readonly clock?: () => number;
  /** The source of drafts; without it, none are made. */
  readonly source?: (task: Task, pages: Int32Array) => DraftSource;
}

/** Answers a prompt, and measures from the first token of the answer to its last one. */
export async function measuredAnswer({
  decoder,
  prompt,
  tokens,
  isEnd,
  source,
  clock = () => performance.now(),
  ...limits
}: AnswerOptions): Promise<MeasuredAnswer> {
  const scheduler = new Scheduler({
    ...limits,
    decoder: changedDecoder(decoder, {
      step: (step) => {
        steps += 1;
        draftedTokens += Math.max(0, step.outputs.length - 1);
        return decoder.step(step);
      },
    }),
    maxRunning: 1,
    prefillMs: 100,
    clock,
    ...(source && {
      drafter: { begin: (task, pages) => [source(task, pages)], keep: async () => {} },
    }),
    onFailure: (error) => {
      throw error;
    },
  });
  const made: number[] = [];
  let [steps, draftedTokens] = [0, 0];
  let [began, used] = [0, process.cpuUsage()];
  const ended = await new Promise<number>((resolve) => {
    scheduler.submit({
      prompt,
      maxTokens: tokens,
      scope: 'bench',
      wantsLogits: false,
      choose: (best) => {
        if (made.length === 0) [began, used, steps] = [performance.now(), process.cpuUsage(), 0];
        if (isEnd(best)) return undefined;
        made.push(best);
        return best;
      },
      end: () => resolve(performance.now()),
    });
  });
  const { user, system } = process.cpuUsage(used);
  await scheduler.close();
  return {
    tokens: made,
    tookMs: ended - began,
    processorMs: (user + system) / 1_000,
    steps,
    draftedTokens,
  };
}

/** Says how many times faster drafts are. Throws if the answers are not those without drafts. */
export function comparisonOf(
  kind: string,
  rounds: readonly { readonly plain: MeasuredAnswer; readonly drafted: MeasuredAnswer }[],
): string {
  if (!rounds.every(({ plain, drafted }) => isDeepStrictEqual(plain.tokens, drafted.tokens)))
    throw new Error(`the answers with ${kind} differ from those without`);
  const factor = (of: 'tookMs' | 'processorMs') =>
    show(spread(rounds.map(({ plain, drafted }) => plain[of] / drafted[of])));
  const steps = show(spread(rounds.map(({ drafted }) => drafted.steps)), 0);
  const drafted = show(spread(rounds.map(({ drafted }) => drafted.draftedTokens)), 0);
  return `processor time ${factor('processorMs')}×  time ${factor('tookMs')}×  ${steps} steps, ${drafted} drafted`;
}
