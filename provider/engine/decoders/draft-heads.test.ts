import { afterAll, describe, expect, test, vi } from 'vitest';
import { allMatrices } from '../../models/decoder-weights.ts';
import { withoutHead } from '../../models/head-weights.ts';
import { type Decoder, kvBytesPerToken, NO_STATE, PAGE_TOKENS, unitBytesOf } from './decoder.ts';
import {
  backendsUnderTest,
  draftsOf,
  fixturesOn,
  fixturesWithHeads,
  generateGreedily,
  openFixture,
} from './decoder-under-test.ts';
import { draftStepOf, stepOf } from './step.ts';

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

const PAGES = 16;
const OF_TEXT = [0, 1, 2];
/** The head has the same pages as a sequence, in any order. */
const OF_HEAD = [5, 3, 7];

/** Drafts `count` tokens one after the other, after the head has read `tokens`. */
async function chain(
  decoder: Decoder,
  {
    tokens,
    from,
    at,
    before,
    count,
  }: { tokens: readonly number[]; from: number; at: number; before: number; count: number },
): Promise<number[]> {
  const draft = decoder.draft.bind(decoder);
  const pages = OF_HEAD;
  const made = await draft(draftStepOf([{ tokens, from, at, before, pages }], false));
  const drafted = [made[0] as number];
  for (let i = 1; i < count; i += 1) {
    const last = i === 1 ? tokens.length - 1 : 0;
    const part = { tokens: drafted.slice(-1), before: last, pages };
    const place = tokens.length + i - 1;
    const [token] = await draft(
      draftStepOf([{ ...part, from: from + place, at: at + place }], true),
    );
    drafted.push(token as number);
  }
  return drafted;
}

for (const { name: kind, create } of backendsUnderTest) {
  const made = await create();
  const backend = 'reason' in made ? undefined : made.backend;
  const why = 'reason' in made ? ` (${made.reason})` : '';
  describe.skipIf(backend === undefined)(`the draft heads of ${kind}${why}`, () => {
    afterAll(() => backend?.[Symbol.asyncDispose]());

    const withHead = async (
      name: (typeof fixturesWithHeads)[number],
      use: (
        decoder: Decoder,
        text: readonly number[],
        drafts: readonly (readonly number[])[],
      ) => Promise<void>,
    ) => {
      if (backend === undefined) return;
      const { model, prompt, greedy } = await openFixture(name);
      await using decoder = await backend.load({ model, pages: PAGES, states: 4, maxTokens: 128 });
      await use(decoder, [...prompt, ...greedy], draftsOf(name));
    };
    const read = (decoder: Decoder, tokens: readonly number[], from = 0) => {
      const state = { read: from === 0 ? NO_STATE : 0, write: 0 };
      return decoder.step(
        stepOf([{ tokens, from, pages: OF_TEXT, state, outputTokens: 'every' }], false),
      );
    };

    test.for(fixturesOn(kind, fixturesWithHeads))(
      '%s: the answer is that of transformers',
      (name) =>
        withHead(name, async (decoder, text) => {
          const { prompt, greedy } = await openFixture(name);
          const answer = { prompt, count: greedy.length, pages: OF_TEXT };
          expect([...prompt, ...(await generateGreedily(decoder, answer))]).toEqual(text);
        }),
    );

    test.for(fixturesOn(kind, fixturesWithHeads))(
      '%s: drafts are those of the layer of transformers',
      (name) =>
        withHead(name, async (decoder, text, drafts) => {
          for (const end of [2, 20, PAGE_TOKENS + 1, text.length]) {
            await read(decoder, text.slice(0, end - 1));
            const tokens = text.slice(1, end);
            const drafted = await chain(decoder, { tokens, from: 0, at: 0, before: 0, count: 3 });
            expect(drafted).toEqual(drafts[end - 2]);
          }
        }),
    );

    test.for(fixturesOn(kind, fixturesWithHeads))(
      '%s: drafts are the same if the head reads in parts, and after rejected drafts',
      (name) =>
        withHead(name, async (decoder, text, drafts) => {
          let done = 0;
          for (const end of [5, 6, 7, 30, PAGE_TOKENS + 2, 60, 61]) {
            await read(decoder, text.slice(done, end), done);
            const tokens = text.slice(done + 1, end + 1);
            const drafted = await chain(decoder, {
              tokens,
              from: done,
              at: done,
              before: 0,
              count: 3,
            });
            expect(drafted).toEqual(drafts[end - 1]);
            done = end;
          }
        }),
    );

    test.for(fixturesOn(kind, fixturesWithHeads))(
      '%s: a draft changes no answer, and what is saved',
      (name) =>
        withHead(name, async (decoder, text) => {
          const expected = (await read(decoder, text)).best.slice();
          await read(decoder, text.slice(0, 40));
          const units = { pages: Int32Array.of(0, 1), states: Int32Array.of(0) };
          const saved = await decoder.save(units);
          // Its pages are those of the text, in the head's own cache.
          const part = { tokens: text.slice(1, 41), from: 0, at: 0, before: 0, pages: OF_TEXT };
          await decoder.draft(draftStepOf([part], false));
          expect(await decoder.save(units)).toEqual(saved);
          const { best } = await read(decoder, text.slice(40), 40);
          expect([...best]).toEqual([...expected.slice(40)]);
        }),
    );

    test('a draft outside of the memory is refused', () =>
      withHead('qwen3-next-head', async (decoder, text) => {
        await read(decoder, text.slice(0, 10));
        const part = { tokens: text.slice(1, 11), from: 0, at: 0, before: 0, pages: OF_HEAD };
        const good = draftStepOf([part], false);
        const wrong = [
          { before: good.before.map((index) => index + 1) },
          { before: good.before.map((index) => index - 1) },
          { before: good.before.slice(1) },
          { isChained: true },
          { tokens: good.tokens.map(() => 512) },
          { places: good.places.map(() => PAGES * PAGE_TOKENS) },
          { tables: good.tables.map(() => -1) },
          { coordinates: good.coordinates.map(() => PAGES * PAGE_TOKENS) },
          { ends: good.ends.map(() => 10_000) },
          { outputs: Int32Array.of() },
          { imageTokens: Int32Array.of(0), imageEmbeddings: new Float32Array(64) },
        ];
        for (const change of wrong)
          await expect(
            decoder.draft({ ...good, ...change }),
            JSON.stringify(change),
          ).rejects.toMatchObject({
            code: 'invalid_step',
          });
        await expect(decoder.draft(good)).resolves.toHaveLength(1);
      }));

    test('a model without a head is refused', async () => {
      if (backend === undefined) return;
      const model = withoutHead((await openFixture('qwen3-next-head')).model);
      await using decoder = await backend.load({ model, pages: PAGES, states: 4, maxTokens: 128 });
      await read(decoder, [1, 2, 3]);
      const part = { tokens: [2, 3], from: 0, at: 0, before: 0, pages: OF_HEAD };
      await expect(decoder.draft(draftStepOf([part], false))).rejects.toMatchObject({
        code: 'invalid_step',
      });
    });
  });
}

test('a head counts in the memory of weights and cache, and not in what is stored', async () => {
  const { model } = await openFixture('qwen3-5-head');
  const headless = withoutHead(model);
  const backend = { cacheNumberBytes: () => 4 };
  // One of the layers has keys and values, and the head.
  expect(kvBytesPerToken(model, backend)).toBe(2 * kvBytesPerToken(headless, backend));
  expect(unitBytesOf(model, backend)).toEqual(unitBytesOf(headless, backend));
  const matrices = allMatrices(model.weights).length - allMatrices(headless.weights).length;
  expect(matrices).toBe(1 + 8);
});
