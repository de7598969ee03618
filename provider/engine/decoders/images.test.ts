import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openVisionFixture, visionFixtures } from '../vision/vision-under-test.ts';
import { type Backend, type Decoder, NO_STATE, PAGE_TOKENS } from './decoder.ts';
import { backendsUnderTest } from './decoder-under-test.ts';
import { stepOf } from './step.ts';

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const PAGES = 8;
const VOCABULARY = 512;
const pages = Int32Array.from({ length: PAGES }, (_, page) => page);
const backends = await Promise.all(
  backendsUnderTest.map(async ({ name, create }) => ({ name, made: await create() })),
);
const cases = backends.flatMap(({ name, made }) =>
  visionFixtures.map((fixture) => [name, fixture, made] as const),
);
afterAll(async () => {
  for (const { made } of backends)
    if ('backend' in made) await made.backend[Symbol.asyncDispose]();
});

describe.each(cases)('the decoder %s of %s', (_, fixture, made) => {
  const why = 'reason' in made ? ` (${made.reason})` : '';
  const backend = () => ('backend' in made ? made.backend : undefined) as Backend;
  let decoder: Decoder;
  let {
    model,
    prompt,
    greedy,
    logits: expected,
    images,
  } = {} as Awaited<ReturnType<typeof openVisionFixture>>;
  beforeAll(async () => {
    ({ model, prompt, greedy, logits: expected, images } = await openVisionFixture(fixture));
    if (why === '')
      decoder = await backend().load({ model, pages: PAGES, maxTokens: 160, states: 2 });
  });
  afterAll(() => decoder?.[Symbol.asyncDispose]());

  const step = async (tokens: readonly number[], from: number, of = images) => {
    const state = { read: from === 0 ? NO_STATE : 0, write: 0 };
    const part = { tokens, from, pages, state, images: of, outputTokens: 'every' } as const;
    const { best, logits } = await decoder.step(stepOf([part], true));
    return { best, logits: logits?.slice() as Float32Array };
  };
  /** The largest difference from the logits of transformers, of the tokens that have some of them. */
  const worst = (made: Float32Array, from: number) => {
    const first = prompt.length - expected.length / VOCABULARY;
    const skipped = Math.max(0, first - from) * VOCABULARY;
    const wanted = expected.subarray(Math.max(0, from - first) * VOCABULARY);
    return made
      .subarray(skipped)
      .reduce((most, value, i) => Math.max(most, Math.abs(value - (wanted[i] as number))), 0);
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

  test.skipIf(why !== '')(`continues within an image and after a page${why}`, async () => {
    const [first] = images;
    const from = first.at + 5;
    expect(from % PAGE_TOKENS).toBeGreaterThan(0);
    await step(first.isWhole ? prompt : prompt.slice(0, from), 0);
    const isState = model.shape.layers.some(({ delta }) => delta !== undefined);
    if (first.isWhole || isState)
      expect(worst((await step(prompt.slice(from), from)).logits, from)).toBeLessThan(2e-3);
    else
      for (const begin of [from, PAGE_TOKENS, from])
        expect(worst((await step(prompt.slice(begin), begin)).logits, begin)).toBeLessThan(2e-3);
  });

  test.skipIf(why !== '')(`computes the same in parts${why}`, async () => {
    const [first, second] = images;
    const ends = [first.at + first.tokens, second.at, prompt.length];
    // Tokens that do not attend to one another may be in several steps.
    if (!second.isWhole) ends.push(first.at + 3, first.at + 4, second.at + 7);
    ends.sort((a, b) => a - b);
    for (const [i, to] of ends.entries()) {
      const from = ends[i - 1] ?? 0;
      expect(worst((await step(prompt.slice(from, to), from)).logits, from)).toBeLessThan(2e-3);
    }
  });

  test.skipIf(why !== '')(`computes other logits for other images${why}`, async () => {
    const [first, second] = images;
    const plain = (await step(prompt, 0)).logits;
    const { logits } = await step(prompt, 0, [
      { ...first, embeddings: second.embeddings },
      { ...second, embeddings: first.embeddings },
    ]);
    expect(worst(logits, 0)).toBeGreaterThan(0.5);
    const before = first.at * VOCABULARY;
    expect(logits.subarray(0, before)).toEqual(plain.subarray(0, before));
  });

  test.skipIf(why !== '')(`refuses embeddings that do not fit the tokens${why}`, async () => {
    const state = { read: NO_STATE, write: 0 };
    const part = { tokens: prompt, from: 0, pages, state, images, outputTokens: 'last' } as const;
    const plain = stepOf([part], false);
    const wrong = [
      { imageEmbeddings: plain.imageEmbeddings.slice(1) },
      { imageTokens: plain.imageTokens.map(() => 3) },
      { imageTokens: plain.imageTokens.map((token) => token + 10_000) },
      { ends: plain.ends.map(() => 1_000_000) },
      { ends: plain.ends.map(() => 0) },
      { ends: plain.ends.slice(1) },
      { coordinates: plain.coordinates.map(() => 1_000_000) },
      { coordinates: plain.coordinates.map(() => -1) },
      { coordinates: plain.coordinates.slice(1) },
    ];
    for (const change of wrong)
      await expect(decoder.step({ ...plain, ...change })).rejects.toMatchObject({
        code: 'invalid_step',
      });
  });
});
