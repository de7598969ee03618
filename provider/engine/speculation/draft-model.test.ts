import { describe, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { openModel } from '../../models/model.ts';
import { changedDecoder } from '../decoders/changed-decoder-under-test.ts';
import type { Decoder } from '../decoders/decoder.ts';
import { openFixture } from '../decoders/decoder-under-test.ts';
import { createCpuBackend } from '../decoders/native-decoder.ts';
import { createReferenceBackend } from '../decoders/reference-decoder.ts';
import { unguarded } from '../guarded-work.ts';
import { leastBytes, modelsThatFit } from '../residency/memory-plan.ts';
import { Scheduler } from '../scheduling/scheduler.ts';
import { DraftModel } from './draft-model.ts';
import { openDraftModels, withDrafter } from './open-draft-models.ts';

const PAGES = 16;
const MAX_TOKENS = 256;
const cpu = createCpuBackend({ threads: 1 });
const backend = 'reason' in cpu ? createReferenceBackend() : cpu.backend;
const load = async (name: 'llama' | 'qwen2') =>
  backend.load({ model: (await openFixture(name)).model, pages: PAGES, maxTokens: MAX_TOKENS });

/** Answers prompts of the model `llama` at the same time, with drafts of another decoder. */
async function answer(drafting: Decoder, prompts: readonly (readonly number[])[], count: number) {
  let [steps, draftSteps] = [0, 0];
  const failures: unknown[] = [];
  const counted = (decoder: Decoder, onStep: () => void): Decoder =>
    changedDecoder(decoder, {
      step: (step) => {
        onStep();
        return decoder.step(step);
      },
    });
  await using decoder = await load('llama');
  // A step of the model takes 100 ms, and one of the draft model 5 ms.
  const clock = () => 100 * steps + 5 * draftSteps;
  const drafter = new DraftModel({
    decoder: counted(drafting, () => (draftSteps += 1)),
    vocabulary: 128,
    contextTokens: 4_096,
    maxTokens: MAX_TOKENS,
    speeds: { prefillTps: 10_000, decodeTps: 200 },
    guard: unguarded,
    clock,
    onFailure: (error) => failures.push(error),
  });
  const scheduler = new Scheduler({
    decoder: counted(decoder, () => (steps += 1)),
    pages: PAGES,
    maxTokens: MAX_TOKENS,
    maxRunning: 3,
    prefillMs: 100,
    speeds: { prefillTps: 10_000, decodeTps: 10 },
    clock,
    drafter: {
      begin: (_, pages) => [drafter.begin(pages)],
      keep: (pages) => drafter.keep(pages),
    },
    onFailure: (error) => expect.fail(String(error)),
  });
  const answers = await Promise.all(
    prompts.map(
      (prompt) =>
        new Promise<number[]>((resolve) => {
          const tokens: number[] = [];
          scheduler.submit({
            prompt,
            maxTokens: count,
            scope: 'one',
            wantsLogits: false,
            choose: (best) => {
              tokens.push(best);
              return best;
            },
            end: () => resolve(tokens),
          });
        }),
    ),
  );
  await scheduler.trim(0);
  await scheduler.close();
  return { answers, steps, draftSteps, failures };
}

describe('a draft model', () => {
  test('that is right makes answers of several sequences faster', async () => {
    const { prompt, greedy } = await openFixture('llama');
    await using drafting = await load('llama');
    const { answers, steps, failures } = await answer(
      drafting,
      [prompt, prompt, prompt],
      greedy.length,
    );
    expect(answers).toEqual([greedy, greedy, greedy]);
    expect(steps).toBeLessThan(greedy.length / 2);
    expect(failures).toEqual([]);
  });

  test('that is wrong changes no token, and is given up', async () => {
    const { prompt, greedy } = await openFixture('llama');
    await using drafting = await load('qwen2');
    const { answers, draftSteps } = await answer(drafting, [prompt], greedy.length);
    expect(answers).toEqual([greedy]);
    expect(draftSteps).toBeGreaterThan(0);
    expect(draftSteps).toBeLessThan(greedy.length);
  });

  test('that fails or computes impossible tokens changes no token', async () => {
    const { prompt, greedy } = await openFixture('llama');
    const broken = (step: Decoder['step']): Decoder => ({
      memoryBytes: 0,
      cacheBytes: 0,
      keep: async () => {
        throw new Error('the device is lost');
      },
      save: async () => {
        throw new Error('the device is lost');
      },
      restore: async () => {},
      step,
      advance: async () => {},
      draft: async () => new Int32Array(),
      [Symbol.asyncDispose]: async () => {},
    });
    const failing = broken(async () => {
      throw new Error('the device is lost');
    });
    const { answers, failures } = await answer(failing, [prompt], greedy.length);
    expect(answers).toEqual([greedy]);
    expect(failures).toHaveLength(1);
    const hostile = broken(async ({ outputs }) => ({ best: outputs.map(() => 2 ** 31 - 1) }));
    expect((await answer(hostile, [prompt], greedy.length)).answers).toEqual([greedy]);
  });
});

describe('the draft model of a model', () => {
  test('is the first smaller one with the same tokens', async () => {
    const model = await openModel(TINY_MODEL_FOLDER);
    const smaller = { ...model, weightBytes: model.weightBytes - 1 };
    const { spelled, spelling } = model.tokenizer.vocabulary;
    const other = Object.assign(Object.create(model.tokenizer), {
      vocabulary: { spelled: spelled.with(7, 'other'), spelling },
    });
    const foreign = { ...smaller, tokenizer: other };
    const drafted = (...models: (typeof model)[]) =>
      withDrafter(
        model,
        models.map((each) => ({ kind: 'model' as const, model: each })),
      ).drafter;
    expect(drafted(model, foreign)).toBeUndefined();
    expect(drafted(model, foreign, smaller)).toBe(smaller);
  });

  test('counts in the memory that the model needs, and is left out if only the model fits', async () => {
    const model = await openModel(TINY_MODEL_FOLDER);
    const drafted = { ...model, drafter: model };
    expect(leastBytes(drafted, backend)).toBe(2 * leastBytes(model, backend));
    const fitting = (memoryBytes: number) =>
      modelsThatFit([drafted], { backend, memoryBytes }).fitting[0];
    expect(fitting(2 * leastBytes(model, backend))?.drafter).toBe(model);
    expect(fitting(leastBytes(model, backend))).toMatchObject({ build: model.build });
    expect(fitting(leastBytes(model, backend))?.drafter).toBeUndefined();
  });

  test('that cannot be read is logged and left out', async () => {
    const errors: string[] = [];
    const log = { error: (_: object, message: string) => void errors.push(message) };
    expect(await openDraftModels(['/no/such/folder'], log)).toEqual([]);
    expect(errors).toEqual(['a draft model cannot be used']);
  });
});
