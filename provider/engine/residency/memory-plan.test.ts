import { beforeAll, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { memoryForModels } from '../../machine.ts';
import { type Model, openModel } from '../../models/model.ts';
import { keptBytes, kvBytesPerToken, stateBytes } from '../decoders/decoder.ts';
import { openFixture } from '../decoders/decoder-under-test.ts';
import { createReferenceBackend } from '../decoders/reference-decoder.ts';
import { openModelEngine } from '../open-model-engine.ts';
import { cacheShares, leastBytes, modelsThatFit, stateSlots } from './memory-plan.ts';

const GIB = 2 ** 30;
const backend = createReferenceBackend();
let model: Model;
let needed: number;
beforeAll(async () => {
  model = await openModel(TINY_MODEL_FOLDER);
  needed =
    model.weightBytes +
    Math.min(2_048, model.shape.contextTokens) * kvBytesPerToken(model, backend);
});
const named = (...builds: readonly string[]) => builds.map((build) => ({ ...model, build }));

test('memory for models leaves room for the system, or in a control group for this program', () => {
  expect(memoryForModels(1, { total: 64 * GIB, limit: undefined })).toBe(Math.floor(57.6 * GIB));
  expect(memoryForModels(1, { total: 8 * GIB, limit: undefined })).toBe(6 * GIB);
  expect(memoryForModels(0.5, { total: 8 * GIB, limit: undefined })).toBe(3 * GIB);
  expect(memoryForModels(1, { total: 64 * GIB, limit: 10 * GIB })).toBe(8.75 * GIB);
  expect(memoryForModels(1, { total: 8 * GIB, limit: 20 * GIB })).toBe(6 * GIB);
  expect(memoryForModels(1, { total: 8 * GIB, limit: GIB / 8 })).toBe(0);
});

test('a model that exceeds the memory is refused to the byte, with both numbers; others need not fit beside one another', () => {
  const models = named('first', 'second');
  expect(modelsThatFit(models, { backend, memoryBytes: needed })).toMatchObject({
    fitting: [{ build: 'first' }, { build: 'second' }],
    refused: [],
  });
  const { fitting, refused } = modelsThatFit(models, { backend, memoryBytes: needed - 1 });
  expect(fitting).toEqual([]);
  expect(refused[0]?.error.message).toBe(
    `too_large: first needs ${needed} bytes of memory, and this machine has ${needed - 1} bytes for models`,
  );
});

test('models that fit beside one another share the memory for caches, and the others get as much if they are alone', () => {
  const { weightBytes } = model;
  const shares = (memoryBytes: number) => [
    ...cacheShares(named('first', 'second', 'third'), { backend, memoryBytes }).values(),
  ];
  expect(shares(3 * needed)).toEqual(Array(3).fill(needed - weightBytes));
  const two = (2 * needed + 100 - 2 * weightBytes) / 2;
  expect(shares(2 * needed + 100)).toEqual([two, two, two]);
  expect(shares(needed + 100)).toEqual(Array(3).fill(needed + 100 - weightBytes));
});

test('an engine whose only model does not fit is not opened', async () => {
  const log = { info: () => {}, error: () => {} };
  await expect(
    openModelEngine({
      backend: 'reference',
      models: [TINY_MODEL_FOLDER],
      maxConcurrency: 1,
      idleMs: 0,
      memoryShare: 1e-6,
      log,
    }),
  ).rejects.toThrow(
    /^too_large: dinf-tiny-4bit needs \d+ bytes of memory, and this machine has \d+ bytes/,
  );
});

test('states count as memory of a model: one at least, and no more than half of the cache or one buffer holds', async () => {
  const { model: hybrid } = await openFixture('qwen3-5');
  const each = stateBytes(hybrid);
  const tokens = Math.min(2_048, hybrid.shape.contextTokens);
  expect(leastBytes(hybrid, backend)).toBe(
    hybrid.weightBytes + keptBytes(hybrid) + each + tokens * kvBytesPerToken(hybrid, backend),
  );
  const slots = (cacheBytes: number, maxBufferBytes = Number.POSITIVE_INFINITY) =>
    stateSlots(hybrid, { cacheBytes, maxBufferBytes, maxConcurrency: 4 });
  expect([each, 6 * each, 20 * each, 1_000 * each].map((bytes) => slots(bytes))).toEqual([
    { slots: 1, seats: 1 },
    { slots: 3, seats: 2 },
    { slots: 10, seats: 4 },
    { slots: 36, seats: 4 },
  ]);
  // Two of its four layers have states of the same size.
  expect(slots(100 * each, each)).toEqual({ slots: 2, seats: 1 });
  expect(stateSlots(model, { cacheBytes: GIB, maxBufferBytes: GIB, maxConcurrency: 4 })).toEqual({
    slots: 0,
    seats: 4,
  });
});
