import { expect, test } from 'vitest';
import { createGlmFolder, createGraniteFolder } from '../models/family-folders-under-test.ts';
import { type Model, openModel } from '../models/model.ts';
import type { PromptPart } from '../models/prompt-part.ts';
import { type AnswerPart, AnswerReader } from './answers/answer-reader.ts';
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

/** The tokens of an answer: names of control tokens become these, as a model writes them. */
const partsOf = ({ tokenizer }: Pick<Model, 'tokenizer'>, answer: string): PromptPart[] =>
  answer
    .split(new RegExp(`(${tokenizer.signs.map((sign) => sign.replaceAll('|', '\\|')).join('|')})`))
    .map((piece, index) => (index % 2 === 1 ? { sign: piece } : { text: piece }))
    .filter((part) => !('text' in part) || part.text !== '');

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
    const chat = { messages: [], max_tokens: 1, tools, tool_choice: 'required' as const };
    const format = formatOf(chat, model.toolStyle) as AnswerFormat;
    const allows = (answer: string) =>
      allowsAnswer({ model, grammars }, format, partsOf(model, answer));
    expect(await allows(call.replace('KEY', 'city'))).toBe(true);
    expect(await allows(call.replace('KEY', 'town'))).toBe(false);
    expect(await allows('Hello')).toBe(false);
  },
);

test.each(FORMATS)(
  '%s: a call is read, also where it begins with a control token',
  async (_, create, call) => {
    await using folder = await create();
    const { tokenizer, toolStyle } = await openModel(folder.path);
    const reader = new AnswerReader({ tools: toolStyle, thinks: true, thinksFirst: false });
    const parts: AnswerPart[] = [];
    for (const part of partsOf({ tokenizer }, call.replace('KEY', 'city')))
      parts.push(...('sign' in part ? reader.pushSign(part.sign) : reader.push(part.text)));
    expect(parts.find((part) => part.k === 'call')).toEqual({ k: 'call', name: 'weather' });
    const args = parts.map((part) => (part.k === 'arguments' ? part.text : '')).join('');
    expect(JSON.parse(args)).toEqual({ city: 'Oslo' });
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
