import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fitOf } from './fit.ts';

const configOf = (fixture: string): Record<string, unknown> =>
  JSON.parse(
    readFileSync(new URL(`../engine/fixtures/${fixture}/config.json`, import.meta.url), 'utf8'),
  );

test('a model for embeddings fits like one that writes answers', () => {
  for (const fixture of ['embedder', 'embeddinggemma', 'qwen3-embedding'])
    expect(fitOf(configOf(`../encoders/fixtures/${fixture}`), 1e6).problem).toBeUndefined();
});

test('the highest speed follows from the weights, but not for experts, of which a token reads only some', () => {
  expect(fitOf(configOf('qwen3-5'), 1e6).mostTokensPerSecond).toBeGreaterThan(0);
  for (const fixture of ['qwen3-moe', 'gpt-oss', 'qwen3-5-moe-published'])
    expect(fitOf(configOf(fixture), 1e6).mostTokensPerSecond).toBeUndefined();
});
