import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isDense, isOverbilled, recountTerms } from './recount.ts';

const recounted = fc.integer({ min: 0, max: 10_000 });
const PLAIN = { factor: 1.25, hiddenTokens: 32 };

describe('a claim', () => {
  test('of no more than the recounted tokens is never wrong, for any request', () => {
    const request = fc.record(
      {
        temperature: fc.double({ min: 0, max: 2, noNaN: true }),
        stop: fc.array(fc.string(), { maxLength: 4 }),
        tools: fc.constant([{}]),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(recounted, fc.nat(10_000), fc.nat(10), request, (found, fewer, calls, body) => {
        const terms = recountTerms(body);
        expect(
          terms !== undefined &&
            isOverbilled({ tokens: Math.max(0, found - fewer), calls }, found, terms),
        ).toBe(false);
      }),
    );
  });

  test('of three times the recounted tokens is wrong as soon as it is above the allowance', () => {
    fc.assert(
      fc.property(recounted, (found) => {
        expect(isOverbilled({ tokens: found * 3, calls: 0 }, found, PLAIN)).toBe(found * 1.75 > 32);
      }),
    );
  });

  test('stays wrong if it grows, and right if more tokens are found', () => {
    fc.assert(
      fc.property(recounted, recounted, fc.nat(1_000), (tokens, found, more) => {
        if (isOverbilled({ tokens, calls: 0 }, found, PLAIN))
          expect(isOverbilled({ tokens: tokens + more, calls: 0 }, found, PLAIN)).toBe(true);
        else expect(isOverbilled({ tokens, calls: 0 }, found + more, PLAIN)).toBe(false);
      }),
    );
  });
});

test.each([
  ['a bias', { logit_bias: { 7: 100 } }],
  ['a frequency penalty', { frequency_penalty: 2 }],
  ['a presence penalty', { presence_penalty: -1 }],
  ['a repetition penalty', { repetition_penalty: 1.3 }],
])('with %s the caller chooses the tokens, so nothing is recounted', (_, body) => {
  expect(recountTerms(body)).toBeUndefined();
});

test.each([
  ['a schema', { response_format: { type: 'json_schema' } }],
  ['tools', { tools: [{}] }],
  ['a high temperature', { temperature: 1.5 }],
])('%s allows for unusual tokens', (_, body) => {
  expect(recountTerms(body)?.factor).toBe(2);
});

test('a penalty or a format that changes nothing is treated as absent', () => {
  expect(
    recountTerms({
      frequency_penalty: 0,
      repetition_penalty: 1,
      logit_bias: {},
      response_format: { type: 'text' },
    }),
  ).toEqual(PLAIN);
});

test('a stop string may take as many tokens as it has bytes', () => {
  expect(recountTerms({ stop: ['a', 'ende', 'ü'] })?.hiddenTokens).toBe(36);
});

test('an answer with more than one token for two bytes is always recounted, unless it is short', () => {
  expect([
    isDense({ tokens: 51, calls: 0 }, 100),
    isDense({ tokens: 50, calls: 0 }, 100),
    isDense({ tokens: 20, calls: 0 }, 4),
  ]).toEqual([true, false, false]);
});
