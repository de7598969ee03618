import { describe, expect, test } from 'vitest';
import { ChatTemplate } from '../models/chat-template.ts';
import { markupAtEnd } from '../models/prompt-part.ts';
import type { AnswerPart } from './format.ts';
import { formatOf } from './formats.ts';
import { expectParts, partsOf, readParts, TOOLS } from './read-under-test.ts';

type Call = readonly [name: string, args: string];

interface Example {
  /** A template that writes calls as the published one of the family does. */
  readonly template: string;
  readonly signs?: readonly string[];
  /** Several calls as a model of the family writes them. */
  readonly written: (calls: readonly Call[]) => string;
  /** True if a call may stand only at the beginning of an answer. */
  readonly isFirst?: boolean;
  readonly lookalikes: readonly string[];
  /** The template renders calls; then the text of a turn after its header is read back. */
  readonly header?: string;
  readonly end?: string;
}

/** Characters after the beginning of a call, and the most processor time for them in milliseconds. */
const ENDLESS = 16_000;
const ENDLESS_MS = 600;

const inJson = ([name, args]: Call, key = 'arguments') => `{"name": "${name}", "${key}": ${args}}`;
const list = (calls: readonly Call[]) => `[${calls.map((call) => inJson(call)).join(', ')}]`;
/** The values of an object as tags contain them. */
const values = (args: string) =>
  Object.entries(JSON.parse(args)).map(
    ([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)] as const,
  );

const DEEPSEEK_SIGNS = ['calls▁begin', 'calls▁end', 'call▁begin', 'call▁end', 'sep'].map(
  (name) => `<｜tool▁${name}｜>`,
);
const PHI_SIGNS = ['<|tool_call|>', '<|/tool_call|>'];
/** A turn of the assistant, whose calls are written by `each` between `begin` and `end`. */
const turns = ({ before = '', begin = '', each = '', end = '' }) =>
  `{% for m in messages %}<|${'{{ m.role }}'}|>{{ m.content or '' }}{% if m.tool_calls %}${before}${begin}{% for tool in m['tool_calls'] %}${each}{% endfor %}${end}{% endif %}<|end|>{% endfor %}`;

const EXAMPLES: Record<string, Example> = {
  'DeepSeek V3.1': {
    template: turns({
      begin: '<｜tool▁calls▁begin｜>',
      each: "{{ '<｜tool▁call▁begin｜>' + tool['function']['name'] + '<｜tool▁sep｜>' + tool['function']['arguments'] + '<｜tool▁call▁end｜>' }}",
      end: '<｜tool▁calls▁end｜>',
    }),
    signs: DEEPSEEK_SIGNS,
    header: '<|assistant|>',
    written: (calls) =>
      `<｜tool▁calls▁begin｜>${calls.map(([name, args]) => `<｜tool▁call▁begin｜>${name}<｜tool▁sep｜>${args}<｜tool▁call▁end｜>`).join('')}<｜tool▁calls▁end｜>`,
    lookalikes: [
      'Write <｜tool▁calls▁begin｜> first.',
      '<｜tool▁call▁begin｜>weather<｜tool▁call▁end｜>',
    ],
  },
  'DeepSeek R1': {
    template: turns({
      begin: '<｜tool▁calls▁begin｜>',
      each: "{{ '<｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\\n```json\\n' + tool['function']['arguments'] + '\\n```<｜tool▁call▁end｜>' }}",
      end: '<｜tool▁calls▁end｜>',
    }),
    // Models that were distilled from R1 write these marks as text.
    header: '<|assistant|>',
    written: (calls) =>
      `<｜tool▁calls▁begin｜>${calls.map(([name, args]) => `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${args}\n\`\`\`<｜tool▁call▁end｜>`).join('\n')}<｜tool▁calls▁end｜>`,
    lookalikes: ['A call begins with <｜tool▁call▁begin｜>, then its type.'],
  },
  'Phi-4-mini': {
    template: `{% for message in messages %}{% if message['role'] == 'system' and message['tools'] %}<|system|>{{ message['content'] }}<|tool|>{{ message['tools'] }}<|/tool|><|end|>{% else %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endif %}{% endfor %}`,
    signs: PHI_SIGNS,
    header: '<|assistant|>',
    written: (calls) => `<|tool_call|>${list(calls)}<|/tool_call|>`,
    lookalikes: ['Use functools[0] or functools [1].', '<|tool_call|>weather<|/tool_call|>'],
  },
  'Phi-4-mini with functools': {
    template: 'functools[{"name": …}]',
    written: (calls) => `functools${list(calls)}`,
    lookalikes: ['Use functools[0], or functools.partial([]).', 'functools[{"a": 1}]'],
  },
  'GLM-4-0414': {
    template: `{% for m in messages %}{% set meta = m.metadata or '' %}{% if m.role == 'observation' %}<|observation|>{{ m.content }}{% else %}<|{{ m.role }}|>{{ meta }} \n{{ m.content }}{% endif %}<|end|>{% endfor %}`,
    header: '<|assistant|>',
    written: (calls) => calls.map((call) => call.join('\n')).join('\n'),
    lookalikes: ['weather\nis nice', 'The weather\n{"a": 1}', 'tomorrow\n{"a": 1}'],
  },
  'Llama 3': {
    template: `ipython {"name": …, "parameters": …}`,
    written: (calls) => calls.map((call) => inJson(call, 'parameters')).join('; '),
    isFirst: true,
    lookalikes: [
      '{"city": "Oslo"} is JSON.',
      '{"name": "a"}',
      'So: {"name": "now", "parameters": {}}',
    ],
  },
  'Llama 3 with its tag': {
    template: `ipython {"name": …, "parameters": …}`,
    signs: ['<|python_tag|>'],
    written: (calls) =>
      `<|python_tag|>${calls.map((call) => inJson(call, 'parameters')).join('; ')}`,
    lookalikes: ['<|python_tag|>print(1)'],
  },
  'Qwen 3': {
    template: turns({
      each: '\n<tool_call>\n{"name": "{{ tool.function.name }}", "arguments": {{ tool.function.arguments | tojson }}}\n</tool_call>',
    }),
    header: '<|assistant|>',
    written: (calls) =>
      calls.map((call) => `<tool_call>\n${inJson(call)}\n</tool_call>`).join('\n'),
    lookalikes: ['Write <tool_call> and </tool_call>.', '<tool_call>{"city": 1}</tool_call>'],
  },
  'Qwen3-Coder': {
    template: turns({
      each: '\n<tool_call>\n<function={{ tool.function.name }}>\n{% for k, v in tool.function.arguments.items() %}<parameter={{ k }}>\n{{ v if v is string else v | tojson }}\n</parameter>\n{% endfor %}</function>\n</tool_call>',
    }),
    header: '<|assistant|>',
    written: (calls) =>
      calls
        .map(
          ([name, args]) =>
            `<tool_call>\n<function=${name}>\n${values(args)
              .map(([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`)
              .join('')}</function>\n</tool_call>`,
        )
        .join('\n'),
    lookalikes: ['Write <tool_call> and </tool_call>.', 'It is <function=\n>.'],
  },
  'GLM-4.5': {
    template: turns({
      each: '\n<tool_call>{{ tool.function.name }}\n{% for k, v in tool.function.arguments.items() %}<arg_key>{{ k }}</arg_key>\n<arg_value>{{ v if v is string else v | tojson }}</arg_value>\n{% endfor %}</tool_call>',
    }),
    header: '<|assistant|>',
    written: (calls) =>
      calls
        .map(
          ([name, args]) =>
            `<tool_call>${name}\n${values(args)
              .map(([key, value]) => `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`)
              .join('')}</tool_call>`,
        )
        .join('\n'),
    lookalikes: ['Write <tool_call>, then </tool_call>.', '<tool_call>two words</tool_call>'],
  },
  'Granite 3': {
    template: '<|tool_call|>',
    signs: ['<|tool_call|>'],
    written: (calls) => `<|tool_call|>${list(calls)}`,
    lookalikes: ['Write <|tool_call|> there.', '<|tool_call|>[1, 2]'],
  },
  Nemotron: {
    template: '<TOOLCALL>[]</TOOLCALL>',
    written: (calls) => `<TOOLCALL>${list(calls)}</TOOLCALL>`,
    lookalikes: ['Write <TOOLCALL> there.', '<TOOLCALL>[]</TOOLCALL>'],
  },
};

const ARGS = {
  city: 'Os"lo \\ {å水🙂}\n]two lines',
  days: 3,
  near: [1, { a: ']}' }, '"'],
};
const CALLS: readonly Call[] = [
  ['weather', JSON.stringify(ARGS)],
  ['weather', '{"city": "Ås"}'],
];

const formatOfExample = ({ template, signs = [] }: Example) =>
  formatOf({ template, has: (token) => signs.includes(token) });
const callsIn = (parts: readonly AnswerPart[]) =>
  parts.flatMap((part) => {
    if (part.k === 'call') return [part.name];
    return part.k === 'arguments' ? [JSON.parse(part.text)] : [];
  });
const textIn = (parts: readonly AnswerPart[]) =>
  parts.map((part) => (part.k === 'text' ? part.text : '')).join('');

describe.each(Object.entries(EXAMPLES))('%s', (_name, example) => {
  const format = formatOfExample(example);
  const { written, signs = [], isFirst = false } = example;
  const read = (answer: string, cut?: (text: string) => readonly string[]) =>
    readParts(format, partsOf(answer, signs), { ...(cut && { cut }) });
  /** The parts of an answer, which are the same wherever it is cut. */
  const readAtEveryCut = (answer: string) => {
    const expected = read(answer);
    expectParts(format, partsOf(answer, signs), { expected });
    return expected;
  };

  test('several calls are read, with text before and after them', () => {
    const before = isFirst ? '' : 'I look.\n';
    const parts = readAtEveryCut(`${before}${written(CALLS)}\nDone.`);
    expect(callsIn(parts)).toEqual(['weather', ARGS, 'weather', { city: 'Ås' }]);
    expect(textIn(parts)).toBe(`${before}Done.`);
  });

  test('a call that never ends is a call without an end, or text', () => {
    const whole = written(CALLS.slice(0, 1));
    for (let length = 1; length < whole.length; length += 1) {
      const parts = read(whole.slice(0, length));
      const calls = parts.filter(({ k }) => k === 'call');
      expect(calls.length).toBeLessThanOrEqual(1);
      if (calls.length === 0) expect(textIn(parts).trim()).toBe(whole.slice(0, length).trim());
      else expect(textIn(parts)).toBe('');
    }
  });

  test('text that only looks like a call stays text', () => {
    for (const text of example.lookalikes)
      expect(readAtEveryCut(text)).toEqual([{ k: 'text', text }]);
  });

  test('a call that does not go on is read in a short time', () => {
    const call = written(CALLS.slice(0, 1));
    for (const at of [call.indexOf('weather'), call.indexOf('weather') + 'weather'.length])
      for (const sign of [' ', 'a', '{']) {
        const endless = `${call.slice(0, at)}${sign.repeat(ENDLESS)}!`;
        const before = process.cpuUsage();
        read(endless, (text) => [...text]);
        const { user, system } = process.cpuUsage(before);
        expect((user + system) / 1_000, JSON.stringify(sign)).toBeLessThan(ENDLESS_MS);
      }
  });

  test('a call is text if no tools are offered', () => {
    const call = written(CALLS.slice(0, 1));
    expect(readParts(format, [{ text: call }], { tools: [] })).toEqual([{ k: 'text', text: call }]);
  });

  if (example.header !== undefined)
    test('calls that the template renders are read as the same calls', () => {
      const template = new ChatTemplate({ text: example.template, config: {}, format });
      const calls = CALLS.map(([name, args], index) => ({
        id: `call_${index}`,
        type: 'function',
        function: { name, arguments: args },
      }));
      const messages = [
        { role: 'user', content: 'Look.' },
        { role: 'assistant', content: '', tool_calls: calls },
      ];
      const prompt = markupAtEnd(
        template.render({ messages, tools: [...TOOLS], max_tokens: 1 } as never),
      );
      const turn = prompt
        .split(example.header as string)
        .slice(1)
        .map((text) => text.replace('<|end|>', ''))
        .join('\n');
      expect(callsIn(read(turn))).toEqual(['weather', ARGS, 'weather', { city: 'Ås' }]);
    });
});

test.each(['DeepSeek V3.1', 'DeepSeek R1', 'Phi-4-mini'])(
  'a template of %s that renders no tools gets their description in the message of the system',
  (name) => {
    const example = EXAMPLES[name] as Example;
    const template = new ChatTemplate({
      text: example.template,
      config: {},
      format: formatOfExample(example),
    });
    for (const messages of [[], [{ role: 'system', content: 'Be brief.' }]]) {
      const asked = [...messages, { role: 'user', content: 'Hello' }];
      const prompt = markupAtEnd(
        template.render({ messages: asked, tools: [...TOOLS], max_tokens: 1 } as never),
      );
      expect(prompt.match(/<\|system\|>/g)).toHaveLength(1);
      expect(prompt).toContain('"city"');
      for (const { content } of messages) expect(prompt).toContain(content);
    }
  },
);

test('the reasoning of R1 ends with its mark, also if only the prompt has the first one', () => {
  const format = formatOfExample({
    ...(EXAMPLES['DeepSeek R1'] as Example),
    template: '<｜tool▁calls▁begin｜>```json</think>',
  });
  expect(format.reasons).toBe(true);
  expect(format.beginsThinking('<｜Assistant｜><think>\n')).toBe(true);
  expect(format.beginsThinking('<｜Assistant｜></think>')).toBe(false);
  const expected: AnswerPart[] = [
    { k: 'reasoning', text: 'Hm.\n' },
    { k: 'text', text: 'Yes.' },
  ];
  expectParts(format, [{ text: 'Hm.\n</think>\n\nYes.' }], { expected, thinksFirst: true });
  expectParts(format, [{ text: '<think>Hm.\n</think>\n\nYes.' }], { expected });
});

test('further fields after the arguments, and arguments as a text of JSON, are read', () => {
  const format = formatOf({ template: '<tool_call>', has: () => false });
  const expected: AnswerPart[] = [
    { k: 'call', name: 'now' },
    { k: 'arguments', text: '{"a": 1}' },
    { k: 'text', text: 'Done.' },
  ];
  for (const call of [
    '{"name": "now", "arguments": {"a": 1}, "id": "x}"}',
    '{"name": "now", "arguments": "{\\"a\\": 1}"}',
    '{"type": "function", "function": {"name": "now", "arguments": "{\\"a\\": 1}"}}',
    '{"name": "now", "arguments": {"a": 1}',
  ])
    expectParts(format, [{ text: `<tool_call>${call}</tool_call>Done.` }], { expected });
});
