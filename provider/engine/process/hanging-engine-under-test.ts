import { existsSync, writeFileSync } from 'node:fs';
import { thisMachine } from '../../machine.ts';
import { openModel } from '../../models/model.ts';
import { changedDecoder } from '../decoders/changed-decoder-under-test.ts';
import type { Backend } from '../decoders/decoder.ts';
import { createReferenceBackend } from '../decoders/reference-decoder.ts';
import { ModelEngine } from '../model-engine.ts';
import { serveEngine } from './serve-engine.ts';

// The program of an engine whose decoder hangs in a step of the first answer. Its list of models has the
// folder of the model, then a file that is written when the decoder hangs, so that it hangs only once,
// then the time limit of a step in milliseconds.

/** The steps of the trial after the load, and some of the answer. */
const GOOD_STEPS = 12;

function hangingBackend(marker: string): Backend {
  const backend = createReferenceBackend();
  return {
    ...backend,
    load: async (options) => {
      const decoder = await backend.load(options);
      let steps = 0;
      return changedDecoder(decoder, {
        step: (step) => {
          steps += 1;
          if (steps <= GOOD_STEPS || existsSync(marker)) return decoder.step(step);
          writeFileSync(marker, '');
          return new Promise(() => {});
        },
      });
    },
  };
}

serveEngine(
  async ({ models: [folder = '', marker = '', stepLimitMs], guard, prefixes: _, ...options }) => {
    return new ModelEngine({
      ...options,
      backend: hangingBackend(marker),
      models: [await openModel(folder)],
      machine: thisMachine(),
      memoryBytes: 200e6,
      guard: (work, run) =>
        guard === undefined
          ? run(() => {})
          : guard(work.kind === 'step' ? { ...work, limitMs: Number(stepLimitMs) } : work, run),
    });
  },
);
