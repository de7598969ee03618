import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openFixture } from '../decoders/decoder-under-test.ts';
import { createCpuBackend } from '../decoders/native-decoder.ts';
import { createReferenceBackend } from '../decoders/reference-decoder.ts';
import { answersOf } from './drafting-under-test.ts';

const VOCABULARY = 512;
const LIMITS = { pages: 24, maxTokens: 24 };

/** An answer, and the number of tokens after which it is cancelled, if it is. */
const request = fc.record({
  prompt: fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: 70 }),
  maxTokens: fc.integer({ min: 1, max: 50 }),
  cancelAfter: fc.option(fc.integer({ min: 1, max: 20 }), { freq: 3, nil: undefined }),
  /** Requests of one scope share the pages of equal beginnings. */
  scope: fc.constantFrom('one', 'two'),
});

/** Every so many drafts, the head drafts a wrong token; 0 for never. */
const wrongEvery = fc.nat(4);

test('a draft head changes no token, whatever answers run together and however often it is right', {
  timeout: 120_000,
}, async () => {
  const cpu = createCpuBackend({ threads: 1 });
  const backend = 'reason' in cpu ? createReferenceBackend() : cpu.backend;
  const { model } = await openFixture('qwen3-next-head');
  await using decoder = await backend.load({ model, states: 8, ...LIMITS });
  const running = (
    options: Pick<Parameters<typeof answersOf>[0], 'drafter' | 'repeatsText'>,
    wrong = 0,
  ) => {
    let passes = 0;
    const change = (best: Int32Array) => {
      passes += 1;
      return wrong > 0 && passes % wrong === 0 ? best.map((token) => token ^ 1) : best;
    };
    return answersOf({
      ...LIMITS,
      decoder,
      vocabulary: VOCABULARY,
      maxRunning: 3,
      change,
      ...options,
    });
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { minLength: 1, maxLength: 5 }),
      wrongEvery,
      fc.boolean(),
      async (requests, wrong, repeatsText) => {
        const plain = running({});
        const expected = [];
        for (const { prompt, maxTokens } of requests)
          expected.push(await plain.answer(prompt, maxTokens, `alone ${expected.length}`).tokens);
        await plain.scheduler.close();
        const drafted = running({ drafter: 'head', repeatsText }, wrong);
        const answers = requests.map(({ prompt, maxTokens, scope, cancelAfter }) =>
          drafted.answer(prompt, maxTokens, scope, cancelAfter),
        );
        const made = await Promise.all(answers.map(({ tokens }) => tokens));
        for (const [i, tokens] of made.entries())
          expect(tokens).toEqual(expected[i]?.slice(0, tokens.length));
        for (const [i, { maxTokens, cancelAfter }] of requests.entries())
          if (cancelAfter === undefined) expect(made[i]).toHaveLength(maxTokens);
        expect(drafted.failures).toEqual([]);
        await drafted.scheduler.close();
      },
    ),
    { numRuns: 40 },
  );
});
