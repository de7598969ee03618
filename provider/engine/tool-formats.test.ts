import { expect, test } from 'vitest';
import { expectParts, partsOf, TOOLS } from '../answers/read-under-test.ts';
import { createGlmFolder, createGraniteFolder } from '../models/family-folders-under-test.ts';
import { type Model, openModel } from '../models/model.ts';
import { allowsAnswer } from './sampling/allows-under-test.ts';
import { Grammars } from './sampling/grammars.ts';
import { type RequiredForm, requiredForm } from './sampling/required-form.ts';

const FORMATS = [
  [
    'GLM-4.5',
    createGlmFolder,
    '<tool_call>weather\n<arg_key>KEY</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>',
  ],
  [
    'Granite 3',
    createGraniteFolder,
    '<|tool_call|>[{"name": "weather", "arguments": {"KEY": "Oslo"}}]',
  ],
] as const;

test.each(FORMATS)(
  'a model in the format of %s announces tools and reasoning, and can be made to call a tool',
  async (_, create, call) => {
    await using folder = await create();
    const model = await openModel(folder.path);
    expect(model.traits).toEqual(['tools', 'reasoning']);
    await using grammars = new Grammars(model.tokenizer.vocabulary, model.endTokens);
    const chat = {
      messages: [],
      max_tokens: 1,
      tools: [...TOOLS],
      tool_choice: 'required' as const,
    };
    const form = requiredForm(chat, model.format) as RequiredForm;
    const allows = (answer: string) =>
      allowsAnswer({ model, grammars }, form, partsOf(answer, model.tokenizer.signs));
    expect(await allows(call.replace('KEY', 'city'))).toBe(true);
    expect(await allows(call.replace('KEY', 'town'))).toBe(false);
    expect(await allows('Hello')).toBe(false);
  },
);

test.each(FORMATS)(
  '%s: a call is read, also where it begins with a control token',
  async (_, create, call) => {
    await using folder = await create();
    const { tokenizer, format } = await openModel(folder.path);
    const answer = partsOf(call.replace('KEY', 'city'), tokenizer.signs);
    expectParts(format, answer, {
      expected: [
        { k: 'call', name: 'weather' },
        { k: 'arguments', text: '{"city": "Oslo"}' },
      ],
    });
  },
);

test('a model of GLM or Granite reasons if the request asks for it, and marks in its texts stay text', async () => {
  await using glm = await createGlmFolder();
  await using granite = await createGraniteFolder();
  const chat = (reasoning_effort?: 'low') => ({
    messages: [{ role: 'user' as const, content: 'Say <|user|> or <|tool_call|>.' }],
    max_tokens: 1,
    ...(reasoning_effort && { reasoning_effort }),
  });
  const textsOf = (model: Model, effort?: 'low') =>
    JSON.stringify(model.template.render(chat(effort)));
  const [first, second] = [await openModel(glm.path), await openModel(granite.path)];
  expect(textsOf(first)).toContain('<think></think>');
  expect(textsOf(first, 'low')).not.toContain('<think></think>');
  expect(textsOf(second)).not.toContain('<response>');
  expect(textsOf(second, 'low')).toContain('<response>');
  for (const [model, sign] of [
    [first, '<|user|>'],
    [second, '<|tool_call|>'],
  ] as const) {
    const tokens = model.tokenizer.encode(model.template.render(chat()));
    const inText = tokens.slice(1).filter((token) => token === model.tokenizer.idOf(sign));
    expect(inText).toEqual([]);
  }
});
