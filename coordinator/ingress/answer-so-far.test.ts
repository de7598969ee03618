import { expect, test } from 'vitest';
import { type Delta, MAX_CONTINUED_TOKENS } from '#bus-schemas';
import { MemoryBudget } from '#http-api/memory-budget.ts';
import { AnswerSoFar } from './answer-so-far.ts';

const salt = new Uint8Array(32).fill(1);
const text = (words: string, ids?: number[]): Delta => ({
  k: 'text',
  text: words,
  tokens: 1,
  ...(ids && { ids }),
});

function begun(memory = new MemoryBudget(10_000_000)): AnswerSoFar {
  const soFar = new AnswerSoFar(memory);
  soFar.begin(salt);
  return soFar;
}

test('an answer is kept with its ids, its text and its calls, under the salt of its first machine', () => {
  const soFar = begun();
  expect(soFar.continuation).toBeUndefined();
  soFar.add([text('One', [5, 6]), text(' two')]);
  soFar.add([{ k: 'tool', index: 0, id: 'call', name: 'weather', text: '{', tokens: 1, ids: [7] }]);
  soFar.begin(new Uint8Array(32));
  const known = { tokens: [5, 6, 7], text: 'One two{', calls: 1, receiptSalt: salt };
  expect(soFar.continuation).toEqual(known);
});

test('an answer without ids, and one that is sealed for its client, is not kept', () => {
  const soFar = begun();
  soFar.add([text('One')]);
  soFar.add([text(' two', [6])]);
  expect(soFar.isContinuable).toBe(false);
  const sealed = begun();
  sealed.add([{ k: 'sealed', seq: 0, sealed: salt, tokens: 1 }]);
  expect(sealed.isContinuable).toBe(false);
});

test('an answer is given up when it is too long, and when the memory for all answers is used up', () => {
  const long = begun();
  long.add([
    text(
      '',
      Array.from({ length: MAX_CONTINUED_TOKENS }, () => 1),
    ),
  ]);
  expect(long.isContinuable).toBe(true);
  long.add([text('', [1])]);
  expect(long.isContinuable).toBe(false);

  const memory = new MemoryBudget(100);
  const [one, other] = [begun(memory), begun(memory)];
  one.add([text('twelve bytes', [1, 2, 3])]);
  other.add([text('twenty-four characters..', [1, 2, 3])]);
  expect([one.isContinuable, other.isContinuable]).toEqual([true, false]);
  one[Symbol.dispose]();
  expect(memory.take(100)).toBe(true);
});
