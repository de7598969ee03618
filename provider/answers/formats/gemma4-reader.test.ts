import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AnswerPart, ReaderOptions } from '../format.ts';
import { formatOf } from '../formats.ts';
import { expectParts, partsOf, readParts } from '../read-under-test.ts';
import { GEMMA4_SIGNS } from './gemma4-signs.ts';

const SIGNS: readonly string[] = Object.values(GEMMA4_SIGNS);
const FORMAT = formatOf({ template: '', has: (token) => SIGNS.includes(token) });

const parts = (answer: string) => partsOf(answer, SIGNS);
const read = (
  answer: Parameters<typeof readParts>[1],
  cut: (text: string) => readonly string[] = (text) => [text],
  options: Partial<ReaderOptions> = {},
): AnswerPart[] => readParts(FORMAT, answer, { cut, ...options });

const WHOLE =
  '<|channel>thought\nThey ask.\n\nSo I call.\n<channel|>\nI look.<|tool_call>call:weather{city:<|"|>Os"lo\n{<|"|>,days:3,near:[<|"|>a<|"|>,-1.5e2,true,null],at:{x:1,y:<|"|><|"|>}}<tool_call|><|tool_call>call:now{}<tool_call|>\nDone';
const READ: AnswerPart[] = [
  { k: 'reasoning', text: 'They ask.\n\nSo I call.' },
  { k: 'text', text: 'I look.' },
  { k: 'call', name: 'weather' },
  {
    k: 'arguments',
    text: '{"city": "Os\\"lo\\n{", "days": 3, "near": ["a", -1.5e2, true, null], "at": {"x": 1, "y": ""}}',
  },
  { k: 'call', name: 'now' },
  { k: 'arguments', text: '{}' },
  { k: 'text', text: 'Done' },
];

test('reasoning, text and calls are the same wherever their texts are cut', () => {
  expectParts(FORMAT, parts(WHOLE), { expected: READ });
});

describe('a channel', () => {
  test('with another name never becomes text', () => {
    expect(read(parts('<|channel>plan\nsecret<channel|>Hi'))).toEqual([
      { k: 'reasoning', text: 'plan\nsecret' },
      { k: 'text', text: 'Hi' },
    ]);
  });

  test('without an end never becomes text', () => {
    expect(read(parts('<|channel>thought\nsecret'))).toEqual([{ k: 'reasoning', text: 'secret' }]);
  });

  test('that the prompt opened never becomes text', () => {
    expect(read(parts('secret<channel|>Hi'), undefined, { thinksFirst: true })).toEqual([
      { k: 'reasoning', text: 'secret' },
      { k: 'text', text: 'Hi' },
    ]);
  });

  test('is ended by a call', () => {
    expect(read(parts('<|channel>thought\nsecret<|tool_call>call:now{}<tool_call|>'))).toEqual([
      { k: 'reasoning', text: 'secret' },
      { k: 'call', name: 'now' },
      { k: 'arguments', text: '{}' },
    ]);
  });

  test('that is empty adds nothing', () => {
    expect(read(parts('<|channel>thought\n<channel|>Hi'))).toEqual([{ k: 'text', text: 'Hi' }]);
  });
});

test('text that spells the names of control tokens never becomes structure', () => {
  const text = 'See <|channel>thought <tool_call|> <|tool_call>call:now{}<tool_call|>';
  expect(read([{ text }])).toEqual([{ k: 'text', text }]);
  const value = 'a<|"|>,b:<tool_call|>';
  expect(
    read([
      { sign: '<|tool_call>' },
      { text: 'call:f{a:' },
      { sign: '<|"|>' },
      { text: value },
      { sign: '<|"|>' },
      { text: '}' },
      { sign: '<tool_call|>' },
    ]),
  ).toEqual([
    { k: 'call', name: 'f' },
    { k: 'arguments', text: JSON.stringify({ a: value }).replace(':', ': ') },
  ]);
});

describe('a call', () => {
  test('is reasoning if no tools were offered', () => {
    const answer = parts('<|tool_call>call:now{a:<|"|>b<|"|>}<tool_call|>Hi');
    expect(read(answer, undefined, { tools: [] })).toEqual([
      { k: 'reasoning', text: 'call:now{a:b}' },
      { k: 'text', text: 'Hi' },
    ]);
  });

  test('that is no call is text', () => {
    expect(read(parts('<|tool_call>nonsense<tool_call|>!'))).toEqual([
      { k: 'text', text: 'nonsense!' },
    ]);
  });

  test.each([
    ['quotes of JSON', 'call:f{"a":"x, \\"y\\"}","b":1}', '{"a": "x, \\"y\\"}", "b": 1}'],
    ['quotes of JSON around one value', 'call:f{a:"x"}', '{"a": "x"}'],
    [
      'words without quotes',
      'call:f{a:x y,b:12:30,c:None}',
      '{"a": "x y", "b": "12:30", "c": null}',
    ],
    ['keys between control tokens', 'call:f{<|"|>a<|"|>:1}', '{"a": 1}'],
    ['white space', 'call: f {\n a : 1 ,\n b : [ 2 , 3 ] }', '{"a": 1, "b": [2, 3]}'],
  ])('may have %s', (_what, call, json) => {
    expect(read(parts(`<|tool_call>${call}<tool_call|>`), (text) => [...text])).toEqual([
      { k: 'call', name: 'f' },
      { k: 'arguments', text: json },
    ]);
  });
});

test('the arguments of a finished call are always one valid object of JSON', () => {
  const piece = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', '"', '\\', 'a', '1', ' ', 'null', '\n', '🙂'],
    '<|"|>',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const answer = parts(`<|tool_call>call:f{${pieces.join('')}<tool_call|>`);
      const [call, made, ...more] = read(answer);
      expect(call).toEqual({ k: 'call', name: 'f' });
      expect(more).toEqual([]);
      const value: unknown = JSON.parse((made as { text: string }).text);
      expect(typeof value === 'object' && !Array.isArray(value)).toBe(true);
      expect(read(answer, (text) => [...text])).toEqual([call, made]);
    }),
    { numRuns: 2_000 },
  );
});

/** Writes arguments as the published template writes those of earlier calls. */
function written(value: unknown): string {
  if (typeof value === 'string') return `<|"|>${value}<|"|>`;
  if (Array.isArray(value)) return `[${value.map(written).join(',')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const pairs = Object.entries(value).map(([key, item]) => `${key}:${written(item)}`);
  return `{${pairs.join(',')}}`;
}

test('arguments that the template writes are read as they were', () => {
  const key = fc.stringMatching(/^[a-z_][a-zA-Z0-9_]{0,8}$/);
  const text = fc
    .string({ unit: 'binary' })
    .filter((value) => !SIGNS.some((sign) => value.includes(sign)));
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 3 }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(key, value, { maxKeys: 4 }), (args) => {
      const [, made] = read(parts(`<|tool_call>call:f${written(args)}<tool_call|>`));
      expect(JSON.parse((made as { text: string }).text)).toEqual({ ...args });
    }),
  );
});
