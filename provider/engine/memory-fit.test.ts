import { expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { memoryForModels } from '../machine.ts';
import { openModel } from '../models/model.ts';
import { kvBytesPerToken } from './decoders/decoder.ts';
import { createReferenceBackend } from './decoders/reference-decoder.ts';
import { modelsThatFit } from './memory-fit.ts';
import { openModelEngine } from './open-model-engine.ts';

const GIB = 2 ** 30;

test('memory for models leaves room for the system, or in a control group for this program', () => {
  expect(memoryForModels(1, { total: 64 * GIB, limit: undefined })).toBe(Math.floor(57.6 * GIB));
  expect(memoryForModels(1, { total: 8 * GIB, limit: undefined })).toBe(6 * GIB);
  expect(memoryForModels(0.5, { total: 8 * GIB, limit: undefined })).toBe(3 * GIB);
  expect(memoryForModels(1, { total: 64 * GIB, limit: 10 * GIB })).toBe(8.75 * GIB);
  expect(memoryForModels(1, { total: 8 * GIB, limit: 20 * GIB })).toBe(6 * GIB);
  expect(memoryForModels(1, { total: 8 * GIB, limit: GIB / 8 })).toBe(0);
});

test('a model that does not fit beside the others is refused to the byte, with both numbers', async () => {
  const backend = createReferenceBackend();
  const model = await openModel(TINY_MODEL_FOLDER);
  const tokens = Math.min(2_048, model.shape.contextTokens);
  const needed = model.weightBytes + tokens * kvBytesPerToken(model, backend);
  const twice = [
    { ...model, build: 'first' },
    { ...model, build: 'second' },
  ];
  const both = modelsThatFit(twice, { backend, memoryBytes: 2 * needed });
  expect(both).toMatchObject({ fitting: [{ build: 'first' }, { build: 'second' }], refused: [] });

  const memoryBytes = 2 * needed - 1;
  const one = modelsThatFit(twice, { backend, memoryBytes });
  expect(one.fitting).toMatchObject([{ build: 'first' }]);
  expect(one.refused[0]?.error.message).toBe(
    `too_large: second needs ${needed} bytes of memory, and ${needed - 1} of the ${memoryBytes} bytes for models are free`,
  );
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
    /^too_large: dinf-tiny-4bit needs \d+ bytes of memory, and \d+ of the \d+ bytes/,
  );
});
