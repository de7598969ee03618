import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Delta, InferenceRequest } from '#bus-schemas';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { thisMachine } from '../machine.ts';
import { type Model, openModel } from '../models/model.ts';
import { createCpuBackend } from './decoders/native-decoder.ts';
import { createReferenceBackend } from './decoders/reference-decoder.ts';
import { type Answer, begin } from './engine-under-test.ts';
import { ModelEngine } from './model-engine.ts';

type Chat = InferenceRequest['chat'];

let model: Model;
let engine: ModelEngine;
beforeAll(async () => {
  model = await openModel(TINY_MODEL_FOLDER);
  const cpu = createCpuBackend({ threads: 1 });
  engine = new ModelEngine({
    backend: 'reason' in cpu ? createReferenceBackend() : cpu.backend,
    models: [model],
    machine: thisMachine(),
    memoryBytes: 200e6,
    maxConcurrency: 8,
    idleMs: 0,
    log: { info: () => {}, error: () => {} },
  });
  await engine.loadAll();
});
afterAll(() => engine[Symbol.asyncDispose]());

const MAX_TOKENS = 60;
const count: Chat = {
  messages: [{ role: 'user', content: 'Count from 1 to 30.' }],
  max_tokens: MAX_TOKENS,
};
const colour = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 12 }, red: { type: 'boolean' } },
  required: ['name', 'red'],
};

function answer(chat: Chat, answerTokens?: readonly number[]): Promise<Answer> {
  const request = { build: model.build, chat, maxTokens: chat.max_tokens, reportsIds: true };
  return begin(engine, { ...request, ...(answerTokens && { answerTokens }) }).answer;
}

const idsOf = (deltas: readonly Delta[]) => deltas.flatMap(({ ids = [] }) => ids);
const contentOf = ({ deltas, finish, usage }: Answer) => ({
  content: deltas.map(({ k, text }) => [k, text]),
  tokens: deltas.map(({ tokens }) => tokens),
  finish,
  completionTokens: usage.completionTokens,
  promptTokens: usage.promptTokens,
});

test.each<[string, Partial<Chat>]>([
  ['the most likely tokens', { temperature: 0 }],
  ['random tokens with a seed', { temperature: 1.5, seed: 7 }],
  [
    'penalties for tokens that were used',
    { temperature: 0, frequency_penalty: 1 } as Partial<Chat>,
  ],
  ['a stop string', { temperature: 0, stop: ['2, 13'] }],
  [
    'a form',
    {
      temperature: 1,
      seed: 3,
      response_format: { type: 'json_schema', json_schema: { schema: colour } },
    },
  ],
  ['a limit', { temperature: 0, max_tokens: 9 }],
])(
  'an answer with %s is the same when another engine continues it, from every token',
  async (_, options) => {
    const chat = { ...count, ...options };
    const whole = await answer(chat);
    const ids = idsOf(whole.deltas);
    expect(ids.length).toBeGreaterThan(5);
    expect(ids.length).toBeLessThanOrEqual(whole.usage.completionTokens);
    for (let known = 1; known <= ids.length; known += 3) {
      const continued = await answer(chat, ids.slice(0, known));
      expect(contentOf(continued)).toEqual(contentOf(whole));
      expect(idsOf(continued.deltas)).toEqual(ids.slice(known));
    }
  },
);

test('the tokens of the answer are found in the cache like those of a prompt', async () => {
  const chat = { ...count, temperature: 0 };
  const request = { build: model.build, chat, maxTokens: MAX_TOKENS, cacheScope: 'continued' };
  const whole = await begin(engine, { ...request, reportsIds: true }).answer;
  const ids = idsOf(whole.deltas);
  const again = await begin(engine, { ...request, answerTokens: ids.slice(0, 50) }).answer;
  expect(again.text).toBe(whole.text);
  expect(again.usage.cachedTokens).toBeLessThanOrEqual(again.usage.promptTokens);
});

test('tokens that the model does not have are refused', () => {
  expect(() => answer(count, [1, 2, 2 ** 30])).toThrow('cannot_continue');
});
