import { expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { openModel } from '../../models/model.ts';
import type { GuardedWork } from '../guarded-work.ts';
import { WorkWatch } from '../process/work-watch.ts';
import { createReferenceBackend } from './reference-decoder.ts';
import { tryOut } from './try-out.ts';

const load: GuardedWork = { kind: 'load', limitMs: 120_000 };

test('a trial on a slow driver, whose steps take longer together than a load may, is not overdue', async () => {
  const model = await openModel(TINY_MODEL_FOLDER);
  await using backend = createReferenceBackend();
  await using decoder = await backend.load({ model, pages: 4, maxTokens: 64 });
  const watch = new WorkWatch(() => {});
  const slow = {
    ...decoder,
    step: async (...args: Parameters<typeof decoder.step>) => {
      watch.tick(100_000);
      expect(watch.overdue).toBeUndefined();
      return decoder.step(...args);
    },
  };
  const speeds = await watch.guard(load, (progressed) =>
    tryOut(slow, {
      vocabulary: model.shape.vocabulary,
      clock: () => performance.now(),
      progressed,
    }),
  );
  expect(speeds.decodeTps).toBeGreaterThan(0);
});
