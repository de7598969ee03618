import { expect } from 'vitest';
import type { PromptPart } from '../models/prompt-part.ts';
import type { AnswerFormat, AnswerPart, OfferedTool, ReaderOptions } from './format.ts';

const tool = (name: string, parameters?: Record<string, unknown>): OfferedTool => ({
  type: 'function',
  function: { name, ...(parameters && { parameters }) },
});

/** The tools of the examples. */
export const TOOLS: readonly OfferedTool[] = [
  tool('weather', {
    type: 'object',
    properties: {
      city: { type: 'string' },
      days: { type: 'integer' },
      near: { type: 'array' },
    },
    required: ['city'],
  }),
  tool('now'),
];

interface Reading extends Partial<ReaderOptions> {
  /** Cuts each text into pieces. */
  readonly cut?: (text: string) => readonly string[];
}

/** Reads an answer whose control tokens and texts are given. Joins adjacent parts of the same kind. */
export function readParts(
  format: Pick<AnswerFormat, 'reader'>,
  answer: readonly PromptPart[],
  { cut = (text) => [text], ...options }: Reading = {},
): AnswerPart[] {
  const reader = format.reader({
    tools: TOOLS,
    continues: false,
    thinksFirst: false,
    ...options,
  });
  const made = answer.flatMap((part) =>
    'sign' in part
      ? reader.pushSign(part.sign)
      : cut(part.text).flatMap((piece) => reader.push(piece)),
  );
  return joined([...made, ...reader.end()]);
}

/** The parts of an answer: control tokens where the names of these stand. */
export const partsOf = (answer: string, signs: readonly string[]): PromptPart[] =>
  (signs.length === 0 ? [answer] : answer.split(new RegExp(`(${signs.map(escaped).join('|')})`)))
    .map((piece, index) => (index % 2 === 1 ? { sign: piece } : { text: piece }))
    .filter((part) => !('text' in part) || part.text !== '');

const escaped = (name: string): string => name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Checks that an answer has these parts, whole, sign by sign, and cut once at each place. */
export function expectParts(
  format: Pick<AnswerFormat, 'reader'>,
  answer: readonly PromptPart[],
  { expected, ...options }: { expected: readonly AnswerPart[] } & Reading,
): void {
  const readBy = (cut: (text: string) => readonly string[]) =>
    readParts(format, answer, { ...options, cut });
  expect(readBy((text) => [text])).toEqual(expected);
  expect(readBy((text) => [...text])).toEqual(expected);
  const longest = Math.max(0, ...answer.map((part) => ('text' in part ? part.text.length : 0)));
  for (let at = 1; at < longest; at += 1)
    expect(readBy((text) => [text.slice(0, at), text.slice(at)])).toEqual(expected);
}

/** Joins adjacent parts of the same kind. */
export function joined(parts: readonly AnswerPart[]): AnswerPart[] {
  const list: AnswerPart[] = [];
  for (const part of parts) {
    const last = list.at(-1);
    if (last && last.k === part.k && 'text' in last && 'text' in part)
      list[list.length - 1] = { ...last, text: last.text + part.text };
    else list.push(part);
  }
  return list;
}
