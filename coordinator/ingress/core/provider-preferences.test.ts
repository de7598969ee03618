import { describe, expect, test } from 'vitest';
import type { CatalogModel } from '#bus-schemas';
import { providerPreferences, withinPrice, withQuantizations } from './provider-preferences.ts';

const [B, C, D] = ['B', 'C', 'D'].map((letter) => `A${letter.repeat(55)}`) as [string, string, string];
const model: CatalogModel = {
  ...{ id: 'sim', displayName: 'Sim', contextTokens: 1_000, maxOutputTokens: 100, createdAt: 0 },
  ...{ builds: ['sim-8', 'sim-4', 'sim-x'], quantizations: { 'sim-8': 'int8', 'sim-4': 'int4' } },
  ...{ inputMicroUsdPerMillion: 100_000, cacheReadMicroUsdPerMillion: 50_000, outputMicroUsdPerMillion: 200_000 },
};
const refusal = (code: string) => expect.objectContaining({ code, param: 'provider' });

describe('whom the caller would rather have', () => {
  test('is read by the names that OpenRouter gave it', () => {
    const wishes = { order: [B, C], sort: 'throughput', preferred_min_throughput: 30, preferred_max_latency: 1.5, require_parameters: true };
    expect(providerPreferences({ ...wishes, quantizations: ['int8', 'fp16'], max_price: { prompt: 0.1, completion: '0.2' } })).toEqual({
      ...{ only: undefined, ignore: [], quantizations: ['int8', 'fp16'] },
      prefers: { order: [B, C], sort: 'throughput', minTokensPerSecond: 30, maxFirstContentMs: 1_500 },
      price: { max: { inputMicroUsdPerMillion: 100_000, outputMicroUsdPerMillion: 200_000 }, cheapestFirst: false },
    });
    expect(providerPreferences({ order: [B, C], allow_fallbacks: false, only: [C] }).only).toEqual([C]);
    expect(providerPreferences({ only: [C] }).prefers).toBeUndefined();
    expect(providerPreferences({ sort: 'price' })).toMatchObject({ prefers: undefined, price: { max: {}, cheapestFirst: true } });
  });

  test.each([
    ['a price for what nothing is charged for', { max_price: { image: 1 } }],
    ['a price that is none', { max_price: { prompt: 'cheap' } }],
    ['a price below nothing', { max_price: { prompt: -1 } }],
    ['a sort that is none', { sort: 'beauty' }],
    ['weights in what nobody knows', { quantizations: ['int3'] }],
    ['no weights at all', { quantizations: [] }],
    ['a throughput that is no number', { preferred_min_throughput: { p50: 30 } }],
    ['an id that is none', { order: ['deepinfra'] }],
    ['a wish that we do not know', { zdr: true }],
  ])('%s is refused', (_, wishes) => {
    expect(() => providerPreferences(wishes)).toThrow(refusal('invalid_request'));
  });
});

test('of a model those builds are left whose weights are wanted', () => {
  const buildsIn = (...wanted: ('int4' | 'int8' | 'fp16' | 'unknown')[]) => withQuantizations(model, wanted).builds;
  expect(withQuantizations(model, undefined)).toBe(model);
  expect(buildsIn('int4', 'int8')).toEqual(['sim-8', 'sim-4']);
  expect(buildsIn('unknown')).toEqual(['sim-x']);
  expect(() => buildsIn('fp16')).toThrow(refusal('preferences_unmet'));
});

describe('a price', () => {
  const price = (provider: string, input: number, output: number) => ({ provider, inputMicroUsdPerMillion: input, outputMicroUsdPerMillion: output });
  const own = [price(B, 50_000, 100_000), price(C, 50_000, 200_000), price(D, 300_000, 200_000)];
  const reach = (input: number | undefined, output: number | undefined, cheapestFirst = false) =>
    withinPrice(
      {
        max: { ...(input !== undefined && { inputMicroUsdPerMillion: input }), ...(output !== undefined && { outputMicroUsdPerMillion: output }) },
        cheapestFirst,
      },
      model,
      own,
    );

  test('that the model has leaves all but the dearer ones', () => {
    expect(reach(100_000, undefined)).toEqual({ only: undefined, ignore: [D], order: [] });
    expect(reach(undefined, undefined)).toEqual({ only: undefined, ignore: [], order: [] });
  });

  test('that the model does not have leaves those that are cheaper', () => {
    expect(reach(99_999, undefined)).toEqual({ only: [B, C], ignore: [], order: [] });
    expect(reach(undefined, 150_000)).toEqual({ only: [B], ignore: [], order: [] });
    expect(() => reach(49_999, undefined)).toThrow(refusal('preferences_unmet'));
  });

  test('that counts most puts those first that are cheaper than the model', () => {
    expect(reach(undefined, undefined, true).order).toEqual([B, C]);
    expect(reach(undefined, 150_000, true)).toEqual({ only: [B], ignore: [], order: [B] });
  });
});
