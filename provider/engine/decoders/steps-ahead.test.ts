import { afterAll, describe, expect, test, vi } from 'vitest';
import { Scheduler } from '../scheduling/scheduler.ts';
import { changedDecoder } from './changed-decoder-under-test.ts';
import { type Decoder, NO_STATE, PAGE_TOKENS, type Step } from './decoder.ts';
import { backendsUnderTest, fixturesOn, withFixture } from './decoder-under-test.ts';
import { type StepPart, stepOf } from './step.ts';

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

const NAMES = ['llama', 'gemma3', 'gpt-oss', 'gemma4', 'qwen3-5'] as const;
const OPTIONS = { pages: 16, states: 4, maxTokens: 64 };

/** A sequence whose next tokens are computed. */
interface Text {
  readonly tokens: number[];
  readonly pages: readonly number[];
  readonly state: number;
}

/** The step of the last token of each text, or of all tokens of texts of which none was computed. */
const stepFor = (texts: readonly Text[], from: (text: Text) => number): Step =>
  stepOf(
    texts.map((text): StepPart => {
      const at = from(text);
      return {
        tokens: text.tokens.slice(at),
        from: at,
        pages: text.pages,
        state: { read: at === 0 ? NO_STATE : text.state, write: text.state },
        outputTokens: 'last',
      };
    }),
    false,
  );
const lastOf = (texts: readonly Text[]) => stepFor(texts, ({ tokens }) => tokens.length - 1);
const expectedOf = (texts: readonly Text[]) =>
  lastOf(texts.map((text) => ({ ...text, tokens: [...text.tokens, 0] })));

/** Adds `count` tokens to each text, and returns for each step whether it had been begun. */
async function continueTexts(
  decoder: Decoder,
  texts: readonly Text[],
  { count, names }: { count: number; names: boolean },
): Promise<(boolean | undefined)[]> {
  const begun: (boolean | undefined)[] = [];
  for (let i = 0; i < count; i += 1) {
    const expected = names ? expectedOf(texts) : undefined;
    const { best, wasAhead } = await decoder.step(lastOf(texts), expected);
    for (const [row, { tokens }] of texts.entries()) tokens.push(best[row] as number);
    begun.push(wasAhead);
  }
  return begun;
}

async function read(decoder: Decoder, texts: readonly Text[]): Promise<void> {
  const { best } = await decoder.step(stepFor(texts, () => 0));
  for (const [row, { tokens }] of texts.entries()) tokens.push(best[row] as number);
}

for (const { name: kind, create } of backendsUnderTest) {
  const made = await create();
  describe.skipIf('reason' in made)(`${kind}${'reason' in made ? ` (${made.reason})` : ''}`, () => {
    if ('reason' in made) return;
    const { backend } = made;
    afterAll(() => backend[Symbol.asyncDispose]());

    test.for(fixturesOn(kind, NAMES))(
      '%s: two answers over several pages are the same if each step names the next one',
      (name) =>
        withFixture(
          backend,
          name,
          async (decoder, { prompt, greedy }) => {
            expect(decoder.worksAhead === true).toBe(kind === 'mlx' && name !== 'qwen3-5');
            const one: Text = { tokens: [...prompt], pages: [7, 3, 9], state: 0 };
            const other: Text = { tokens: prompt.toReversed(), pages: [2, 8, 1], state: 1 };
            await read(decoder, [one, other]);
            const plain = { ...other, tokens: [...other.tokens], pages: [4, 5, 6], state: 2 };
            const begun = await continueTexts(decoder, [one, other], { count: 39, names: true });
            expect(one.tokens.slice(prompt.length)).toEqual(greedy.slice(0, 40));
            const wasAhead = decoder.worksAhead === true;
            expect(begun.map(Boolean)).toEqual([false, ...Array(38).fill(wasAhead)]);
            await read(decoder, [{ ...plain, tokens: plain.tokens.slice(0, -1) }]);
            await continueTexts(decoder, [plain], { count: 39, names: false });
            expect(other.tokens).toEqual(plain.tokens);
          },
          OPTIONS,
        ),
    );

    test.for(fixturesOn(kind, ['llama', 'gemma3'] as const))(
      '%s: a step that is not the expected one is computed as if nothing had been expected',
      (name) =>
        withFixture(
          backend,
          name,
          async (decoder, { prompt, greedy }) => {
            const textOf = (pages: number[]): Text => ({ tokens: [...prompt], pages, state: 0 });
            const continuation = async (text: Text, names: boolean) => {
              const from = text.tokens.length;
              expect((await continueTexts(decoder, [text], { count: 6, names }))[0]).not.toBe(true);
              return text.tokens.slice(from);
            };
            const other = (token: number) => (token + 1) % 50;
            const right = textOf([10, 11]);
            await read(decoder, [right]);
            right.tokens.push(other(greedy[1] as number));
            const wanted = await continuation(right, false);

            // Another token than the most likely one follows.
            const turned = textOf([0, 1]);
            await read(decoder, [turned]);
            await decoder.step(lastOf([turned]), expectedOf([turned]));
            turned.tokens.pop();
            turned.tokens.push(greedy[0] as number, other(greedy[1] as number));
            const { best } = await decoder.step(lastOf([turned]));
            expect(best[0]).toBe(wanted[0]);

            // The sequence ends, and another one gets its pages, of which it fills the same places.
            const ended = textOf([2, 3]);
            await read(decoder, [ended]);
            await continueTexts(decoder, [ended], { count: 12, names: true });
            const reused = textOf([3, 2]);
            await read(decoder, [reused]);
            await continueTexts(decoder, [reused], { count: 12, names: false });
            expect(reused.tokens.slice(prompt.length)).toEqual(greedy.slice(0, 13));

            // A second sequence joins, and then leaves.
            const first = textOf([4, 5]);
            const second = textOf([6, 7]);
            await read(decoder, [first]);
            await continueTexts(decoder, [first], { count: 3, names: true });
            await read(decoder, [second]);
            await continueTexts(decoder, [first, second], { count: 4, names: true });
            const [isBegun, next] = await continueTexts(decoder, [first], {
              count: 4,
              names: true,
            });
            expect([isBegun, next]).toEqual(decoder.worksAhead ? [false, true] : [isBegun, next]);
            await continueTexts(decoder, [second], { count: 4, names: true });
            expect(first.tokens.slice(prompt.length)).toEqual(greedy.slice(0, 12));
            expect(second.tokens.slice(prompt.length)).toEqual(greedy.slice(0, 9));

            // The memory above some pages is freed, and a page is restored.
            const kept = textOf([0, 1]);
            await read(decoder, [kept]);
            await continueTexts(decoder, [kept], { count: 2, names: true });
            await decoder.keep(2, 0);
            await continueTexts(decoder, [kept], { count: 2, names: true });
            const units = { pages: Int32Array.of(0), states: new Int32Array() };
            await decoder.restore(units, await decoder.save(units));
            await continueTexts(decoder, [kept], { count: 2, names: true });
            expect(kept.tokens.slice(prompt.length)).toEqual(greedy.slice(0, 7));
          },
          OPTIONS,
        ),
    );

    test('an expected step outside of the memory, or that cannot follow, is rejected with its step', () =>
      withFixture(
        backend,
        'llama',
        async (decoder, { prompt, greedy }) => {
          if (!decoder.worksAhead) return;
          const text: Text = { tokens: [...prompt], pages: [7, 3, 9], state: 0 };
          await read(decoder, [text]);
          const good = expectedOf([text]);
          const two = expectedOf([text, { ...text, pages: [1, 2] }]);
          const wrongs: Step[] = [
            { ...good, places: Int32Array.of(OPTIONS.pages * PAGE_TOKENS) },
            { ...good, tables: good.tables.map(() => OPTIONS.pages) },
            { ...good, coordinates: good.coordinates.map(() => 1_000_000) },
            { ...good, outputs: new Int32Array() },
            { ...good, wantsLogits: true },
            two,
          ];
          for (const wrong of wrongs)
            await expect(
              Promise.resolve().then(() => decoder.step(lastOf([text]), wrong)),
            ).rejects.toMatchObject({ code: 'invalid_step' });
          await continueTexts(decoder, [text], { count: 8, names: true });
          expect(text.tokens.slice(prompt.length)).toEqual(greedy.slice(0, 9));
        },
        OPTIONS,
      ));

    test('answers that begin, end, pause and are cancelled at different times are those of each alone', () =>
      withFixture(
        backend,
        'llama',
        async (decoder, { prompt, greedy }) => {
          let begun = 0;
          const scheduler = new Scheduler({
            decoder: changedDecoder(decoder, {
              step: async (step, expected) => {
                const result = await decoder.step(step, expected);
                if (result.wasAhead) begun += 1;
                return result;
              },
            }),
            pages: OPTIONS.pages,
            maxTokens: OPTIONS.maxTokens,
            maxRunning: 3,
            prefillMs: 100,
            speeds: { prefillTps: 10_000, decodeTps: 10 },
            clock: () => 0,
            onFailure: (error) => expect.fail(String(error)),
          });
          const answers: Promise<void>[] = [];
          /** At each of its tokens, an answer calls `at` with their number. */
          const begin = (maxTokens: number, at: (count: number, cancel: () => void) => void) => {
            const tokens: number[] = [];
            const ended = new Promise<void>((resolve) => {
              const running = scheduler.submit({
                prompt,
                maxTokens,
                scope: `${answers.length}`,
                wantsLogits: false,
                choose: (best) => {
                  tokens.push(best);
                  at(tokens.length, () => running.cancel());
                  return best;
                },
                end: () => resolve(),
              });
            });
            answers.push(ended.then(() => expect(tokens).toEqual(greedy.slice(0, tokens.length))));
          };
          begin(40, (count) => {
            if (count === 5) begin(7, () => {});
            if (count === 9) begin(30, (other, cancel) => other === 6 && cancel());
            if (count === 20) begin(15, () => {});
          });
          for (let i = 0; i < answers.length; i += 1) await answers[i];
          expect(answers).toHaveLength(4);
          if (decoder.worksAhead) expect(begun).toBeGreaterThan(20);
          else expect(begun).toBe(0);
          await scheduler.close();
        },
        OPTIONS,
      ));
  });
}
