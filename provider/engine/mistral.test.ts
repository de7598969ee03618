import { expect, test } from 'vitest';
import { MISTRAL_SIGNS } from '../answers/formats/mistral.ts';
import { partsOf, TOOLS } from '../answers/read-under-test.ts';
import { createMistralFolder } from '../models/mistral-folder-under-test.ts';
import { openModel } from '../models/model.ts';
import { allowsAnswer } from './sampling/allows-under-test.ts';
import { Grammars } from './sampling/grammars.ts';
import { type RequiredForm, requiredForm } from './sampling/required-form.ts';

const parts = (answer: string) => partsOf(answer, Object.values(MISTRAL_SIGNS));

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
    expect(model.format.name).toBe('Mistral');
    await using grammars = new Grammars(model.tokenizer.vocabulary, model.endTokens);
    const chat = {
      messages: [],
      max_tokens: 1,
      tools: [...TOOLS],
      tool_choice: 'required' as const,
    };
    const form = requiredForm(chat, model.format) as RequiredForm;
    const allows = (answer: string) => allowsAnswer({ model, grammars }, form, parts(answer));
    expect(await allows(call.replace('ARGUMENTS', '{"city": "Oslo"}'))).toBe(true);
    expect(await allows(call.replace('ARGUMENTS', '{"town": "Oslo"}'))).toBe(false);
    expect(await allows('Hello')).toBe(false);
  },
);

test('a model with the tokens of Mistral whose template writes no calls announces no tools', async () => {
  await using folder = await createMistralFolder('no calls');
  expect((await openModel(folder.path)).traits).toEqual([]);
});
