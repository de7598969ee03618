import { expect, test } from 'vitest';
import { generateGreedily, withFixture } from '../decoder-under-test.ts';
import { stepOf } from '../step.ts';
import { createWebGpuBackend } from './device.ts';

const made = await createWebGpuBackend();

test.skipIf('reason' in made)(
  `a model without a vision tower, which has no memory for images, refuses them${'reason' in made ? ` (${made.reason})` : ''}`,
  { timeout: 180_000 },
  async () => {
    if ('reason' in made) return;
    await using backend = made.backend;
    await withFixture(backend, 'llama', async (decoder, { model, prompt, greedy }) => {
      const embeddings = new Float32Array(2 * model.shape.hidden);
      const image = { at: 1, tokens: 2, digest: 'a', embeddings, isWhole: false };
      const part = { tokens: prompt, from: 0, pages: [0, 1], outputTokens: 'last' } as const;
      await expect(
        decoder.step(stepOf([{ ...part, images: [image] }], false)),
      ).rejects.toMatchObject({ code: 'invalid_step' });
      expect(await generateGreedily(decoder, { prompt, count: 3, pages: [0, 1] })).toEqual(
        greedy.slice(0, 3),
      );
    });
  },
);
