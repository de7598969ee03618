import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { logShares, mostLikelyToken, Sampler, type SamplingOptions, topTokens } from './sampler.ts';

const PLAIN: SamplingOptions = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: new Map(),
  seed: 7,
};
const row = fc
  .array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 2, maxLength: 64 })
  .map((values) => Float32Array.from(values));
const draws = (
  options: Partial<SamplingOptions>,
  logits: Float32Array,
  count: number,
): number[] => {
  const sampler = new Sampler({ ...PLAIN, ...options }, []);
  return Array.from({ length: count }, () => sampler.choose(logits.slice(), undefined));
};

test('at temperature 0 the most likely token is chosen, of equally likely ones the lowest', () => {
  fc.assert(
    fc.property(row, (logits) => {
      expect(draws({ temperature: 0 }, logits, 1)).toEqual([logits.indexOf(Math.max(...logits))]);
    }),
  );
});

test('the same seed draws the same tokens, and another seed draws others', () => {
  const flat = new Float32Array(1_000);
  expect(draws({ seed: 1 }, flat, 50)).toEqual(draws({ seed: 1 }, flat, 50));
  expect(draws({ seed: 1 }, flat, 50)).not.toEqual(draws({ seed: 2 }, flat, 50));
  expect(draws({ seed: 1 }, flat, 50)).not.toEqual(draws({ seed: 1 + 2 ** 32 }, flat, 50));
});

test('top-k, top-p and min-p exclude all other tokens', () => {
  fc.assert(
    fc.property(
      row,
      fc.integer({ min: 1, max: 8 }),
      fc.double({ min: 0.05, max: 0.95, noNaN: true }),
      fc.nat(),
      (logits, topK, share, seed) => {
        const order = topTokens(logits, logits.length);
        const shareOf = logShares(logits);
        for (const token of draws({ topK, seed }, logits, 5))
          expect(order.indexOf(token)).toBeLessThan(topK);
        for (const token of draws({ topP: share, seed }, logits, 5)) {
          const before = order
            .slice(0, order.indexOf(token))
            .reduce((sum, other) => sum + Math.exp(shareOf(other)), 0);
          expect(before).toBeLessThan(share + 1e-3);
        }
        for (const token of draws({ minP: share, seed }, logits, 5))
          expect(Math.exp(shareOf(token) - shareOf(order[0] as number))).toBeGreaterThan(
            share - 1e-3,
          );
      },
    ),
  );
});

test('tokens are drawn in proportion to their probability', () => {
  const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.2)]);
  for (const options of [{}, { topK: 3 }]) {
    const counts = [0, 0, 0];
    for (const token of draws(options, logits, 20_000))
      counts[token] = (counts[token] as number) + 1;
    for (const [token, share] of [0.5, 0.3, 0.2].entries())
      expect((counts[token] as number) / 20_000).toBeCloseTo(share, 1);
  }
});

test('a token that the mask forbids is never chosen, at any temperature', () => {
  fc.assert(
    fc.property(
      row,
      fc.array(fc.boolean(), { minLength: 64, maxLength: 64 }),
      fc.constantFrom(0, 0.7, 2),
      (logits, allowed, temperature) => {
        fc.pre(allowed.slice(0, logits.length).some(Boolean));
        const mask = Int32Array.from({ length: 2 }, (_, word) =>
          allowed
            .slice(word * 32, word * 32 + 32)
            .reduce((bits, is, i) => (is ? bits | (1 << i) : bits), 0),
        );
        const token = new Sampler({ ...PLAIN, temperature }, []).choose(logits.slice(), mask);
        expect(allowed[token]).toBe(true);
      },
    ),
  );
});

describe('penalties', () => {
  const choose = (
    options: Partial<SamplingOptions>,
    generated: readonly number[],
    prompt: readonly number[] = [],
  ) => {
    const sampler = new Sampler({ ...PLAIN, temperature: 0, ...options }, prompt);
    for (const token of generated) sampler.accept(token);
    const logits = Float32Array.from([3, 2.5, 2, -1]);
    sampler.choose(logits, undefined);
    return [...logits].map((value) => Math.round(value * 100) / 100);
  };

  test('the frequency penalty counts occurrences, and the presence penalty applies once', () => {
    expect(choose({ frequencyPenalty: 0.5 }, [0, 0, 1])).toEqual([2, 2, 2, -1]);
    expect(choose({ presencePenalty: 0.5 }, [0, 0, 1])).toEqual([2.5, 2, 2, -1]);
  });

  test('the repetition penalty includes the prompt, and lowers negative logits too', () => {
    expect(choose({ repetitionPenalty: 2 }, [0], [3])).toEqual([1.5, 2.5, 2, -2]);
  });

  test('biases are added', () => {
    expect(
      choose(
        {
          logitBias: new Map([
            [3, 100],
            [9_999, 1],
          ]),
        },
        [],
      ),
    ).toEqual([3, 2.5, 2, 99]);
  });
});

test('the probabilities of all tokens sum to one, and the top tokens are the most likely ones', () => {
  fc.assert(
    fc.property(row, fc.integer({ min: 1, max: 20 }), (logits, count) => {
      const shareOf = logShares(logits);
      expect(logits.reduce((sum, _, token) => sum + Math.exp(shareOf(token)), 0)).toBeCloseTo(1, 4);
      const top = topTokens(logits, count);
      expect(top[0]).toBe(mostLikelyToken(logits));
      expect(top).toEqual(
        [...logits.keys()]
          .sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b)
          .slice(0, count),
      );
    }),
  );
});
