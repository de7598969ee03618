import { expect, test } from 'vitest';
import type { CatalogModel } from '#bus-schemas';
import { readyModels } from './ready-models.ts';

const NOON = Date.UTC(2026, 10, 28, 12);

const model = (id: string, more: Partial<CatalogModel> = {}): CatalogModel => ({
  id,
  displayName: id,
  contextTokens: 1_000,
  maxOutputTokens: 1_000,
  builds: [`${id}-4bit`, `${id}-8bit`],
  inputMicroUsdPerMillion: 1,
  cacheReadMicroUsdPerMillion: 1,
  outputMicroUsdPerMillion: 1,
  createdAt: 0,
  ...more,
});
const build = (name: string, providers: number) => ({
  build: name,
  providers,
  warm: 0,
  running: 0,
  freeSlots: 0,
  freeTokens: 0,
  decodeTps: 0,
});

test('a model is served if a machine is ready for one of its builds and nobody has shed it', () => {
  const models = [
    model('first'),
    model('second'),
    model('gone'),
    model('secret', { betaFor: ['acct_0123456789abcdef'] }),
    model('shed', { shed: { until: NOON + 1, reason: 'maintenance' } }),
    model('shed-before', { shed: { until: NOON, reason: 'maintenance' } }),
  ];
  const builds = [
    build('first-4bit', 1),
    build('second-8bit', 2),
    build('gone-4bit', 0),
    build('secret-4bit', 1),
    build('shed-4bit', 1),
    build('shed-before-4bit', 1),
  ];
  const ready = readyModels(models, { builds, now: NOON });
  expect(ready.map(({ model: { id }, serves }) => [id, serves])).toEqual([
    ['first', true],
    ['second', true],
    ['gone', false],
    ['shed', false],
    ['shed-before', true],
  ]);
});
