import { expect, test } from 'vitest';
import { generateGreedily, withFixture } from '../decoder-under-test.ts';
import { createWebGpuBackend } from './device.ts';

const made = await createWebGpuBackend();

test.skipIf('reason' in made)(
  `after the device was lost, the next load of a model opens a new one${'reason' in made ? ` (${made.reason})` : ''}`,
  { timeout: 180_000 },
  async () => {
    if ('reason' in made) return;
    const { backend } = made;
    const answers = () =>
      withFixture(backend, 'llama', async (decoder, { prompt, greedy }) =>
        expect(await generateGreedily(decoder, { prompt, count: 3, pages: [0, 1] })).toEqual(
          greedy.slice(0, 3),
        ),
      );
    await answers();
    // Disposing of the backend destroys the device, which counts as a loss.
    await backend[Symbol.asyncDispose]();
    await answers();
    await backend[Symbol.asyncDispose]();
  },
);
