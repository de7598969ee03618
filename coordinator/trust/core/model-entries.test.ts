import { expect, test } from 'vitest';
import { fromHex } from '#bus-schemas';
import { changesBetween, modelsIn } from './model-entries.ts';

const DIGEST = 'ab'.repeat(32);
const price = {
  inputMicroUsdPerMillion: 1,
  cacheReadMicroUsdPerMillion: 1,
  outputMicroUsdPerMillion: 1,
};
const model = (id: string, builds: string[], weights?: Record<string, string>) => ({
  id,
  builds,
  displayName: id,
  createdAt: 1,
  contextTokens: 1_000,
  maxOutputTokens: 100,
  ...price,
  ...(weights && { weights }),
});

test('an alias has the builds of its model, and a build has the digest that the operator pinned', () => {
  const models = [model('qwen', ['qwen-q4', 'qwen-q8'], { 'qwen-q4': DIGEST })];
  expect(modelsIn({ models, aliases: [{ alias: 'best', model: 'qwen' }] })).toEqual([
    { name: 'qwen', build: 'qwen-q4', weights: fromHex(DIGEST) },
    { name: 'qwen', build: 'qwen-q8', weights: undefined },
    { name: 'best', build: 'qwen-q4', weights: fromHex(DIGEST) },
    { name: 'best', build: 'qwen-q8', weights: undefined },
  ]);
});

test('an alias of a removed model has no builds', () => {
  expect(modelsIn({ models: [], aliases: [{ alias: 'best', model: 'qwen' }] })).toEqual([]);
});

test('nothing is logged while the catalog is unchanged', () => {
  const known = modelsIn({ models: [model('qwen', ['qwen-q4'], { 'qwen-q4': DIGEST })] });
  expect(changesBetween(known, structuredClone(known))).toEqual([]);
});

test('a new digest withdraws the old entry before the new one is added', () => {
  const before = modelsIn({ models: [model('qwen', ['qwen-q4'])] });
  const after = modelsIn({ models: [model('qwen', ['qwen-q4'], { 'qwen-q4': DIGEST })] });
  expect(changesBetween(before, after)).toEqual([
    { name: 'qwen', build: 'qwen-q4', weights: undefined, active: false },
    { name: 'qwen', build: 'qwen-q4', weights: fromHex(DIGEST), active: true },
  ]);
});

test('a removed build is withdrawn', () => {
  const before = modelsIn({ models: [model('qwen', ['qwen-q4', 'qwen-q8'])] });
  expect(changesBetween(before, before.slice(0, 1))).toEqual([
    { name: 'qwen', build: 'qwen-q8', weights: undefined, active: false },
  ]);
});
