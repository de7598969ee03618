import { describe, expect, test } from 'vitest';
import type { CatalogModel } from '#bus-schemas';
import { priceTerms, providerPreferences, withQuantizations } from './provider-preferences.ts';

const [B, C] = ['B', 'C'].map((letter) => `A${letter.repeat(55)}`) as [string, string];
const model: CatalogModel = {
  id: 'sim',
  displayName: 'Sim',
  contextTokens: 1_000,
  maxOutputTokens: 100,
  createdAt: 0,
  builds: ['sim-8', 'sim-4', 'sim-x'],
  quantizations: { 'sim-8': 'int8', 'sim-4': 'int4' },
  inputMicroUsdPerMillion: 100_000,
  cacheReadMicroUsdPerMillion: 50_000,
  outputMicroUsdPerMillion: 200_000,
};
const refusal = (code: string) => expect.objectContaining({ code, param: 'provider' });

describe('the preferences of the caller', () => {
  test("are read by OpenRouter's names", () => {
    const wishes = {
      order: [B, C],
      sort: 'throughput',
      preferred_min_throughput: 30,
      preferred_max_latency: 1.5,
      require_parameters: true,
    };
    expect(
      providerPreferences({
        ...wishes,
        quantizations: ['int8', 'fp16'],
        max_price: { prompt: 0.1, completion: '0.2' },
      }),
    ).toEqual({
      only: undefined,
      ignore: [],
      quantizations: ['int8', 'fp16'],
      prefers: {
        order: [B, C],
        sort: 'throughput',
        minTokensPerSecond: 30,
        maxFirstContentMs: 1_500,
      },
      maxPrice: { inputMicroUsdPerMillion: 100_000, outputMicroUsdPerMillion: 200_000 },
    });
    expect(providerPreferences({ order: [B, C], allow_fallbacks: false, only: [C] }).only).toEqual([
      C,
    ]);
    expect(providerPreferences({ only: [C] }).prefers).toBeUndefined();
    expect(providerPreferences({ sort: 'price' })).toMatchObject({
      prefers: { sort: 'price' },
      maxPrice: undefined,
    });
  });

  test.each([
    ['a price for what nothing is charged for', { max_price: { image: 1 } }],
    ['a price that is none', { max_price: { prompt: 'cheap' } }],
    ['a price below nothing', { max_price: { prompt: -1 } }],
    ['a sort that is none', { sort: 'beauty' }],
    ['an unknown quantization', { quantizations: ['int3'] }],
    ['no weights at all', { quantizations: [] }],
    ['a throughput that is no number', { preferred_min_throughput: { p50: 30 } }],
    ['an id that is none', { order: ['deepinfra'] }],
    ['a wish that we do not know', { zdr: true }],
  ])('%s is refused', (_, wishes) => {
    expect(() => providerPreferences(wishes)).toThrow(refusal('invalid_request'));
  });
});

test('a model keeps only the builds with the wanted quantizations', () => {
  const buildsIn = (...wanted: ('int4' | 'int8' | 'fp16' | 'unknown')[]) =>
    withQuantizations(model, wanted).builds;
  expect(withQuantizations(model, undefined)).toBe(model);
  expect(buildsIn('int4', 'int8')).toEqual(['sim-8', 'sim-4']);
  expect(buildsIn('unknown')).toEqual(['sim-x']);
  expect(() => buildsIn('fp16')).toThrow(refusal('preferences_unmet'));
});

describe('the price that a request accepts', () => {
  const list = {
    inputMicroUsdPerMillion: model.inputMicroUsdPerMillion,
    outputMicroUsdPerMillion: model.outputMicroUsdPerMillion,
  };

  test('is the listed one when the caller names none', () => {
    expect(priceTerms(model, undefined)).toEqual({ list, max: list });
  });

  test('is the caller’s where they name one, and the listed one for the part that they leave out', () => {
    expect(priceTerms(model, { outputMicroUsdPerMillion: 999 })).toEqual({
      list,
      max: { ...list, outputMicroUsdPerMillion: 999 },
    });
  });
});
