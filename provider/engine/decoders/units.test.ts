import { afterAll, describe, expect, test, vi } from 'vitest';
import { type Decoder, NO_STATE, type Units, unitBytesOf } from './decoder.ts';
import { backendsUnderTest, fixturesOn, openFixture } from './decoder-under-test.ts';
import { stepOf } from './step.ts';

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

/** Fixtures with pages alone, with layers of different sizes and shared keys, and with states. */
const NAMES = ['llama', 'gemma4', 'qwen3-5', 'qwen3-next'] as const;
const OPTIONS = { pages: 8, states: 3, maxTokens: 64 };

const unitsOf = (pages: number[], states: number[]): Units => ({
  pages: Int32Array.from(pages),
  states: Int32Array.from(states),
});

for (const { name: kind, create } of backendsUnderTest) {
  const made = await create();
  describe.skipIf('reason' in made)(`${kind}${'reason' in made ? ` (${made.reason})` : ''}`, () => {
    if ('reason' in made) return;
    const { backend } = made;
    afterAll(() => backend[Symbol.asyncDispose]());

    test.for(fixturesOn(kind, NAMES))(
      '%s: another decoder continues from saved pages and states, in other places',
      async (name) => {
        const { model, prompt, greedy } = await openFixture(name);
        const { page, state } = unitBytesOf(model, backend);
        const slots = (...list: number[]) => (state > 0 ? list : []);
        const first = async (decoder: Decoder, pages: number[]) =>
          decoder.step(
            stepOf(
              [
                {
                  tokens: prompt,
                  from: 0,
                  pages,
                  state: { read: NO_STATE, write: 1 },
                  outputTokens: 'last',
                },
              ],
              false,
            ),
          );
        await using decoder = await backend.load({ model, ...OPTIONS });
        await first(decoder, [4, 2]);
        const bytes = await decoder.save(unitsOf([4, 2], slots(1)));
        expect(bytes.length).toBe(2 * page + state);

        await using other = await backend.load({ model, ...OPTIONS });
        await other.restore(unitsOf([0, 5], slots(2)), bytes);
        expect(await other.save(unitsOf([0, 5], slots(2)))).toEqual(bytes);
        expect(other.cacheBytes).toBeGreaterThanOrEqual(6 * page + state);
        const next: number[] = [];
        for (let token = greedy[0] as number; next.length < 8; token = next.at(-1) as number) {
          const { best } = await other.step(
            stepOf(
              [
                {
                  tokens: [token],
                  from: prompt.length + next.length,
                  pages: [0, 5],
                  state: { read: 2, write: 2 },
                  outputTokens: 'last',
                },
              ],
              false,
            ),
          );
          next.push(best[0] as number);
        }
        expect(next).toEqual(greedy.slice(1, 9));
      },
    );

    test('rejects units outside of the cache, and bytes of another size', async () => {
      const { model } = await openFixture('qwen3-5');
      await using decoder = await backend.load({ model, ...OPTIONS });
      const bytes = await decoder.save(unitsOf([0], [0]));
      const rejected = { code: 'invalid_step' };
      await expect(decoder.save(unitsOf([8], []))).rejects.toMatchObject(rejected);
      await expect(decoder.save(unitsOf([0, -1], []))).rejects.toMatchObject(rejected);
      await expect(decoder.save(unitsOf([], [3]))).rejects.toMatchObject(rejected);
      await expect(decoder.restore(unitsOf([8], [0]), bytes)).rejects.toMatchObject(rejected);
      await expect(decoder.restore(unitsOf([0], []), bytes)).rejects.toMatchObject(rejected);
      await expect(decoder.restore(unitsOf([0], [0]), bytes.subarray(1))).rejects.toMatchObject(
        rejected,
      );
    });
  });
}
