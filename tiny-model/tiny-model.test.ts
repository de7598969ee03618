import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { InferenceRequest } from '#bus-schemas';
import {
  backendsUnderTest,
  generateGreedily,
  unrounded,
} from '#provider/engine/decoders/decoder-under-test.ts';
import { type Answer, begin } from '#provider/engine/engine-under-test.ts';
import { ModelEngine } from '#provider/engine/model-engine.ts';
import { thisMachine } from '#provider/machine.ts';
import { type Model, openModel } from '#provider/models/model.ts';
import { TINY_MODEL_FOLDER, tinyModel } from './mod.ts';

interface Question {
  readonly kind: string;
  readonly messages: InferenceRequest['chat']['messages'];
  readonly tools?: InferenceRequest['chat']['tools'];
  readonly right: {
    content: string;
    tool_calls?: { function: { name: string; arguments: Record<string, unknown> } }[];
  };
}

/** Questions that the model was never trained on; model/training/export.py chose them. */
const questions: readonly Question[] = readFileSync(
  join(TINY_MODEL_FOLDER, 'held-out.jsonl'),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const LEAST_RIGHT = 0.95;
/** Each engine gets every n-th question; n is larger for slow engines. */
const EVERY: Readonly<Record<string, number>> = { cpu: 1, webgpu: 20, mlx: 10, reference: 10 };
const AT_ONCE = 16;
const LONG = 256;
const PROMPTS = [
  'Count from 1 to 60.',
  'Hello',
  'Spell wonderful backwards.',
  'Say one, two, three, four',
];

// These answers are long, so fast kernels are worth the time that compiling them takes.
vi.stubEnv('GALLIVM_PERF', '');

const log = { info: () => {}, error: (_: object, what: string) => console.error(what) };

let model: Model;
let folder: string;
beforeAll(async () => {
  model = await openModel(TINY_MODEL_FOLDER);
  folder = await mkdtemp(join(tmpdir(), 'dinf-tiny-'));
});
afterAll(() => rm(folder, { recursive: true }));

const ask = (engine: ModelEngine, { messages, tools }: Question): Promise<Answer> =>
  begin(engine, {
    build: model.build,
    chat: { messages, max_tokens: 400, ...(tools && { tools }) },
    maxTokens: 400,
  }).answer;

function isRight({ right }: Question, { text, calls }: Answer): boolean {
  const wanted =
    right.tool_calls?.map(
      ({ function: { name, arguments: args } }) => `${name} ${JSON.stringify(args)}`,
    ) ?? [];
  const got = calls.map(({ name, text: args }) => `${name} ${JSON.stringify(JSON.parse(args))}`);
  return text === right.content && got.join() === wanted.join();
}

test('the catalog entry matches the files of the model', () => {
  expect(tinyModel.builds).toEqual([model.build]);
  expect(tinyModel.contextTokens).toBe(model.shape.contextTokens);
  expect(tinyModel.traits).toEqual(model.traits);
  expect(tinyModel.weights).toEqual({ [model.build]: Buffer.from(model.digest).toString('hex') });
});

for (const { name, create } of backendsUnderTest) {
  const opened = await create();
  describe.skipIf('reason' in opened)(
    `on ${name}${'reason' in opened ? ` (${opened.reason})` : ''}`,
    () => {
      if ('reason' in opened) return;
      const { backend } = opened;

      test('the model answers at least 95 % of the held-out questions correctly', async () => {
        const engine = new ModelEngine({
          backend,
          models: [model],
          machine: thisMachine(),
          memoryBytes: 1e9,
          maxConcurrency: AT_ONCE,
          idleMs: 0,
          log,
        });
        await engine.loadAll();
        const left = questions.filter((_, i) => i % (EVERY[name] ?? 1) === 0);
        const asked = left.length;
        const wrong: string[] = [];
        const worker = async () => {
          for (let question = left.pop(); question !== undefined; question = left.pop()) {
            const answer = await ask(engine, question);
            if (!isRight(question, answer))
              wrong.push(`${question.kind}: ${JSON.stringify(answer)}`);
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
        expect(1 - wrong.length / asked, wrong.join('\n')).toBeGreaterThanOrEqual(LEAST_RIGHT);
        await engine[Symbol.asyncDispose]();
      }, 240_000);
    },
  );
}

describe('the engines agree', () => {
  /**
   * Greedy tokens of one backend for every prompt, including the tokens after the end of the
   * answer.
   */
  async function tokensOf(
    create: (typeof backendsUnderTest)[number]['create'],
    of: Pick<Model, 'shape' | 'weights' | 'weightBytes'>,
  ): Promise<number[][] | undefined> {
    const opened = await create();
    if ('reason' in opened) return undefined;
    const { backend } = opened;
    const decoder = await backend.load({ model: of, pages: 20, maxTokens: 128 });
    const all: number[][] = [];
    for (const content of PROMPTS) {
      const prompt = model.tokenizer.encode(
        model.template.render({ messages: [{ role: 'user', content }], max_tokens: LONG }),
      );
      all.push(
        await generateGreedily(decoder, {
          prompt,
          count: LONG,
          pages: Array.from({ length: 20 }, (_, page) => page),
        }),
      );
    }
    await decoder[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    return all;
  }
  const others = backendsUnderTest.filter(({ name }) => name !== 'cpu');
  const [cpu] = backendsUnderTest.filter(({ name }) => name === 'cpu');

  for (const { name, create } of others) {
    test(`${name} and cpu: 256 greedy tokens are the same in full precision, and 99 in 100 in 4 bits`, async (context) => {
      const full = await unrounded(model, join(folder, 'full.safetensors'));
      const [ofCpu, ofOther] = [
        await tokensOf((cpu as (typeof others)[number]).create, full),
        await tokensOf(create, full),
      ];
      if (ofCpu === undefined || ofOther === undefined)
        return context.skip('one of the two engines does not run on this machine');
      expect(ofOther).toEqual(ofCpu);
      const [roundedOfCpu, roundedOfOther] = [
        await tokensOf((cpu as (typeof others)[number]).create, model),
        await tokensOf(create, model),
      ];
      const same =
        roundedOfCpu?.flat().filter((token, i) => token === roundedOfOther?.flat()[i]).length ?? 0;
      expect(same / (PROMPTS.length * LONG)).toBeGreaterThanOrEqual(0.99);
    }, 240_000);
  }
});
