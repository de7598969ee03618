import { describe, expect, test } from 'vitest';
import { expectedText } from '#world/expected-answer.ts';
import { bookRules, type Ended, type PastFault } from './book-rules.ts';
import type { BookEntry } from './client-book.ts';

const MAX_TOKENS = 200;
const prompt = 'Is it right?';
const textOf = (tokens: number) => expectedText({ prompt, maxTokens: tokens });

const whole: BookEntry = {
  number: 1,
  ingress: 'ingress-1',
  prompt,
  maxTokens: MAX_TOKENS,
  isStreamed: true,
  leavesAfter: undefined,
  askedAt: 1_000,
  endedAt: 5_000,
  job: 'job_1',
  text: textOf(MAX_TOKENS),
  outcome: 'complete',
  detail: '',
};
const cut = (tokens: number): BookEntry => ({ ...whole, text: textOf(tokens), outcome: 'broken' });

const fault: PastFault = {
  target: 'ingress-1',
  sentence: 'ingress-1 is killed',
  isOfMachines: false,
  from: 4_900,
  until: 8_000,
  outageMs: 1_000,
};

/** The names of the rules that a request breaks. */
function brokenBy(
  entry: BookEntry,
  {
    tokens = MAX_TOKENS,
    outcome = 'settled',
    ...rest
  }: Partial<Ended> & {
    tokens?: number;
    outcome?: string;
  } = {},
): string[] {
  const ended: Ended = {
    book: [entry],
    faults: [],
    charges: new Map([['job_1', { outcome, tokens }]]),
    generations: new Set(['job_1']),
    receiptGraceMs: 20_000,
    outageLimitMs: 10_000,
    ...rest,
  };
  return bookRules.filter(({ broken }) => broken(ended).length > 0).map(({ name }) => name);
}

describe('the rules about the book of the clients', () => {
  test('are kept by a whole answer that was paid in full', () => {
    expect(brokenBy(whole)).toEqual([]);
  });

  test.each([
    ['has a wrong token', { ...whole, text: `${textOf(MAX_TOKENS)} and more` }],
    ['lacks a token', { ...cut(20), text: textOf(20).slice(9) }],
    ['has a token twice', { ...cut(20), text: textOf(10) + textOf(10) }],
  ])('find an answer that %s', (_what, entry) => {
    expect(brokenBy(entry, { tokens: 0, faults: [fault] })).toContain(
      'no token is wrong, missing in between, or doubled',
    );
  });

  test('find an answer that ended in order before its last token', () => {
    expect(brokenBy({ ...whole, text: textOf(199) }, { tokens: 199 })).toContain(
      'an answer that ends in order is whole',
    );
  });

  test('find a request that has no end', () => {
    expect(brokenBy({ ...cut(MAX_TOKENS), outcome: 'hung' }, { faults: [fault] })).toEqual([
      'every request ends before its deadline',
    ]);
  });

  test('find a request that was refused although nothing failed', () => {
    const refused: BookEntry = { ...cut(0), outcome: 'refused', detail: '503' };
    const free = { tokens: 0, outcome: 'refunded' };
    expect(brokenBy(refused, free)).toEqual(['while nothing fails, every request is served']);
    expect(brokenBy(refused, { ...free, faults: [fault] })).toEqual([]);
  });

  test('find an answer that was paid for more than its client received', () => {
    expect(brokenBy(cut(100), { tokens: 101, faults: [fault] })).toEqual([
      'nobody pays for more than was delivered',
    ]);
  });

  test('find a whole answer that was not paid in full, unless its ingress was killed', () => {
    expect(brokenBy(whole, { tokens: 150 })).toEqual(['a whole answer is paid in full, once']);
    expect(brokenBy(whole, { tokens: 150, faults: [fault] })).toEqual([]);
    expect(brokenBy(whole, { tokens: 100, faults: [fault] })).toEqual([
      'a whole answer is paid in full, once',
    ]);
  });

  test('find an answer that was cut and paid for less than the last proof, unless its machine failed', () => {
    const free = { tokens: 0, outcome: 'refunded' };
    expect(brokenBy(cut(150), { ...free, faults: [fault] })).toEqual([
      'an answer that was cut is paid up to the last proof of delivery',
    ]);
    const ofMachines = { ...fault, target: 'machines-1', isOfMachines: true };
    expect(brokenBy(cut(150), { ...free, faults: [ofMachines] })).toEqual([]);
  });

  test('find an answer without a row', () => {
    expect(
      brokenBy(cut(5), { charges: new Map(), generations: new Set(), faults: [fault] }),
    ).toEqual(['every job with content has a row that says how it ended']);
  });

  test('find an outage that is longer than it may be', () => {
    expect(brokenBy(whole, { faults: [{ ...fault, outageMs: 10_001 }] })).toEqual([
      'every outage ends soon after its cause',
    ]);
  });
});
