import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DecoderModel } from '../../models/model.ts';
import {
  logits as expectedLogits,
  greedy,
  openVisionFixture,
  placedImages,
  prompt,
} from '../vision/vision-under-test.ts';
import { type Backend, type BackendOrReason, type Decoder, PAGE_TOKENS } from './decoder.ts';
import { createCpuBackend, createMlxBackend } from './native-decoder.ts';
import { createReferenceBackend } from './reference-decoder.ts';
import { stepOf } from './step.ts';

const images = placedImages();
const [first, second] = images as [(typeof images)[0], (typeof images)[0]];
const PAGES = 8;
const pages = Int32Array.from({ length: PAGES }, (_, page) => page);
let model: DecoderModel;
beforeAll(async () => {
  model = await openVisionFixture();
});

const backends: [string, BackendOrReason][] = [
  ['reference', { backend: createReferenceBackend() }],
  ['cpu', createCpuBackend({ threads: 2 })],
  ['mlx', createMlxBackend()],
];

describe.each(backends)('the decoder %s', (_, made) => {
  const why = 'reason' in made ? ` (${made.reason})` : '';
  const backend = () => ('backend' in made ? made.backend : undefined) as Backend;
  let decoder: Decoder;
  beforeAll(async () => {
    if (why === '') decoder = await backend().load({ model, pages: PAGES, maxTokens: 128 });
  });
  afterAll(() => decoder?.[Symbol.asyncDispose]());

  const step = async (tokens: readonly number[], from: number, of = images) => {
    const part = { tokens, from, pages, images: of, outputTokens: 'every' } as const;
    const { best, logits } = await decoder.step(stepOf([part], true));
    return { best, logits: logits?.slice() as Float32Array };
  };
  const worst = (made: Float32Array, from: number) => {
    const wanted = expectedLogits.subarray(from * 512, from * 512 + made.length);
    return made.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (wanted[i] as number))),
      0,
    );
  };

  test.skipIf(why !== '')(`computes the logits and the answer of transformers${why}`, async () => {
    const { best, logits } = await step(prompt, 0);
    expect(worst(logits, 0)).toBeLessThan(2e-3);
    const answer = [best.at(-1) as number];
    while (answer.length < greedy.length) {
      const from = prompt.length + answer.length - 1;
      answer.push((await step([answer.at(-1) as number], from)).best[0] as number);
    }
    expect(answer).toEqual(greedy);
  });

  test.skipIf(why !== '')(`continues after a page that ends within an image${why}`, async () => {
    await step(prompt, 0);
    const from = first.at + 5;
    expect(from % PAGE_TOKENS).toBeGreaterThan(0);
    expect(worst((await step(prompt.slice(from), from)).logits, from)).toBeLessThan(2e-3);
  });

  test.skipIf(why !== '')(`computes the same in parts between the images${why}`, async () => {
    for (const [from, to] of [
      [0, first.at + first.tokens],
      [first.at + first.tokens, second.at],
      [second.at, prompt.length],
    ] as const)
      expect(worst((await step(prompt.slice(from, to), from)).logits, from)).toBeLessThan(2e-3);
  });

  test.skipIf(why !== '')(`computes other logits for other images${why}`, async () => {
    const swapped = [
      { ...first, embeddings: second.embeddings },
      { ...second, embeddings: first.embeddings },
    ];
    const { logits } = await step(prompt, 0, swapped);
    expect(worst(logits, 0)).toBeGreaterThan(0.5);
    expect(worst(logits.subarray(0, first.at * 512), 0)).toBeLessThan(2e-3);
  });

  test.skipIf(why !== '')(`refuses embeddings that do not fit the tokens${why}`, async () => {
    const plain = stepOf([{ tokens: prompt, from: 0, pages, images, outputTokens: 'last' }], false);
    const wrong = [
      { imageEmbeddings: plain.imageEmbeddings.slice(1) },
      { imageTokens: plain.imageTokens.map(() => 3) },
      { imageTokens: plain.imageTokens.map((token) => token + 10_000) },
      { ends: plain.ends.map(() => 1_000_000) },
      { ends: plain.ends.map(() => 0) },
      { ends: plain.ends.slice(1) },
    ];
    for (const change of wrong)
      await expect(decoder.step({ ...plain, ...change })).rejects.toMatchObject({
        code: 'invalid_step',
      });
  });
});
