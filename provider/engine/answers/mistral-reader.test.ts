import { describe, expect, test } from 'vitest';
import type { PromptPart } from '../../models/prompt-part.ts';
import type { AnswerPart } from './answer-reader.ts';
import { joined } from './joined-under-test.ts';
import { MistralReader } from './mistral-reader.ts';

const OPTIONS = { offersTools: true, continues: false, thinksFirst: false };
const SIGN = /(\[\/?THINK\]|\[TOOL_CALLS\]|\[CALL_ID\]|\[ARGS\])/;

/** The parts of an answer: control tokens where their names stand. */
const parts = (answer: string): PromptPart[] =>
  answer
    .split(SIGN)
    .map((piece, index) => (index % 2 === 1 ? { sign: piece } : { text: piece }))
    .filter((part) => !('text' in part) || part.text !== '');

/** Reads an answer whose texts are cut by `cut`. */
function read(
  answer: readonly PromptPart[],
  cut: (text: string) => readonly string[] = (text) => [text],
  options: Partial<typeof OPTIONS> = {},
): AnswerPart[] {
  const reader = new MistralReader({ ...OPTIONS, ...options });
  const made = answer.flatMap((part) =>
    'sign' in part
      ? reader.pushSign(part.sign)
      : cut(part.text).flatMap((piece) => reader.push(piece)),
  );
  return joined([...made, ...reader.end()]);
}

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
    expect(read(parts(whole))).toEqual(all);
    expect(read(parts(whole), (text) => [...text])).toEqual(all);
    for (let at = 1; at < whole.length; at += 1)
      expect(read(parts(whole), (text) => [text.slice(0, at), text.slice(at)])).toEqual(all);
  });
});

test('calls in a list are the same wherever the texts are cut', () => {
  const whole = `[TOOL_CALLS] [{"name": "weather", "arguments": ${FIRST}, "id": "a"}, {"arguments": {}, "name": "now"}]`;
  const calls = CALLS.map((part) =>
    part.k === 'arguments' ? { ...part, text: JSON.stringify(JSON.parse(part.text)) } : part,
  );
  for (let at = 0; at <= whole.length; at += 1)
    expect(read(parts(whole), (text) => [text.slice(0, at), text.slice(at)])).toEqual(calls);
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
    for (const part of read(parts(answer), undefined, { offersTools: false }))
      expect(part.k).toBe('reasoning');
});

test('what stands in the place of a call but is none is text', () => {
  expect(read(parts('[TOOL_CALLS]nonsense'))).toEqual([{ k: 'text', text: 'nonsense' }]);
});
