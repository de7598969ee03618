import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadCpuEncoders } from '#native';
import type { BertModel } from '../../models/encoders/bert-model.ts';
import type { EncoderInput } from '../../models/encoders/encoder-tokenizer.ts';
import { type Encoder, readWeights } from './encoder.ts';
import { cosine, expected, openEmbedder, openReranker } from './encoders-under-test.ts';
import { loadNativeEncoder } from './native-encoder.ts';
import { loadReferenceEncoder } from './reference-encoder.ts';

const READING = { most: 48, truncate: true };
const addon = loadCpuEncoders('cpu');
const why = addon.available ? undefined : addon.reason;
let model: BertModel;
beforeAll(async () => {
  model = await openEmbedder();
});

function inputOf(text: string): EncoderInput {
  const input = model.tokenizer.single(text, READING);
  if (input === 'too_long') throw new Error('the text is shortened, so it cannot be too long');
  return input;
}

function meanOf(states: Float32Array, width: number): number[] {
  const rows = states.length / width;
  return Array.from({ length: width }, (_, i) =>
    Array.from({ length: rows }, (_, row) => states[row * width + i] as number).reduce(
      (sum, value) => sum + value / rows,
      0,
    ),
  );
}

test('the tokens of texts are those of the tokenizer of Hugging Face', () => {
  for (const { text, tokens } of expected.vectors)
    expect([...inputOf(text).tokens]).toEqual(tokens);
});

describe.each([
  ['reference', async (of: BertModel) => loadReferenceEncoder(of)],
  ['cpu', async (of: BertModel) => loadNativeEncoder(of, { threads: 3 })],
] as const)('the encoder %s', (name, load) => {
  const isMissing = name === 'cpu' && why !== undefined;
  let encoder: Encoder | undefined;
  beforeAll(async () => {
    encoder = await load(model);
  });
  afterAll(() => encoder?.[Symbol.asyncDispose]());
  const pass = async (inputs: readonly EncoderInput[]) =>
    (await encoder?.pass(inputs)) ?? new Float32Array();

  test.skipIf(isMissing)(
    `computes the vectors of transformers${isMissing ? ` (${why})` : ''}`,
    async () => {
      for (const { text, vector } of expected.vectors) {
        const states = await pass([inputOf(text)]);
        expect(cosine(meanOf(states, model.shape.hidden), vector)).toBeGreaterThan(0.9999);
      }
    },
  );

  test.skipIf(isMissing)(
    'computes the same for a text alone and together with others',
    async () => {
      const inputs = expected.vectors.map(({ text }) => inputOf(text));
      const together = await pass(inputs);
      let at = 0;
      for (const input of inputs) {
        const alone = await pass([input]);
        for (const [i, value] of alone.entries()) expect(together[at + i]).toBeCloseTo(value, 4);
        at += alone.length;
      }
      expect(at).toBe(together.length);
    },
  );
});

describe.skipIf(why !== undefined)(
  `the encoder in C++${why === undefined ? '' : ` (${why})`}`,
  () => {
    const tokens = Int32Array.of(2, 5, 3);
    const kinds = new Int32Array(3);
    const lengths = Int32Array.of(3);

    test.each([
      ['a token above the vocabulary', { tokens: Int32Array.of(2, 1_000, 3) }],
      ['a negative token', { tokens: Int32Array.of(2, -1, 3) }],
      ['an unknown kind', { kinds: Int32Array.of(0, 2, 0) }],
      ['too few kinds', { kinds: new Int32Array(2) }],
      ['lengths that do not add up', { lengths: Int32Array.of(2) }],
      ['an empty text', { lengths: Int32Array.of(3, 0) }],
      [
        'no token',
        { tokens: new Int32Array(), kinds: new Int32Array(), lengths: new Int32Array() },
      ],
      [
        'a text longer than the positions',
        { tokens: new Int32Array(65), kinds: new Int32Array(65), lengths: Int32Array.of(65) },
      ],
      [
        'another type of array',
        { tokens: Float32Array.of(1) as unknown as Int32Array<ArrayBuffer> },
      ],
    ])('refuses %s', async (_name, wrong) => {
      if (!addon.available) throw new Error(addon.reason);
      const weights = await readWeights(model);
      const native = new addon.exports.Encoder({ ...model.shape, threads: 1, weights });
      await expect(native.pass({ tokens, kinds, lengths, ...wrong })).rejects.toMatchObject({
        code: 'invalid_step',
      });
      expect(await native.pass({ tokens, kinds, lengths })).toHaveLength(3 * model.shape.hidden);
      await native.close();
      await expect(native.pass({ tokens, kinds, lengths })).rejects.toMatchObject({
        code: 'invalid_step',
      });
    });

    test.each([
      { hidden: 25 },
      { heads: 0 },
      { layers: 1_000_000 },
      { vocabulary: 2 ** 31 - 1, hidden: 8_190, heads: 1 },
      { normEps: -1 },
      { weights: new Float32Array(10) },
      { weights: undefined },
    ])('refuses a model with %j', async (wrong) => {
      if (!addon.available) throw new Error(addon.reason);
      const { Encoder: Native } = addon.exports;
      const weights = await readWeights(model);
      expect(() => new Native({ ...model.shape, threads: 1, weights, ...wrong })).toThrow(
        expect.objectContaining({ code: 'invalid_model' }),
      );
    });
  },
);

test('a reranker has the kinds of tokens that separate query and document', async () => {
  const { tokenizer } = await openReranker();
  const input = tokenizer.pairsOf('cold river')('the [SEP] river', READING);
  expect(input).toMatchObject({ first: 4 });
  // The mark in the document is text, so there are only two.
  expect([...(input as EncoderInput).tokens].filter((token) => token === 3)).toHaveLength(2);
});
