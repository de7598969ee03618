import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHarmonyFolder } from '../../models/harmony/harmony-folder-under-test.ts';
import { type Model, openModel } from '../../models/model.ts';
import type { PromptPart } from '../../models/prompt-part.ts';
import { allowsAnswer } from './allows-under-test.ts';
import { Grammars } from './grammars.ts';
import { type RequiredForm, requiredForm } from './required-form.ts';

let folder: Awaited<ReturnType<typeof createHarmonyFolder>>;
let model: Model;
let grammars: Grammars;

beforeAll(async () => {
  folder = await createHarmonyFolder();
  model = await openModel(folder.path);
  grammars = new Grammars(model.tokenizer.vocabulary, model.endTokens);
});
afterAll(async () => {
  await grammars[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

type Chat = Parameters<typeof requiredForm>[0];
const tool = (name: string) => ({
  type: 'function' as const,
  function: {
    name,
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
});
const TOOLS: Partial<Chat> = { tools: [tool('f'), tool('g')] };
const NAMED = { type: 'function' as const, function: { name: 'g' } };

async function allows(chat: Partial<Chat>, answer: readonly PromptPart[]): Promise<boolean> {
  const form = requiredForm({ messages: [], max_tokens: 1, ...chat } as Chat, model.format);
  return allowsAnswer({ model, grammars }, form as RequiredForm, answer);
}

const call = (name: string, args: string): PromptPart[] => [
  { sign: '<|channel|>' },
  { text: `commentary to=functions.${name} ` },
  { sign: '<|constrain|>' },
  { text: 'json' },
  { sign: '<|message|>' },
  { text: args },
];
const final = (text: string): PromptPart[] => [
  { sign: '<|channel|>' },
  { text: 'final' },
  { sign: '<|message|>' },
  { text },
];

test.each([
  ['a call', 'required' as const, call('f', '{"city": "x"}'), true],
  ['a call against its schema', 'required' as const, call('f', '{"town": "x"}'), false],
  ['text', 'required' as const, final('hi'), false],
  ['a call of the named function', NAMED, call('g', '{"city": "x"}'), true],
  ['a call of another function', NAMED, call('f', '{"city": "x"}'), false],
  ['a call', 'auto' as const, call('f', '{"city": "x"}'), true],
  ['a call against its schema', 'auto' as const, call('f', '{"town": "x"}'), false],
  ['text', 'auto' as const, final('hi'), true],
])(
  '%s, with the tool choice %j, is allowed as it should be',
  async (_, tool_choice, answer, isAllowed) => {
    expect(await allows({ ...TOOLS, tool_choice }, answer)).toBe(isAllowed);
  },
);

test('an answer in JSON is in the final channel', async () => {
  const chat: Partial<Chat> = { response_format: { type: 'json_object' } };
  expect(await allows(chat, final('{"a": 1}'))).toBe(true);
  expect(await allows(chat, final('no'))).toBe(false);
});

test('a request without tools and without a required form allows any answer', () => {
  expect(requiredForm({ messages: [], max_tokens: 1 } as Chat, model.format)).toBeUndefined();
});
