import { afterAll, describe, expect, test, vi } from 'vitest';
import { leastBytes, modelsThatFit } from '../residency/memory-plan.ts';
import { type Decoder, kvBytesPerToken, PAGE_TOKENS, unitBytesOf } from './decoder.ts';
import {
  backendsUnderTest,
  draftsOf,
  fixturesOn,
  fixturesWithAssistants,
  generateGreedily,
  openAssisted,
} from './decoder-under-test.ts';
import { assistedStepOf, stepOf } from './step.ts';

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

const PAGES = 16;
const OF_TEXT = [0, 5, 2];
const OF_OTHER = [7, 3, 4];
const DRAFTED = 4;

type Name = (typeof fixturesWithAssistants)[number];

interface Assisted {
  readonly text: readonly number[];
  /** Number of tokens of the text whose keys are cached. The last one is the next. */
  readonly end: number;
  /** The index of the token before the last one in the last step. */
  readonly before: number;
  readonly pages: readonly number[];
}

/** Drafts tokens one after the other, for several texts together. */
async function chains(decoder: Decoder, texts: readonly Assisted[]): Promise<number[][]> {
  const drafted: number[][] = texts.map(() => []);
  for (let i = 0; i < DRAFTED; i += 1) {
    const parts = texts.map(({ text, end, before, pages }, index) => ({
      token: (drafted[index]?.at(-1) ?? text[end]) as number,
      at: end - 1,
      before: i === 0 ? before : index,
      pages,
    }));
    const best = await decoder.draft(assistedStepOf(parts, i > 0));
    for (const [index, token] of best.entries()) drafted[index]?.push(token);
  }
  return drafted;
}

for (const { name: kind, create } of backendsUnderTest) {
  const made = await create();
  const backend = 'reason' in made ? undefined : made.backend;
  const why = 'reason' in made ? ` (${made.reason})` : '';
  describe.skipIf(backend === undefined)(`the assistants of ${kind}${why}`, () => {
    afterAll(() => backend?.[Symbol.asyncDispose]());

    const withAssistant = async (
      name: Name,
      use: (
        decoder: Decoder,
        text: readonly number[],
        drafts: readonly (readonly number[])[],
      ) => Promise<void>,
    ) => {
      if (backend === undefined) return;
      const { model, prompt, greedy } = await openAssisted(name);
      await using decoder = await backend.load({ model, pages: PAGES, maxTokens: 128 });
      await use(decoder, [...prompt, ...greedy], draftsOf(name));
    };
    const read = (
      decoder: Decoder,
      parts: readonly {
        readonly tokens: readonly number[];
        readonly from?: number;
        readonly pages?: readonly number[];
      }[],
    ) =>
      decoder.step(
        stepOf(
          parts.map(({ tokens, from = 0, pages = OF_TEXT }) => ({
            ...{ tokens, from, pages },
            outputTokens: 'every' as const,
          })),
          false,
        ),
      );

    test.for(fixturesOn(kind, fixturesWithAssistants))(
      '%s: the answer is that of transformers',
      (name) =>
        withAssistant(name, async (decoder, text) => {
          const { prompt, greedy } = await openAssisted(name);
          const answer = { prompt, count: greedy.length, pages: OF_TEXT };
          expect([...prompt, ...(await generateGreedily(decoder, answer))]).toEqual(text);
        }),
    );

    test.for(fixturesOn(kind, fixturesWithAssistants))(
      '%s: drafts are those of transformers, after each length of a text',
      (name) =>
        withAssistant(name, async (decoder, text, drafts) => {
          await read(decoder, [{ tokens: text.slice(0, -1) }]);
          const made = [];
          // Keys after the position do not count: they are those of rejected drafts.
          for (let end = 1; end < text.length; end += 1)
            made.push(...(await chains(decoder, [{ text, end, before: end - 1, pages: OF_TEXT }])));
          expect(made).toEqual(drafts);
        }),
    );

    test.for(fixturesOn(kind, fixturesWithAssistants))(
      '%s: drafts are the same if texts draft together, in any pages, after steps in parts',
      (name) =>
        withAssistant(name, async (decoder, text, drafts) => {
          await read(decoder, [{ tokens: text.slice(0, 20), pages: OF_OTHER }]);
          await read(decoder, [{ tokens: text.slice(0, 50) }]);
          await read(decoder, [
            { tokens: text.slice(50, 53), from: 50 },
            { tokens: text.slice(20, PAGE_TOKENS + 3), from: 20, pages: OF_OTHER },
          ]);
          const made = await chains(decoder, [
            { text, end: 53, before: 2, pages: OF_TEXT },
            { text, end: PAGE_TOKENS + 3, before: 2 + PAGE_TOKENS + 3 - 20, pages: OF_OTHER },
          ]);
          expect(made).toEqual([drafts[52], drafts[PAGE_TOKENS + 2]]);
        }),
    );

    test.for(fixturesOn(kind, fixturesWithAssistants))(
      '%s: drafts are the same after a restored prefix, and change nothing that is saved',
      (name) =>
        withAssistant(name, async (decoder, text, drafts) => {
          await read(decoder, [{ tokens: text.slice(0, 64) }]);
          const units = { pages: Int32Array.of(0, 5), states: new Int32Array() };
          const saved = await decoder.save(units);
          await chains(decoder, [{ text, end: 64, before: 63, pages: OF_TEXT }]);
          expect(await decoder.save(units)).toEqual(saved);
          await decoder.keep(0, 0);
          const other = { pages: Int32Array.of(9, 1), states: new Int32Array() };
          await decoder.restore(other, saved);
          const pages = [9, 1, 11];
          await read(decoder, [{ tokens: text.slice(64, 70), from: 64, pages }]);
          const [draft] = await chains(decoder, [{ text, end: 70, before: 5, pages }]);
          expect(draft).toEqual(drafts[69]);
        }),
    );

    test('a draft outside of the memory is refused', () =>
      withAssistant('gemma4-assisted-groups', async (decoder, text) => {
        await read(decoder, [{ tokens: text.slice(0, 10) }]);
        const part = { token: text[10] as number, at: 9, before: 9, pages: OF_TEXT };
        const good = assistedStepOf([part], false);
        const wrong = [
          { before: Int32Array.of(10) },
          { before: Int32Array.of(-1) },
          { before: Int32Array.of() },
          { isChained: true },
          { tokens: Int32Array.of(512) },
          { tables: good.tables.map(() => PAGES) },
          { tables: good.tables.map(() => -1) },
          { positions: Int32Array.of(PAGES * PAGE_TOKENS) },
          { coordinates: good.coordinates.map(() => PAGES * PAGE_TOKENS) },
          { ends: Int32Array.of(10_000) },
          { outputs: Int32Array.of() },
        ];
        for (const change of wrong)
          await expect(
            decoder.draft({ ...good, ...change }),
            JSON.stringify(change),
          ).rejects.toMatchObject({ code: 'invalid_step' });
        await expect(decoder.draft(good)).resolves.toHaveLength(1);
      }));
  });
}

test('an assistant counts in the memory of weights, and has no cache', async () => {
  const { model } = await openAssisted('gemma4-assisted');
  const { assistant, ...alone } = model;
  const backend = { cacheNumberBytes: () => 4 };
  expect(assistant.weightBytes).toBeGreaterThan(10_000);
  expect(leastBytes(model, backend)).toBe(leastBytes(alone, backend) + assistant.weightBytes);
  expect(kvBytesPerToken(model, backend)).toBe(kvBytesPerToken(alone, backend));
  expect(unitBytesOf(model, backend)).toEqual(unitBytesOf(alone, backend));
});

test('a model that fits only without its assistant is served without it', async () => {
  const { model } = await openAssisted('gemma4-assisted');
  const named = { ...model, build: 'gemma' };
  const backend = { cacheNumberBytes: () => 4 };
  const fitting = (memoryBytes: number) =>
    modelsThatFit([named], { backend, memoryBytes }).fitting.map(({ assistant }) => assistant);
  const needed = leastBytes(named, backend);
  expect(fitting(needed)).toEqual([model.assistant]);
  expect(fitting(needed - 1)).toEqual([undefined]);
});
