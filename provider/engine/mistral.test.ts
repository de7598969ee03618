import { expect, test } from 'vitest';
import { createMistralFolder } from '../models/mistral-folder-under-test.ts';
import { openModel } from '../models/model.ts';
import type { PromptPart } from '../models/prompt-part.ts';
import { allowsAnswer } from './sampling/allows-under-test.ts';
import { type AnswerFormat, formatOf, Grammars } from './sampling/grammars.ts';

const tools = [
  {
    type: 'function' as const,
    function: {
      name: 'weather',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
      },
    },
  },
];
const SIGN = /(\[TOOL_CALLS\]|\[CALL_ID\]|\[ARGS\])/;
const parts = (answer: string): PromptPart[] =>
  answer
    .split(SIGN)
    .map((piece, index) => (index % 2 === 1 ? { sign: piece } : { text: piece }))
    .filter((part) => !('text' in part) || part.text !== '');

const LIST = '[TOOL_CALLS] [{"name": "weather", "arguments": ARGUMENTS}]';

test.each([
  ['[TOOL_CALLS]name[ARGS]', '[TOOL_CALLS]weather[ARGS]ARGUMENTS'],
  ['[TOOL_CALLS]name[CALL_ID]id[ARGS]', '[TOOL_CALLS]weather[CALL_ID]abcDEF123[ARGS]ARGUMENTS'],
  ['[TOOL_CALLS] [calls]', LIST],
  ['[TOOL_CALLS][calls]', LIST.replace('] [', '][')],
])(
  'a model whose template writes calls as %s announces tools and can be made to call one',
  async (template, call) => {
    await using folder = await createMistralFolder(template);
    const model = await openModel(folder.path);
    expect(model.traits).toContain('tools');
    expect(model.answers).toBe('mistral');
    await using grammars = new Grammars(model.tokenizer.vocabulary, model.endTokens);
    const chat = { messages: [], max_tokens: 1, tools, tool_choice: 'required' as const };
    const format = formatOf(chat, model.toolStyle) as AnswerFormat;
    const allows = (answer: string) => allowsAnswer({ model, grammars }, format, parts(answer));
    expect(await allows(call.replace('ARGUMENTS', '{"city": "Oslo"}'))).toBe(true);
    expect(await allows(call.replace('ARGUMENTS', '{"town": "Oslo"}'))).toBe(false);
    expect(await allows('Hello')).toBe(false);
  },
);

test('a model with the tokens of Mistral whose template writes no calls announces no tools', async () => {
  await using folder = await createMistralFolder('no calls');
  expect((await openModel(folder.path)).traits).toEqual([]);
});
