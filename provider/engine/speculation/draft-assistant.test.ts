import { afterAll, describe, expect, test, vi } from 'vitest';
import type { Decoder } from '../decoders/decoder.ts';
import {
  backendsUnderTest,
  fixturesOn,
  fixturesWithAssistants,
  openAssisted,
  testsEverything,
} from '../decoders/decoder-under-test.ts';
import { answersOf, type CountedAnswers } from './drafting-under-test.ts';

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

const VOCABULARY = 512;
/** Smaller than the prompt, so that it is read in parts. */
const LIMITS = { pages: 32, maxTokens: 20 };

type Fixture = Awaited<ReturnType<typeof openAssisted>>;
type Change = (best: Int32Array) => Int32Array | Promise<Int32Array>;

for (const { name: kind, create } of backendsUnderTest) {
  const made = await create();
  const backend = 'reason' in made ? undefined : made.backend;
  const why = 'reason' in made ? ` (${made.reason})` : '';
  describe.skipIf(backend === undefined)(`answers with an assistant on ${kind}${why}`, () => {
    afterAll(() => backend?.[Symbol.asyncDispose]());

    const withAnswers = async (
      name: (typeof fixturesWithAssistants)[number],
      use: (answers: CountedAnswers, fixture: Fixture, decoder: Decoder) => Promise<void>,
      change?: Change,
    ) => {
      if (backend === undefined) return;
      const fixture = await openAssisted(name);
      await using decoder = await backend.load({ model: fixture.model, ...LIMITS });
      const answers = answersOf({
        ...LIMITS,
        decoder,
        vocabulary: VOCABULARY,
        maxRunning: 3,
        hasHead: false,
        hasAssistant: true,
        ...(change && { change }),
      });
      await use(answers, fixture, decoder);
      await answers.scheduler.close();
    };

    test.for(fixturesOn(kind, fixturesWithAssistants))(
      '%s: an answer is the same, in fewer steps',
      (name) =>
        withAnswers(name, async (answers, { prompt, greedy }) => {
          expect(await answers.answer(prompt, greedy.length).tokens).toEqual(greedy);
          expect(answers.drafts).toBeGreaterThan(5);
          expect(answers.steps).toBeLessThan(0.9 * greedy.length);
          expect(answers.failures).toEqual([]);
        }),
    );

    // How answers run together does not depend on the engine, and takes minutes on a driver in software.
    const testOfAnswers = test.skipIf(!testsEverything(kind));

    testOfAnswers('three answers at once are the same, also beside one that is cancelled', () =>
      withAnswers('gemma4-assisted-groups', async (answers, { prompt, greedy }) => {
        const cancelled = answers.answer(prompt.slice(3), 200, 'other');
        const [first, second] = [
          answers.answer(prompt, greedy.length),
          answers.answer(prompt, 40, 'two'),
        ];
        expect(await second.tokens).toEqual(greedy.slice(0, 40));
        cancelled.running.cancel();
        expect(await first.tokens).toEqual(greedy);
        await cancelled.tokens;
        expect(answers.failures).toEqual([]);
      }),
    );

    testOfAnswers(
      'an answer that continues a cached prompt is the same, and is drafted from its keys',
      () =>
        withAnswers('gemma4-assisted-groups', async (answers, { prompt, greedy }) => {
          const long = [...prompt, ...greedy.slice(0, 40)];
          await answers.answer(long, 1).tokens;
          const { running, tokens } = answers.answer(long, 24);
          expect(await tokens).toEqual(greedy.slice(40));
          expect(running.cachedTokens).toBeGreaterThan(0);
          expect(answers.drafts).toBeGreaterThan(0);
          expect(answers.failures).toEqual([]);
        }),
    );

    testOfAnswers('an answer that is paused is the same', () =>
      withAnswers('gemma4-assisted', async (answers, { prompt, greedy }) => {
        const paused = answers.answer(prompt, greedy.length);
        const other = answers.answer(prompt, greedy.length, 'two');
        paused.running.pause();
        expect(await other.tokens).toEqual(greedy);
        paused.running.resume();
        expect(await paused.tokens).toEqual(greedy);
      }),
    );

    testOfAnswers('an assistant that is always wrong changes no token, and is given up', () =>
      withAnswers(
        'gemma4-assisted-groups',
        async (answers, { prompt, greedy }) => {
          expect(await answers.answer(prompt, greedy.length).tokens).toEqual(greedy);
          expect(answers.drafts).toBeLessThan(greedy.length / 3);
        },
        (best) => best.map((token) => (token + 1) % VOCABULARY),
      ),
    );

    testOfAnswers(
      'an assistant that fails or drafts impossible tokens changes no token',
      async () => {
        const answer = async (change: Change, failures: number) =>
          withAnswers(
            'gemma4-assisted',
            async (answers, { prompt, greedy }) => {
              expect(await answers.answer(prompt, greedy.length).tokens).toEqual(greedy);
              expect(answers.failures).toHaveLength(failures);
            },
            change,
          );
        await answer(() => Promise.reject(new Error('the device is lost')), 1);
        await answer((best) => best.map(() => 2 ** 31 - 1), 0);
      },
    );
  });
}
