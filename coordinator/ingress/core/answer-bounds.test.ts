import { describe, expect, test } from 'vitest';
import { AnswerSize, boundsFor } from './answer-bounds.ts';

describe('an answer without log probabilities', () => {
  test('is accepted at the usual five bytes per token, at any length', () => {
    const size = new AnswerSize(boundsFor(undefined));
    for (let frame = 0; frame < 10_000; frame += 1)
      expect(size.admits({ bytes: 60 + 8 * 5, tokens: 8 })).toBe(true);
  });

  test('is refused with one frame that is too large for its tokens', () => {
    expect(new AnswerSize(boundsFor(undefined)).admits({ bytes: 20_000, tokens: 8 })).toBe(false);
  });

  test('is refused when its frames, each small enough, are too large together', () => {
    const size = new AnswerSize(boundsFor(undefined));
    let frames = 0;
    while (size.admits({ bytes: 4_096 + 1_024, tokens: 1 })) frames += 1;
    expect(frames).toBeLessThan(20);
  });
});

test('an answer may be larger by the log probabilities that the caller asked for', () => {
  const frame = { bytes: 8 * (5 + 6 * 40), tokens: 8 };
  const admitted = (topLogprobs: number | undefined) => {
    const size = new AnswerSize(boundsFor(topLogprobs));
    return Array.from({ length: 1_000 }, () => size.admits(frame)).every(Boolean);
  };
  expect([admitted(5), admitted(undefined)]).toEqual([true, true]);
  const larger = { bytes: 8 * (5 + 21 * 40), tokens: 8 };
  const size = new AnswerSize(boundsFor(undefined));
  expect(Array.from({ length: 1_000 }, () => size.admits(larger)).every(Boolean)).toBe(false);
});
