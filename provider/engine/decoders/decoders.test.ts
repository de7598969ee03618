import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { kvBytesPerToken, NO_STATE, PAGE_TOKENS, type Step } from './decoder.ts';
import {
  backendsUnderTest,
  distance,
  fixtures,
  fixturesOn,
  generateGreedily,
  withFixture,
} from './decoder-under-test.ts';
import { createCpuBackend } from './native-decoder.ts';
import { stepOf } from './step.ts';

/**
 * Maximum difference between a logit and the one of mlx-lm or transformers, divided by the largest
 * logit. The CPU backend rounds the inputs of quantized matrices to 16 bits, so the logits are not
 * equal.
 */
const TOLERANCE = 1e-3;
const PAGES = [3, 9, 1, 4];
const state = { read: NO_STATE, write: 1 };
const MANY_PAGES = 1_000;
/** Those with windows, and those whose norms or routers other ones do not have. */
const fixturesInParts = [
  'gemma3',
  'gpt-oss',
  'gpt-oss-published',
  'gemma4',
  'olmo2',
  'granite',
  'qwen2-moe',
  'glm4',
  'glm4-moe',
  'phi3-long',
] as const;
const fixturesOfLongSequences = ['llama', 'gemma3', 'gpt-oss'] as const;

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

for (const { name: kind, create } of backendsUnderTest) {
  const made = await create();
  describe.skipIf('reason' in made)(`${kind}${'reason' in made ? ` (${made.reason})` : ''}`, () => {
    if ('reason' in made) return;
    const { backend } = made;
    afterAll(() => backend[Symbol.asyncDispose]());

    for (const name of fixturesOn(kind, fixtures)) {
      test(`${name}: every logit of a prompt is close to the expected one`, () =>
        withFixture(backend, name, async (decoder, { prompt, logits }) => {
          const result = await decoder.step(
            stepOf([{ tokens: prompt, from: 0, pages: PAGES, state, outputTokens: 'every' }], true),
          );
          expect(distance(result.logits as Float32Array, logits)).toBeLessThan(TOLERANCE);
        }));

      test(`${name}: greedy decoding generates the expected tokens`, () =>
        withFixture(backend, name, async (decoder, { prompt, greedy }) => {
          expect(
            await generateGreedily(decoder, { prompt, count: greedy.length, pages: PAGES }),
          ).toEqual(greedy);
        }));
    }

    test.for(fixturesOn(kind, fixturesInParts))(
      '%s: a prompt in parts, beside other sequences and in scattered pages, has the same logits',
      (name) =>
        withFixture(backend, name, async (decoder, { prompt }) => {
          const whole = await decoder.step(
            stepOf([{ tokens: prompt, from: 0, pages: [0], outputTokens: 'last' }], true),
          );
          const expected = Float32Array.from(whole.logits as Float32Array);
          const other = prompt.toReversed();
          await decoder.step(
            stepOf(
              [
                { tokens: prompt.slice(0, 7), from: 0, pages: [5], outputTokens: 'none' },
                { tokens: other.slice(0, 20), from: 0, pages: [6], outputTokens: 'last' },
              ],
              true,
            ),
          );
          await decoder.step(
            stepOf(
              [
                { tokens: other.slice(20), from: 20, pages: [6], outputTokens: 'last' },
                { tokens: prompt.slice(7, 23), from: 7, pages: [5], outputTokens: 'last' },
              ],
              true,
            ),
          );
          const last = await decoder.step(
            stepOf(
              [{ tokens: prompt.slice(23), from: 23, pages: [5], outputTokens: 'last' }],
              true,
            ),
          );
          expect(distance(last.logits as Float32Array, expected)).toBeLessThan(1e-5);
        }),
    );

    test.for(fixturesOn(kind, fixturesOfLongSequences))(
      '%s: long and short sequences in pages that are together or scattered have the logits of each one alone',
      (name) =>
        withFixture(
          backend,
          name,
          async (decoder, { prompt }) => {
            const textOf = (length: number, shift: number) =>
              Array.from({ length }, (_, i) => prompt[(i + shift) % prompt.length] as number);
            const sequences = [
              { tokens: textOf(141, 0), pages: [0, 1, 2, 3, 4] },
              { tokens: textOf(141, 1), pages: [17, 11, 15, 12, 19] },
              { tokens: textOf(150, 2), pages: [5, 6, 7, 8, 9] },
              { tokens: textOf(141, 3), pages: [30, 31, 32, 33, 34] },
              { tokens: textOf(20, 4), pages: [21] },
              { tokens: textOf(30, 5), pages: [22] },
            ];
            const step = async (parts: Parameters<typeof stepOf>[0]) => [
              ...((await decoder.step(stepOf(parts, true))).logits as Float32Array),
            ];
            const alone: number[] = [];
            for (const { tokens, pages } of sequences)
              for (let from = 0; from < tokens.length; from += 60) {
                const part = tokens.slice(from, from + 60);
                const logits = await step([{ tokens: part, from, pages, outputTokens: 'last' }]);
                if (from + 60 >= tokens.length) alone.push(...logits);
              }
            const together = await step(
              sequences.map(({ tokens, pages }) => ({
                tokens: tokens.slice(-1),
                from: tokens.length - 1,
                pages,
                outputTokens: 'last',
              })),
            );
            expect(distance(Float32Array.from(together), Float32Array.from(alone))).toBeLessThan(
              1e-5,
            );
          },
          { pages: 40 },
        ),
    );

    test.for(fixturesOn(kind, fixturesInParts))(
      '%s: a sequence that continues another one from a shared page has the same logits',
      (name) =>
        withFixture(backend, name, async (decoder, { prompt, greedy }) => {
          const tokens = [...prompt, ...greedy.slice(0, 60 - prompt.length)];
          const whole = await decoder.step(
            stepOf([{ tokens, from: 0, pages: [2, 5], outputTokens: 'last' }], true),
          );
          const expected = Float32Array.from(whole.logits as Float32Array);
          const continued = await decoder.step(
            stepOf(
              [
                { tokens: prompt, from: 0, pages: [7], outputTokens: 'none' },
                {
                  tokens: tokens.slice(PAGE_TOKENS),
                  from: PAGE_TOKENS,
                  pages: [2, 8],
                  outputTokens: 'last',
                },
              ],
              true,
            ),
          );
          expect(distance(continued.logits as Float32Array, expected)).toBeLessThan(1e-5);
        }),
    );

    test.for(fixturesOn(kind, fixturesInParts))(
      '%s: the last tokens have the same logits if the others have no output',
      (name) =>
        withFixture(backend, name, async (decoder, { prompt }) => {
          const logitsOf = async (outputTokens: 'every' | number) => {
            const parts = [
              { tokens: prompt, from: 0, pages: [5], outputTokens },
              { tokens: prompt.toReversed(), from: 0, pages: [6], outputTokens },
            ];
            const { best, logits } = await decoder.step(stepOf(parts, true));
            const width = (logits as Float32Array).length / best.length;
            const rowsOf = (end: number) =>
              (logits as Float32Array).slice((end - 3) * width, end * width);
            return Float32Array.of(...rowsOf(best.length / 2), ...rowsOf(best.length));
          };
          expect(distance(await logitsOf(3), await logitsOf('every'))).toBeLessThan(1e-5);
        }),
    );

    test('the most likely token is the one with the largest logit', () =>
      withFixture(backend, 'llama', async (decoder, { prompt }) => {
        const { best, logits } = await decoder.step(
          stepOf([{ tokens: prompt, from: 0, pages: PAGES, outputTokens: 'every' }], true),
        );
        const width = (logits as Float32Array).length / best.length;
        for (const [i, token] of best.entries()) {
          const row = (logits as Float32Array).subarray(i * width, (i + 1) * width);
          expect(token).toBe(row.indexOf(Math.max(...row)));
        }
      }));

    test('a step with too many tokens is rejected, and the next step works', () =>
      withFixture(backend, 'llama', async (decoder, { prompt, greedy }) => {
        const many = Array.from({ length: 65 }, () => 1);
        await expect(
          Promise.resolve().then(() =>
            decoder.step(
              stepOf([{ tokens: many, from: 0, pages: [...PAGES, 0], outputTokens: 'last' }], true),
            ),
          ),
        ).rejects.toThrow('the step has too many tokens');
        expect(await generateGreedily(decoder, { prompt, count: 5, pages: PAGES })).toEqual(
          greedy.slice(0, 5),
        );
      }));

    test('the cache allocates memory as pages are used and frees it, and the remaining pages keep their contents', () =>
      withFixture(
        backend,
        'gemma3',
        async (decoder, { model, prompt, greedy }) => {
          const pageBytes = PAGE_TOKENS * kvBytesPerToken(model, backend);
          const whole = MANY_PAGES * pageBytes;
          const fresh = await decoder.step(
            stepOf([{ tokens: prompt, from: 0, pages: [1, 0], outputTokens: 'last' }], false),
          );
          expect(decoder.cacheBytes).toBeGreaterThanOrEqual(2 * pageBytes);
          expect(decoder.cacheBytes).toBeLessThanOrEqual(whole / 50);
          const far = [MANY_PAGES - 1, MANY_PAGES - 2];
          expect(await generateGreedily(decoder, { prompt, count: 3, pages: far })).toEqual(
            greedy.slice(0, 3),
          );
          expect(decoder.cacheBytes).toBe(whole);
          await decoder.keep(2, 0);
          expect(decoder.cacheBytes).toBeLessThanOrEqual(whole / 50);
          const next = await decoder.step(
            stepOf(
              [
                {
                  tokens: [fresh.best[0] as number],
                  from: prompt.length,
                  pages: [1, 0],
                  outputTokens: 'last',
                },
              ],
              false,
            ),
          );
          expect([fresh.best[0], next.best[0]]).toEqual(greedy.slice(0, 2));
          expect(await generateGreedily(decoder, { prompt, count: 3, pages: far })).toEqual(
            greedy.slice(0, 3),
          );
        },
        { pages: MANY_PAGES },
      ));

    test('a step that would access memory outside of the decoder is rejected, and the next step works', () =>
      withFixture(backend, 'llama', async (decoder, { model, prompt, greedy }) => {
        const good = stepOf(
          [{ tokens: prompt.slice(0, 4), from: 0, pages: PAGES, outputTokens: 'last' }],
          true,
        );
        const all = (value: number) => Int32Array.of(value, value, value, value);
        const hostile: Partial<Step>[] = [
          ...[model.shape.vocabulary, 400_000_000, -1, -(2 ** 31)].map((token) => ({
            tokens: all(token),
          })),
          ...[16 * PAGE_TOKENS, 2 ** 31 - 1, -1].flatMap((value) => [
            { places: all(value) },
            { positions: all(value) },
            { rows: all(value) },
          ]),
          ...[16, 2 ** 31 - 1, -1].map((page) => ({ tables: Int32Array.of(page) })),
          ...[[4], [-1], [1, 0], [0, 0]].map((outputs) => ({ outputs: Int32Array.from(outputs) })),
          ...[0, 2, -1, 2 ** 31 - 1].map((tableWidth) => ({ tableWidth })),
          { rows: Int32Array.of(0) },
          { positions: Int32Array.of(0) },
          { places: Int32Array.of(0) },
          { tokens: new Int32Array(0) },
        ];
        for (const fields of hostile)
          await expect(
            Promise.resolve().then(() => decoder.step({ ...good, ...fields })),
            JSON.stringify(fields),
          ).rejects.toMatchObject({
            code: 'invalid_step',
          });
        expect(await generateGreedily(decoder, { prompt, count: 5, pages: PAGES })).toEqual(
          greedy.slice(0, 5),
        );
      }));
  });
}

/**
 * Tests the slower kernels too. `native/cpu/decoder.cc` chooses the kernels when a model is loaded,
 * by default the fastest ones.
 */
describe('slower instruction sets', async () => {
  const made = await (
    backendsUnderTest.find(({ name }) => name === 'cpu') as (typeof backendsUnderTest)[number]
  ).create();
  afterEach(() => vi.unstubAllEnvs());

  test
    .skipIf('reason' in made)
    .for(
      ['avx2', 'portable'].flatMap((kernels) =>
        (['llama', 'llama-every-width', 'qwen3', 'gemma3', 'gpt-oss', 'qwen3-5'] as const).map(
          (name) => [kernels, name] as const,
        ),
      ),
    )('%s generates for %s the same tokens as mlx-lm', async ([kernels, name]) => {
    if ('reason' in made) return;
    vi.stubEnv('DINF_CPU_KERNELS', kernels);
    await withFixture(made.backend, name, async (decoder, { prompt, greedy }) => {
      expect(
        await generateGreedily(decoder, { prompt, count: greedy.length, pages: PAGES }),
      ).toEqual(greedy);
    });
  });

  test
    .skipIf('reason' in made || !made.backend.device.includes('avx'))
    .for(['llama-every-width', 'gpt-oss'] as const)(
    'avx2 rounds no input of %s to 8 bits',
    async (name) => {
      vi.stubEnv('DINF_CPU_KERNELS', 'avx2');
      const opened = createCpuBackend({ threads: 1, fine: false });
      if ('reason' in opened) throw new Error(opened.reason);
      await using backend = opened.backend;
      await withFixture(backend, name, async (decoder, { prompt, logits }) => {
        const result = await decoder.step(
          stepOf([{ tokens: prompt, from: 0, pages: PAGES, outputTokens: 'every' }], true),
        );
        expect(distance(result.logits as Float32Array, logits)).toBeLessThan(TOLERANCE);
      });
    },
  );
});
