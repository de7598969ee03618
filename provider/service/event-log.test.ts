import { expect, test } from 'vitest';
import { lineOf } from './event-log.ts';

const answered = {
  t: 'answered',
  build: 'ant-4bit',
  promptTokens: 12,
  completionTokens: 31,
  ms: 400,
} as const;

test.each([
  ['stop', ''],
  ['length', ''],
  ['cancelled', ', cancelled'],
  ['out_of_memory', ', ended because the memory of this computer was almost full'],
])('the line of an answer with the end %s', (finish, text) => {
  expect(lineOf({ ...answered, finish })).toBe(
    `ant-4bit answered 31 tokens to 12 in 0.4 s (77.5 tokens/s${text})`,
  );
});
