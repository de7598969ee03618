import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { formatOf } from '../../answers/formats.ts';
import { type Model, openModel } from '../../models/model.ts';
import { type Constraint, GrammarError, Grammars } from './grammars.ts';
import { type RequiredForm, requiredForm } from './required-form.ts';

let model: Model;
let grammars: Grammars;

beforeAll(async () => {
  model = await openModel(TINY_MODEL_FOLDER);
  grammars = new Grammars(model.tokenizer.vocabulary, model.endTokens);
});
afterAll(() => grammars[Symbol.asyncDispose]());

type Chat = Parameters<typeof requiredForm>[0];
const chat = (fields: Partial<Chat>): Chat => ({
  messages: [{ role: 'user', content: 'x' }],
  max_tokens: 10,
  ...fields,
});
const schema = (of: object): Partial<Chat> => ({
  response_format: { type: 'json_schema', json_schema: { schema: of as Record<string, unknown> } },
});
const open = (fields: Partial<Chat>): Promise<Constraint> =>
  grammars.open(requiredForm(chat(fields), model.format) as RequiredForm);

/** Returns true if the grammar allows the whole text and then the end of the answer. */
async function allows(constraint: Constraint, text: string): Promise<boolean> {
  const may = async (token: number) =>
    (((await constraint.mask())?.[token >> 5] ?? -1) >>> (token & 31)) & 1;
  for (const token of model.tokenizer.encode(text)) {
    if (!(await may(token))) return false;
    constraint.accept(token);
  }
  const mask = await constraint.mask();
  const ends = [...model.endTokens].some(
    (token) => mask === undefined || ((mask[token >> 5] as number) >>> (token & 31)) & 1,
  );
  constraint.close();
  return ends;
}

describe('answers in JSON', () => {
  const person = schema({
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer' } },
    required: ['name', 'age'],
    additionalProperties: false,
  });

  test.each([
    ['{"name": "Ada", "age": 36}', true],
    ['{"name": "Ada"}', false],
    ['{"name": 5, "age": 36}', false],
    ['Hello', false],
  ])('%s fits the schema: %s', async (text, fits) =>
    expect(await allows(await open(person), text)).toBe(fits),
  );

  test('`json_object` without a schema allows objects only', async () => {
    expect(
      await allows(await open({ response_format: { type: 'json_object' } }), '{"a": [1, true]}'),
    ).toBe(true);
    expect(await allows(await open({ response_format: { type: 'json_object' } }), '[1]')).toBe(
      false,
    );
  });
});

describe('tool calls', () => {
  const tool = (name: string) => ({
    type: 'function' as const,
    function: {
      name,
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  });
  const call = (name: string, args: string) =>
    `<tool_call>\n{"name": "${name}", "arguments": ${args}}\n</tool_call>`;
  const tools = [tool('weather'), tool('time')];

  test('`required`: a tool must be called, with arguments that fit its schema', async () => {
    expect(
      await allows(
        await open({ tools, tool_choice: 'required' }),
        call('time', '{"city": "Oslo"}'),
      ),
    ).toBe(true);
    expect(await allows(await open({ tools, tool_choice: 'required' }), 'Hello')).toBe(false);
    expect(
      await allows(await open({ tools, tool_choice: 'required' }), call('time', '{"town": 1}')),
    ).toBe(false);
    expect(
      await allows(
        await open({ tools, tool_choice: 'required' }),
        call('other', '{"city": "Oslo"}'),
      ),
    ).toBe(false);
  });

  test('a named tool must be called', async () => {
    const named = { tools, tool_choice: { type: 'function' as const, function: { name: 'time' } } };
    expect(await allows(await open(named), call('time', '{"city": "Oslo"}'))).toBe(true);
    expect(await allows(await open(named), call('weather', '{"city": "Oslo"}'))).toBe(false);
  });

  test('`auto`: the model may answer in text, but a call must be complete and valid', async () => {
    expect(await allows(await open({ tools }), 'Hello')).toBe(true);
    expect(await allows(await open({ tools }), call('time', '{"city": "Oslo"}'))).toBe(true);
    expect(await allows(await open({ tools }), call('time', 'nonsense'))).toBe(false);
  });

  test('calls in the format of Qwen 3.5 have a tag for each argument', async () => {
    const format = formatOf({ template: '<tool_call> <function=', has: () => false });
    const parameters = (text: string) =>
      `<tool_call>\n<function=time>\n${text}</function>\n</tool_call>`;
    const openTime = () => {
      const form = requiredForm(chat({ tools, tool_choice: 'required' }), format);
      return grammars.open(form as RequiredForm);
    };
    const city = (value: string) => parameters(`<parameter=city>\n${value}\n</parameter>\n`);
    expect(await allows(await openTime(), city('Oslo'))).toBe(true);
    expect(await allows(await openTime(), parameters(''))).toBe(false);
    expect(await allows(await openTime(), 'Hello')).toBe(false);
  });

  test.each([
    ['on lines', '<arg_key>{{ k }}</arg_key>\n<arg_value>', '\n'],
    ['without lines', '<arg_key>{{ k }}</arg_key><arg_value>', ''],
  ])('calls in the format of GLM %s have tags for names and values', async (_, template, line) => {
    const glm = formatOf({ template: `<tool_call> ${template}`, has: () => false });
    const parameters = {
      type: 'object',
      properties: {
        city: { type: 'string' },
        days: { type: 'integer' },
        unit: { type: 'string', enum: ['C', 'F'] },
      },
      required: ['city'],
    };
    const allowsCall = async (name: string, args: readonly [string, string][]) => {
      const asked = [
        { type: 'function' as const, function: { name: 'weather', parameters } },
        { type: 'function' as const, function: { name: 'now' } },
      ];
      const form = requiredForm(chat({ tools: asked, tool_choice: 'required' }), glm);
      const constraint = await grammars.open(form as RequiredForm);
      const written = args.map(
        ([key, value]) => `<arg_key>${key}</arg_key>${line}<arg_value>${value}</arg_value>${line}`,
      );
      return allows(constraint, `<tool_call>${name}${line}${written.join('')}</tool_call>`);
    };
    expect(await allowsCall('weather', [['city', 'St. <b> "x"\n']])).toBe(true);
    expect(
      await allowsCall('weather', [
        ['city', 'Oslo'],
        ['days', '3'],
        ['unit', 'C'],
      ]),
    ).toBe(true);
    expect(await allowsCall('weather', [['days', '3']])).toBe(false);
    expect(
      await allowsCall('weather', [
        ['city', 'Oslo'],
        ['unit', 'K'],
      ]),
    ).toBe(false);
    expect(await allowsCall('weather', [['town', 'Oslo']])).toBe(false);
    expect(await allowsCall('now', [])).toBe(true);
    expect(await allowsCall('now', [['any', 'x']])).toBe(true);
  });

  test.each([
    [
      'DeepSeek V3.1',
      '<｜tool▁calls▁begin｜>',
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>time<｜tool▁sep｜>ARGS<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    ],
    [
      'DeepSeek R1',
      '<｜tool▁calls▁begin｜>```json',
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>time\n```json\nARGS\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    ],
    ['Phi-4-mini', '<|tool|>', '<|tool_call|>[{"name": "time", "arguments": ARGS}]<|/tool_call|>'],
    ['Phi-4-mini with functools', 'functools', 'functools[{"name": "time", "arguments": ARGS}]'],
    ['GLM-4-0414', '<|observation|> metadata', 'time\nARGS'],
    ['Llama 3', '"parameters" ipython', '{"name": "time", "parameters": ARGS}'],
  ])('a required call in the format of %s', async (_, template, written) => {
    const format = formatOf({ template, has: (token) => token.endsWith('tool_call|>') });
    const form = requiredForm(chat({ tools, tool_choice: 'required' }), format) as RequiredForm;
    const allowsText = async (text: string) => allows(await grammars.open(form), text);
    expect(await allowsText(written.replace('ARGS', '{"city": "Oslo"}'))).toBe(true);
    expect(await allowsText(written.replace('ARGS', '{"town": "Oslo"}'))).toBe(false);
    expect(await allowsText('Hello')).toBe(false);
  });

  test('where text may begin like a call, only a required call has a grammar', () => {
    const format = formatOf({ template: '<|observation|> metadata', has: () => false });
    expect(requiredForm(chat({ tools }), format)).toBeUndefined();
  });

  test('without usable tools there is no grammar', () => {
    expect(requiredForm(chat({ tools, tool_choice: 'none' }), model.format)).toBeUndefined();
    expect(requiredForm(chat({}), model.format)).toBeUndefined();
  });
});

describe('a hostile schema', () => {
  test('that crashes the library is rejected, and other grammars continue', async () => {
    const running = await open(
      schema({ type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] }),
    );
    await expect(open(schema({ $ref: '#/nowhere' }))).rejects.toThrow(GrammarError);
    await expect(open(schema({ type: 'string', pattern: '(' }))).rejects.toThrow(GrammarError);
    expect(await allows(running, '{"a": 1}')).toBe(true);
    expect(await allows(await open(schema({ type: 'boolean' })), 'true')).toBe(true);
  });

  test.each([
    ['a type that does not exist', { type: 'nonsense' }, 'Unsupported type "nonsense"'],
    [
      'an invalid pattern',
      { type: 'string', pattern: '(' },
      'Regex parsing error at position 2: The parenthesis is not closed.',
    ],
    ['no possible answer', { $ref: '#' }, 'No answer fits the schema.'],
  ])('with %s is rejected with the reason of the compiler', async (_, json, reason) => {
    await expect(open(schema(json))).rejects.toThrow(reason);
  });

  test('that ends the thread does not fail other checks', async () => {
    const hostile = Array.from({ length: 4 }, () =>
      open(schema({ $ref: '#/nowhere' })).catch((error: unknown) => error),
    );
    const honest = open(schema({ type: 'boolean' }));
    expect(await allows(await honest, 'true')).toBe(true);
    for (const refused of await Promise.all(hostile))
      expect(refused).toMatchObject({
        message: expect.stringContaining('Cannot find field nowhere'),
      });
  });

  test('that is too large is rejected', async () => {
    await expect(
      open(schema({ enum: Array.from({ length: 60_000 }, (_, i) => `value ${i}`) })),
    ).rejects.toThrow('too large');
  });
});
