import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openVisionFixture, visionFixtures } from '../vision/vision-under-test.ts';
import { type Backend, type Decoder, NO_STATE, PAGE_TOKENS } from './decoder.ts';
import { backendsUnderTest, distance } from './decoder-under-test.ts';
import { type PlacedImage, type StepPart, stepOf } from './step.ts';

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const PAGES = 18;
const VOCABULARY = 512;
const pages = Int32Array.from({ length: PAGES }, (_, page) => page);
/** The pages and the state slot of a sequence in the decoder, and the images of its text. */
interface Standing {
  readonly of: readonly PlacedImage[];
  readonly at: ArrayLike<number>;
  readonly slot: number;
}

const backends = await Promise.all(
  backendsUnderTest.map(async ({ name, create }) => ({ name, made: await create() })),
);
const cases = backends.flatMap(({ name, made }) =>
  visionFixtures.map((fixture) => [name, fixture, made] as const),
);
afterAll(async () => {
  for (const { made } of backends) if ('backend' in made) await made.backend[Symbol.asyncDispose]();
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
      decoder = await backend().load({ model, pages: PAGES, maxTokens: 360, states: 4 });
  });
  afterAll(() => decoder?.[Symbol.asyncDispose]());

  const partOf = (
    tokens: readonly number[],
    from: number,
    { of = images, at = pages, slot = 0 }: Partial<Standing> = {},
  ): StepPart => ({
    tokens,
    from,
    pages: at,
    state: { read: from === 0 ? NO_STATE : slot, write: slot },
    images: of,
    outputTokens: 'every',
  });
  const run = async (...parts: StepPart[]) => {
    const { best, logits } = await decoder.step(stepOf(parts, true));
    return { best, logits: logits?.slice() as Float32Array };
  };
  const step = (tokens: readonly number[], from: number, of: readonly PlacedImage[] = images) =>
    run(partOf(tokens, from, { of }));
  /** The embeddings of each image in the place of the other one. */
  const swapped = () => {
    const [first, second] = images;
    return [
      { ...first, embeddings: second.embeddings },
      { ...second, embeddings: first.embeddings },
    ];
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

  // WebGPU computes so few tokens one by one, with another kernel.
  test.skipIf(why !== '')(`computes the end of an image alone${why}`, async () => {
    const [first] = images;
    const whole = (await step(prompt, 0)).logits;
    const from = first.at + first.tokens - 2;
    if (!first.isWhole) await step(prompt.slice(0, from), 0);
    const { logits } = await step(prompt.slice(from, from + 3), from);
    const expected = whole.subarray(from * VOCABULARY, (from + 3) * VOCABULARY);
    expect(distance(logits, expected)).toBeLessThan(1e-3);
  });

  test.skipIf(why !== '')(`computes the same beside other texts and images${why}`, async () => {
    const [first] = images;
    const cut = first.at + first.tokens;
    const own = { at: [17, 3, 11, 5, 9], slot: 1 };
    await run(partOf(prompt.slice(0, cut), 0, own));
    const { logits } = await run(
      {
        ...partOf(prompt, 0, { of: swapped(), at: [0, 2, 4, 6, 8], slot: 2 }),
        outputTokens: 'none',
      },
      partOf(prompt.slice(cut), cut, own),
      partOf(prompt.toReversed().slice(0, 40), 0, { of: [], at: [1, 7], slot: 3 }),
    );
    expect(worst(logits.subarray(0, (prompt.length - cut) * VOCABULARY), cut)).toBeLessThan(2e-3);
  });

  test.skipIf(why !== '')(`continues saved pages with images in other places${why}`, async () => {
    const [first] = images;
    const cut = first.at + first.tokens;
    const hasStates = model.shape.layers.some(({ delta }) => delta !== undefined);
    const unitsOf = (page: number, slot: number) => ({
      pages: pages.slice(page, page + Math.ceil(cut / PAGE_TOKENS)),
      states: Int32Array.from(hasStates ? [slot] : []),
    });
    await step(prompt.slice(0, cut), 0);
    const bytes = await decoder.save(unitsOf(0, 0));
    await step(prompt.toReversed(), 0, []);
    await decoder.restore(unitsOf(10, 3), bytes);
    const { logits } = await run(partOf(prompt.slice(cut), cut, { at: pages.slice(10), slot: 3 }));
    expect(worst(logits, cut)).toBeLessThan(2e-3);
  });

  test.skipIf(why !== '')(`computes other logits for other images${why}`, async () => {
    const plain = (await step(prompt, 0)).logits;
    const { logits } = await step(prompt, 0, swapped());
    expect(worst(logits, 0)).toBeGreaterThan(0.5);
    const before = images[0].at * VOCABULARY;
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
