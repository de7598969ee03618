import { afterAll, describe, expect, test, vi } from 'vitest';
import { type Decoder, NO_STATE, type Step, stateBytes } from './decoder.ts';
import {
  backendsUnderTest,
  distance,
  fixturesOn,
  fixturesWithStates,
  generateGreedily,
  withFixture,
} from './decoder-under-test.ts';
import { type StepPart, stepOf } from './step.ts';

/** Maximum difference between two ways to compute the same logits, divided by the largest logit. */
const TOLERANCE = 1e-5;

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

const begin = (write: number) => ({ read: NO_STATE, write });
const next = (slot: number) => ({ read: slot, write: slot });

async function lastLogits(decoder: Decoder, ...parts: StepPart[]): Promise<Float32Array> {
  const { logits } = await decoder.step(stepOf(parts, true));
  const whole = logits as Float32Array;
  const rows = parts.filter(({ outputTokens }) => outputTokens === 'last').length;
  return whole.slice((whole.length / rows) * (rows - 1));
}

for (const { name: kind, create } of backendsUnderTest) {
  const made = await create();
  describe.skipIf('reason' in made)(`${kind}${'reason' in made ? ` (${made.reason})` : ''}`, () => {
    if ('reason' in made) return;
    const { backend } = made;
    afterAll(() => backend[Symbol.asyncDispose]());

    test.for(fixturesOn(kind, fixturesWithStates))(
      '%s: a prompt in parts, beside other sequences and in a used slot, has the same logits',
      (name) =>
        withFixture(backend, name, async (decoder, { prompt }) => {
          const expected = await lastLogits(decoder, {
            tokens: prompt,
            from: 0,
            pages: [0],
            state: begin(0),
            outputTokens: 'last',
          });
          const other = prompt.toReversed();
          // Slots 3 and 0 have the states of other texts, which must not remain.
          await lastLogits(
            decoder,
            { tokens: other, from: 0, pages: [5], state: begin(3), outputTokens: 'last' },
            {
              tokens: prompt.slice(0, 1),
              from: 0,
              pages: [6],
              state: begin(1),
              outputTokens: 'last',
            },
          );
          await lastLogits(
            decoder,
            {
              tokens: other.slice(0, 20),
              from: 0,
              pages: [6],
              state: begin(0),
              outputTokens: 'last',
            },
            {
              tokens: prompt.slice(0, 2),
              from: 0,
              pages: [5],
              state: begin(3),
              outputTokens: 'last',
            },
          );
          await lastLogits(
            decoder,
            {
              tokens: prompt.slice(2, 16),
              from: 2,
              pages: [5],
              state: next(3),
              outputTokens: 'last',
            },
            { tokens: other.slice(20), from: 20, pages: [6], state: next(0), outputTokens: 'last' },
          );
          for (let from = 16; from < 23; from += 1)
            await lastLogits(
              decoder,
              { tokens: [from], from: from + 8, pages: [6], state: next(0), outputTokens: 'last' },
              {
                tokens: [prompt[from] as number],
                from,
                pages: [5],
                state: next(3),
                outputTokens: 'last',
              },
            );
          const last = await lastLogits(decoder, {
            tokens: prompt.slice(23),
            from: 23,
            pages: [5],
            state: next(3),
            outputTokens: 'last',
          });
          expect(distance(last, expected)).toBeLessThan(TOLERANCE);
        }),
    );

    test.for(fixturesOn(kind, fixturesWithStates))(
      '%s: two sequences that continue one stored state get the logits of the whole text, and the stored state stays',
      (name) =>
        withFixture(backend, name, async (decoder, { prompt, greedy }) => {
          const stored = prompt.slice(0, 16);
          await decoder.step(
            stepOf(
              [{ tokens: stored, from: 0, pages: [0], state: begin(2), outputTokens: 'none' }],
              false,
            ),
          );
          const one = prompt.slice(16);
          const two = greedy.slice(0, 8);
          const whole = (tokens: readonly number[]) =>
            lastLogits(decoder, {
              tokens: [...stored, ...tokens],
              from: 0,
              pages: [9],
              state: begin(3),
              outputTokens: 'last',
            });
          const expected = [await whole(one), await whole(two), await whole(one)];
          for (const [index, tokens] of [one, two, one].entries()) {
            const continued = await lastLogits(decoder, {
              tokens,
              from: 16,
              pages: [0],
              state: { read: 2, write: index % 2 },
              outputTokens: 'last',
            });
            expect(distance(continued, expected[index] as Float32Array)).toBeLessThan(TOLERANCE);
          }
        }),
    );

    test.for(fixturesOn(kind, fixturesWithStates))(
      '%s: a long prompt has the same logits as its tokens one by one',
      (name) =>
        withFixture(backend, name, async (decoder, { prompt, greedy }) => {
          const tokens = [...prompt, ...greedy].slice(0, 64);
          const pages = [4, 1];
          const whole = await lastLogits(decoder, {
            tokens,
            from: 0,
            pages,
            state: begin(0),
            outputTokens: 'last',
          });
          let last = whole;
          for (const [from, token] of tokens.entries())
            last = await lastLogits(decoder, {
              tokens: [token],
              from,
              pages,
              state: from === 0 ? begin(1) : next(1),
              outputTokens: 'last',
            });
          expect(distance(last, whole)).toBeLessThan(TOLERANCE);
        }),
    );

    test.for(fixturesOn(kind, fixturesWithStates))(
      '%s: states that are advanced by the right tokens of a step are those of the text',
      (name) =>
        withFixture(
          backend,
          name,
          async (decoder, { prompt, greedy }) => {
            const text = [...prompt, ...greedy];
            const wrong = (token: number | undefined) => ((token as number) + 1) % 100;
            const firsts = [9, 4, 12];
            const pages = (row: number) => [2 * row, 2 * row + 1];
            await decoder.step(
              stepOf(
                firsts.map((from, row) => ({
                  tokens: text.slice(0, from),
                  from: 0,
                  pages: pages(row),
                  state: begin(row),
                  outputTokens: 'none',
                })),
                false,
              ),
            );
            // Of the drafts after one token of each row, 2, 0 and 5 are right; slots 3 to 5 get all of them.
            const right = [3, 1, 6];
            await decoder.step(
              stepOf(
                firsts.map((from, row) => ({
                  tokens: [
                    ...text.slice(from, from + (right[row] as number)),
                    ...text.slice(from, from + 2).map(wrong),
                  ],
                  from,
                  pages: pages(row),
                  state: { read: row, write: 3 + row },
                  outputTokens: 'every',
                })),
                false,
              ),
            );
            await decoder.advance({
              slots: Int32Array.of(0, 2),
              firsts: Int32Array.of(0, 8),
              counts: Int32Array.of(3, 6),
            });
            const next = async (row: number) => {
              const from = (firsts[row] as number) + (row === 1 ? 0 : (right[row] as number));
              const part = { tokens: text.slice(from, from + 3), from, pages: pages(row) };
              return lastLogits(decoder, {
                ...part,
                state: { read: row, write: row },
                outputTokens: 'last',
              });
            };
            for (const row of [0, 1, 2]) {
              const continued = await next(row);
              const end = (firsts[row] as number) + (row === 1 ? 0 : (right[row] as number)) + 3;
              const expected = await lastLogits(decoder, {
                tokens: text.slice(0, end),
                from: 0,
                pages: [6, 7],
                state: begin(3),
                outputTokens: 'last',
              });
              expect(distance(continued, expected)).toBeLessThan(TOLERANCE);
            }
          },
          { states: 6 },
        ),
    );

    test('states that are not slots, or tokens that were not kept, are refused', () =>
      withFixture(backend, 'qwen3-5', async (decoder, { prompt, greedy }) => {
        const part = { tokens: prompt.slice(0, 5), from: 0, pages: [0], state: begin(0) };
        await decoder.step(stepOf([{ ...part, outputTokens: 'last' }], false));
        for (const [slots, firsts, counts] of [
          [[4], [0], [1]],
          [[-1], [0], [1]],
          [
            [0, 0],
            [0, 1],
            [1, 1],
          ],
          [[0], [-1], [1]],
          [[0], [0], [0]],
          [[0], [0], [6]],
          [[0], [2 ** 31 - 1], [2 ** 31 - 1]],
          [
            [0, 1],
            [0, 1],
            [2, 1],
          ],
          [
            [0, 1],
            [2, 0],
            [1, 1],
          ],
          [[0], [0, 1], [1]],
          [[0], [0], []],
        ] as const)
          await expect(
            Promise.resolve().then(() =>
              decoder.advance({
                slots: Int32Array.from(slots),
                firsts: Int32Array.from(firsts),
                counts: Int32Array.from(counts),
              }),
            ),
            JSON.stringify([slots, firsts, counts]),
          ).rejects.toMatchObject({ code: 'invalid_step' });
        expect(await generateGreedily(decoder, { prompt, count: 5, pages: [3] })).toEqual(
          greedy.slice(0, 5),
        );
      }));

    test('the memory of states is allocated as slots are used, and freed', () =>
      withFixture(
        backend,
        'qwen3-5',
        async (decoder, { model, prompt, greedy }) => {
          const use = (slot: number) =>
            decoder.step(
              stepOf(
                [{ tokens: prompt, from: 0, pages: [0], state: begin(slot), outputTokens: 'last' }],
                false,
              ),
            );
          await use(0);
          const first = decoder.cacheBytes;
          await use(199);
          expect(decoder.cacheBytes - first).toBe(199 * stateBytes(model));
          await decoder.keep(1, 1);
          expect(decoder.cacheBytes).toBe(first);
          const { best } = await decoder.step(
            stepOf(
              [
                {
                  tokens: greedy.slice(0, 1),
                  from: prompt.length,
                  pages: [0],
                  state: next(0),
                  outputTokens: 'last',
                },
              ],
              false,
            ),
          );
          expect(best[0]).toBe(greedy[1]);
        },
        { states: 200 },
      ));

    test('a step in which sequences would share a state is rejected, and the next step works', () =>
      withFixture(backend, 'qwen3-5', async (decoder, { prompt, greedy }) => {
        const good = stepOf(
          [
            {
              tokens: prompt.slice(0, 2),
              from: 0,
              pages: [1],
              state: begin(0),
              outputTokens: 'last',
            },
            {
              tokens: prompt.slice(0, 2),
              from: 0,
              pages: [2],
              state: begin(1),
              outputTokens: 'last',
            },
          ],
          false,
        );
        const hostile: Partial<Step>[] = [
          ...[
            [-1, 0, -1, 0],
            [1, 0, -1, 1],
            [-1, 0, 4, 1],
            [-1, 4, -1, 1],
            [-1, 0, -1, -1],
            [-2, 0, -1, 1],
            [-1, 0],
            [],
          ].map((states) => ({ states: Int32Array.from(states) })),
          { rows: Int32Array.of(0, 1, 0, 1) },
          { positions: Int32Array.of(0, 2, 0, 1) },
          { positions: Int32Array.of(1, 0, 0, 1) },
        ];
        for (const fields of hostile)
          await expect(
            Promise.resolve().then(() => decoder.step({ ...good, ...fields })),
            JSON.stringify(fields),
          ).rejects.toMatchObject({ code: 'invalid_step' });
        expect(await generateGreedily(decoder, { prompt, count: 5, pages: [3] })).toEqual(
          greedy.slice(0, 5),
        );
      }));
  });
}
