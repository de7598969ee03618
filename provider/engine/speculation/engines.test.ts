import { afterAll, describe, expect, test, vi } from 'vitest';
import { changedDecoder } from '../decoders/changed-decoder-under-test.ts';
import { backendsUnderTest, fixturesOn, withFixture } from '../decoders/decoder-under-test.ts';
import { Scheduler } from '../scheduling/scheduler.ts';
import type { DraftSource } from './draft-source.ts';

const PAGES = 16;
const MAX_TOKENS = 64;

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

/** Drafts tokens of which every third or fourth one is wrong. */
function guesses(text: readonly number[], wrongEvery: number): DraftSource {
  return {
    isCheap: true,
    expectedMs: () => 0,
    draft: ({ length }, most) =>
      text
        .slice(length, length + most)
        .map((token, i) => ((length + i) % wrongEvery === 0 ? (token + 1) % 100 : token)),
  };
}

const NAMES = ['llama', 'gemma3', 'gpt-oss', 'gemma4', 'qwen3-5', 'qwen3-next'] as const;

for (const { name: kind, create } of backendsUnderTest) {
  const made = await create();
  describe.skipIf('reason' in made)(`${kind}${'reason' in made ? ` (${made.reason})` : ''}`, () => {
    if ('reason' in made) return;
    const { backend } = made;
    afterAll(() => backend[Symbol.asyncDispose]());

    test.for(fixturesOn(kind, NAMES))(
      '%s: two answers with right and wrong drafts are those of mlx-lm, in fewer steps',
      (name) =>
        withFixture(
          backend,
          name,
          async (decoder, { prompt, greedy }) => {
            let steps = 0;
            const scheduler = new Scheduler({
              decoder: changedDecoder(decoder, {
                step: (step) => {
                  steps += 1;
                  return decoder.step(step);
                },
              }),
              pages: PAGES,
              states: name.startsWith('qwen3-') ? 4 : 0,
              maxTokens: MAX_TOKENS,
              maxRunning: 2,
              prefillMs: 100,
              speeds: { prefillTps: 10_000, decodeTps: 10 },
              // All steps take the same time, so that each draft that is right gains something.
              clock: () => 100 * steps,
              drafter: {
                begin: ({ scope }) => [guesses([...prompt, ...greedy], scope === 'one' ? 3 : 4)],
                keep: async () => {},
              },
              onFailure: (error) => expect.fail(String(error)),
            });
            const answer = (scope: string) =>
              new Promise<number[]>((resolve) => {
                const tokens: number[] = [];
                scheduler.submit({
                  prompt,
                  maxTokens: greedy.length,
                  scope,
                  wantsLogits: false,
                  choose: (best) => {
                    tokens.push(best);
                    return best;
                  },
                  end: () => resolve(tokens),
                });
              });
            expect(await Promise.all([answer('one'), answer('two')])).toEqual([greedy, greedy]);
            expect(steps).toBeLessThan(0.8 * greedy.length);
            await scheduler.close();
          },
          { pages: PAGES, states: 4, maxTokens: MAX_TOKENS },
        ),
    );
  });
}
