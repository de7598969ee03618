import { expect, test } from 'vitest';
import { speedBounds } from './speed-bounds.ts';

const perSecond = (ms: number) => Math.round(1_000 / ms);

test('memory bandwidth limits decoding, and arithmetic limits the reading of prompts', () => {
  const { unmeasured } = speedBounds('Apple M4 Max', 'sim-llama-8b-q4');
  expect(perSecond(unmeasured.tokenMs)).toBe(Math.round(546 / 4));
  expect(perSecond(unmeasured.promptTokenMs)).toBe(Math.round(34.1e12 / (2 * 8e9)));
});

test.each([
  ['sim-qwen-32b-q4', 16],
  ['Qwen3-30B-A3B-4bit', 1.5],
  ['llama-3.2-1b-bf16', 2],
  ['phi-4b-int8', 4],
  ['Mixtral-8x7B', 0.05],
  ['dinf-tiny-4bit', 0.05],
])('the name of %s states its size: at least %d GB are read for each token', (build, gigabytes) => {
  expect(speedBounds('Apple M2', build).unmeasured.tokenMs).toBeCloseTo(
    (1_000 * gigabytes) / 100,
    6,
  );
});

test('an unknown chip counts as a basic Mac until it was measured, and then at most as the best chip', () => {
  for (const chip of ['Cray-1', 'constructor', '']) {
    const { unmeasured, measured } = speedBounds(chip, 'sim-llama-8b-q4');
    expect(perSecond(unmeasured.tokenMs)).toBe(25);
    expect(perSecond(measured.tokenMs)).toBe(Math.round(819 / 4));
  }
});
