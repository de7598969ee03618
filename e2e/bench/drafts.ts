import { isDeepStrictEqual } from 'node:util';
import { prepareRealModels } from '#cli/up/real-models.ts';
import type { Backend, Decoder } from '#provider/engine/decoders/decoder.ts';
import { createCpuBackend } from '#provider/engine/decoders/native-decoder.ts';
import { tryOut } from '#provider/engine/decoders/try-out.ts';
import { Scheduler } from '#provider/engine/scheduling/scheduler.ts';
import { RepeatedText } from '#provider/engine/speculation/repeated-text.ts';
import { type Model, openModel } from '#provider/models/model.ts';
import { show, spread } from './statistics.ts';

const say = (line = '') => console.log(line);

const sizes = {
  full: { rounds: 9, tokens: 200 },
  smoke: { rounds: 1, tokens: 24 },
} as const;
const PAGES = 64;

const PARAGRAPH =
  'The harbour master keeps a list of all boats that arrive in the morning. Each boat has a name, a captain and a number of crates. The crates are weighed on the quay, and the weight is written beside the name. In the afternoon the list goes to the office, where a clerk compares it with the bills. If a weight is missing, the clerk walks back to the quay and asks the captain.';
const CODE =
  'function total(items) {\n  let sum = 0;\n  for (const item of items) {\n    if (item.price > 0) {\n      sum += item.price * item.count;\n    }\n  }\n  return sum;\n}';

/** Requests whose answers repeat their prompt, and one whose answer repeats little. */
const requests = [
  ['repeat a text', `Repeat this text word for word:\n\n${PARAGRAPH}`],
  ['repeat code', `Print this code again without any change:\n\n${CODE}`],
  ['count', 'Count from 1 to 100, one number in each line, and write nothing else.'],
  ['a story', 'Write a long story about a lighthouse, a storm and a lost dog.'],
  ['an explanation', 'Explain why the sky is blue and why sunsets are red.'],
] as const;

interface Answer {
  readonly tokens: readonly number[];
  readonly tookMs: number;
  readonly processorMs: number;
  readonly steps: number;
}

/** Compares greedy answers of SmolLM2-135M-Instruct with and without drafts, in turns. */
export async function benchDrafts(size: keyof typeof sizes): Promise<void> {
  const { rounds, tokens } = sizes[size];
  const signal = new AbortController().signal;
  const [real] = await prepareRealModels('smollm2', { signal, say });
  const model = await openModel((real as { folder: string }).folder);
  // One thread, because its processor time is comparable while other programs run.
  const opened = createCpuBackend({ threads: 1, fine: true });
  if ('reason' in opened) throw new Error(opened.reason);
  await using backend = opened.backend;
  say(`${size} size; ${backend.device}; up to ${tokens} tokens, greedy, one answer at a time.`);
  say('How many times faster with drafts; median of the rounds (least–most).');
  for (const [name, content] of requests) {
    const prompt = model.tokenizer.encode(
      model.template.render({ messages: [{ role: 'user', content }], max_tokens: tokens }),
    );
    const [factors, processor]: [number[], number[]] = [[], []];
    const steps: number[] = [];
    let answer: Answer | undefined;
    for (let round = 0; round < rounds; round += 1) {
      const run = (hasDrafts: boolean) => answerOf({ backend, model, prompt, tokens, hasDrafts });
      // The order changes from round to round, because a warm machine becomes slower.
      const first = await run(round % 2 === 0);
      const second = await run(round % 2 === 1);
      const [drafted, plain] = round % 2 === 0 ? [first, second] : [second, first];
      if (!isDeepStrictEqual(drafted.tokens, plain.tokens))
        throw new Error(`${name}: the answers differ`);
      answer = plain;
      steps.push(drafted.steps);
      factors.push(plain.tookMs / drafted.tookMs);
      processor.push(plain.processorMs / drafted.processorMs);
    }
    say(
      `  ${name.padEnd(16)} processor time ${show(spread(processor))}×  time ${show(spread(factors))}×  ${answer?.tokens.length} tokens in ${show(spread(steps), 0)} steps`,
    );
  }
}

/** The time from the first token of the answer to its last one. */
async function answerOf({
  backend,
  model,
  prompt,
  tokens,
  hasDrafts,
}: {
  backend: Backend;
  model: Model;
  prompt: readonly number[];
  tokens: number;
  hasDrafts: boolean;
}): Promise<Answer> {
  await using decoder = await backend.load({ model, pages: PAGES, maxTokens: 512 });
  const clock = () => performance.now();
  const scheduler = new Scheduler({
    decoder: counted(decoder, () => (steps += 1)),
    pages: PAGES,
    maxTokens: 512,
    maxRunning: 1,
    prefillMs: 100,
    speeds: await tryOut(decoder, { vocabulary: model.shape.vocabulary, clock }),
    clock,
    ...(hasDrafts && { drafter: { begin: () => [new RepeatedText()], keep: async () => {} } }),
    onFailure: (error) => {
      throw error;
    },
  });
  const made: number[] = [];
  let steps = 0;
  let [began, used] = [0, process.cpuUsage()];
  const ended = await new Promise<number>((resolve) => {
    scheduler.submit({
      prompt,
      maxTokens: tokens,
      scope: 'bench',
      wantsLogits: false,
      choose: (best) => {
        if (made.length === 0) [began, used, steps] = [clock(), process.cpuUsage(), 0];
        if (model.endTokens.has(best)) return undefined;
        made.push(best);
        return best;
      },
      end: () => resolve(clock()),
    });
  });
  const { user, system } = process.cpuUsage(used);
  await scheduler.close();
  return { tokens: made, tookMs: ended - began, processorMs: (user + system) / 1_000, steps };
}

const counted = (decoder: Decoder, onStep: () => void): Decoder => ({
  memoryBytes: decoder.memoryBytes,
  cacheBytes: 0,
  keep: (pages, states) => decoder.keep(pages, states),
  save: (...saved) => decoder.save(...saved),
  restore: (...restored) => decoder.restore(...restored),
  step: (step) => {
    onStep();
    return decoder.step(step);
  },
  [Symbol.asyncDispose]: async () => {},
});
