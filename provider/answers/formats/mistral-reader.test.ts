import { describe, expect, test } from 'vitest';
import type { AnswerPart, ReaderOptions } from '../format.ts';
import { formatOf } from '../formats.ts';
import { expectParts, partsOf, readParts } from '../read-under-test.ts';
import { MISTRAL_SIGNS } from './mistral.ts';

const SIGNS: readonly string[] = Object.values(MISTRAL_SIGNS);
const FORMAT = formatOf({ template: SIGNS.join(''), has: (token) => SIGNS.includes(token) });

const parts = (answer: string) => partsOf(answer, SIGNS);
const read = (
  answer: Parameters<typeof readParts>[1],
  cut: (text: string) => readonly string[] = (text) => [text],
  options: Partial<ReaderOptions> = {},
): AnswerPart[] => readParts(FORMAT, answer, { cut, ...options });

const CALLS: AnswerPart[] = [
  { k: 'call', name: 'weather' },
  { k: 'arguments', text: '{"city": "Os]l}o", "near": [1, {"a": "[ARGS"}]}' },
  { k: 'call', name: 'now' },
  { k: 'arguments', text: '{}' },
];
const [FIRST, SECOND] = ['{"city": "Os]l}o", "near": [1, {"a": "[ARGS"}]}', '{}'];

describe.each([
  ['the newest format', `[TOOL_CALLS]weather[ARGS]${FIRST}[TOOL_CALLS]now[ARGS]${SECOND}`],
  ['the newest format without a second mark', `[TOOL_CALLS]weather[ARGS] ${FIRST}now[ARGS]{}`],
  [
    'the format with ids',
    `[TOOL_CALLS]weather[CALL_ID]abcDEF123[ARGS]${FIRST}[TOOL_CALLS]now[CALL_ID]abcDEF124[ARGS]{}`,
  ],
  ['the format without marks before arguments', `[TOOL_CALLS]weather${FIRST}[TOOL_CALLS]now {}`],
])('calls in %s', (_what, calls) => {
  const whole = `[THINK]Hm.\n[/THINK]\nI look.${calls}`;
  const all: AnswerPart[] = [
    { k: 'reasoning', text: 'Hm.\n' },
    { k: 'text', text: 'I look.' },
    ...CALLS,
  ];

  test('are the same wherever the texts are cut', () => {
    expectParts(FORMAT, parts(whole), { expected: all });
  });
});

test('calls in a list are the same wherever the texts are cut', () => {
  const whole = `[TOOL_CALLS] [{"name": "weather", "arguments": ${FIRST}, "id": "a"}, {"arguments": {}, "name": "now"}]`;
  const calls = CALLS.map((part) =>
    part.k === 'arguments' ? { ...part, text: JSON.stringify(JSON.parse(part.text)) } : part,
  );
  expectParts(FORMAT, parts(whole), { expected: calls });
});

test('text that spells the names of control tokens never becomes structure', () => {
  const text = 'See [THINK] and [TOOL_CALLS]now[ARGS]{}';
  expect(read([{ text }])).toEqual([{ k: 'text', text }]);
});

test('reasoning without an end, or that the prompt began, never becomes text', () => {
  expect(read(parts('[THINK]secret'))).toEqual([{ k: 'reasoning', text: 'secret' }]);
  expect(read(parts('secret[/THINK]Hi'), undefined, { thinksFirst: true })).toEqual([
    { k: 'reasoning', text: 'secret' },
    { k: 'text', text: 'Hi' },
  ]);
});

test('a call is reasoning if no tools were offered', () => {
  for (const answer of ['[TOOL_CALLS]now[ARGS]{}', '[TOOL_CALLS][{"name": "now"}]'])
    for (const part of read(parts(answer), undefined, { tools: [] }))
      expect(part.k).toBe('reasoning');
});

test('what stands in the place of a call but is none is text', () => {
  expect(read(parts('[TOOL_CALLS]nonsense'))).toEqual([{ k: 'text', text: 'nonsense' }]);
});
