import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { thisMachine } from '../../machine.ts';
import { type Model, openModel } from '../../models/model.ts';
import { changedDecoder } from '../decoders/changed-decoder-under-test.ts';
import type { Backend } from '../decoders/decoder.ts';
import { createCpuBackend } from '../decoders/native-decoder.ts';
import { createReferenceBackend } from '../decoders/reference-decoder.ts';
import { begin } from '../engine-under-test.ts';
import { ModelEngine } from '../model-engine.ts';
import { openDraftModels, withDrafter } from './open-draft-models.ts';

type Chat = Readonly<Record<string, unknown>>;

const tiny = await openModel(TINY_MODEL_FOLDER);
const MAX_TOKENS = 80;
const PERSON = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
  additionalProperties: false,
};

/** Answers requests one after the other, and counts the tokens that were drafted, and the passes that draft. */
async function answers(
  chats: readonly Chat[],
  drafts: 'none' | 'of the text' | 'of a model',
  model: Model = tiny,
) {
  let [steps, drafted, passes] = [0, 0, 0];
  const errors: string[] = [];
  const cpu = createCpuBackend({ threads: 1 });
  const plain = 'reason' in cpu ? createReferenceBackend() : cpu.backend;
  const backend: Backend = {
    ...plain,
    load: async (options) => {
      const decoder = await plain.load(options);
      return changedDecoder(decoder, {
        step: (step) => {
          steps += 1;
          drafted += Math.max(0, step.outputs.length - 1);
          return decoder.step(step);
        },
        draft: (step) => {
          passes += 1;
          return decoder.draft(step);
        },
      });
    },
  };
  await using engine = new ModelEngine({
    backend,
    models: [drafts === 'of a model' ? { ...model, drafter: model } : model],
    machine: thisMachine(),
    memoryBytes: 200e6,
    maxConcurrency: 1,
    idleMs: 0,
    drafts: drafts !== 'none',
    log: { info: () => {}, error: (_, message) => void errors.push(message) },
    // All steps take the same time, so that each draft that is right gains something.
    clock: () => 100 * steps,
  });
  await engine.loadAll();
  const results = [];
  for (const chat of chats) {
    const { answer } = begin(engine, {
      build: model.build,
      maxTokens: MAX_TOKENS,
      chat: {
        messages: [{ role: 'user', content: 'Count from 1 to 30.' }],
        max_tokens: MAX_TOKENS,
        ...chat,
      },
    });
    const { text, usage, finish, stopSequence, deltas } = await answer;
    const logprobs = deltas.flatMap((delta) => (delta.k === 'text' ? (delta.logprobs ?? []) : []));
    const tokens = deltas.reduce((sum, delta) => sum + delta.tokens, 0);
    results.push({ text, usage, finish, stopSequence, logprobs, tokens });
  }
  expect(errors).toEqual([]);
  return { results, drafted, passes };
}

const CHATS: readonly Chat[] = [
  { temperature: 0 },
  { temperature: 0.7, seed: 4 },
  { temperature: 1.5, top_p: 0.9, seed: 5 },
  { temperature: 0, frequency_penalty: -2 },
  { temperature: 0, frequency_penalty: 0.4, presence_penalty: 0.2 },
  { temperature: 0, repetition_penalty: 1.1 },
  { temperature: 0, logprobs: true, top_logprobs: 2 },
  { temperature: 0, stop: ['2, 13'] },
  {
    temperature: 0,
    response_format: { type: 'json_schema', json_schema: { name: 'person', schema: PERSON } },
  },
];

const FIXTURES = join(import.meta.dirname, '../fixtures');

/** Opens a model with the weights of a fixture, and the tokens and the template of the tiny model. */
async function withFixtureOf(name: string, use: (model: Model) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-drafts-'));
  try {
    await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
    for (const file of ['config.json', 'model.safetensors'])
      await cp(join(FIXTURES, name, file), join(folder, file));
    await use(await openModel(folder));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function expectSameAnswers(model: Model): Promise<void> {
  const plain = await answers(CHATS, 'none', model);
  expect(plain.passes).toBe(0);
  const drafted = await answers(CHATS, 'of the text', model);
  expect(drafted.passes).toBeGreaterThan(20);
  expect(drafted.drafted).toBeGreaterThan(20);
  expect(drafted.results).toEqual(plain.results);
}

test(
  'a draft head changes no answer, and is not loaded without drafts',
  {
    timeout: 60_000,
  },
  () =>
    withFixtureOf('qwen3-next-head', async (model) => {
      expect(model.shape.head).toBeDefined();
      await expectSameAnswers(model);
    }),
);

test(
  'an assistant changes no answer, and is not loaded without drafts',
  {
    timeout: 60_000,
  },
  () =>
    withFixtureOf('gemma4-assisted-groups', async (model) => {
      const assistant = join(FIXTURES, 'gemma4-assisted-groups/assistant');
      const drafters = await openDraftModels([assistant], { error: () => {} });
      const assisted = withDrafter(model, drafters);
      expect(assisted.assistant).toBeDefined();
      await expectSameAnswers(assisted);
    }),
);

test.for(['of the text', 'of a model'] as const)(
  'drafts %s change no answer: greedy, drawn with a seed, with penalties, log probabilities, stop strings and grammars',
  { timeout: 60_000 },
  async (drafts) => {
    const plain = await answers(CHATS, 'none');
    expect(plain.drafted).toBe(0);
    const withDrafts = await answers(CHATS, drafts);
    expect(withDrafts.drafted).toBeGreaterThan(50);
    expect(withDrafts.results).toEqual(plain.results);
    for (const { tokens, usage, finish } of withDrafts.results)
      if (finish === 'length') expect(tokens).toBe(usage.completionTokens);
  },
);
