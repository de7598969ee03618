import type { Speeds } from '../scheduling/speeds.ts';
import { type Decoder, NO_STATE, PAGE_TOKENS } from './decoder.ts';
import { stepOf } from './step.ts';

const DECODE_STEPS = 4;

/**
 * Runs a made-up prompt and measures its speed. Kernels are compiled before the first request
 * arrives, and the router gets measured speeds from the start.
 */
export async function tryOut(
  decoder: Decoder,
  {
    vocabulary,
    clock,
    progressed = () => {},
  }: { vocabulary: number; clock: () => number; progressed?: () => void },
): Promise<Speeds> {
  const tokens = Int32Array.from({ length: PAGE_TOKENS }, (_, i) => (i * 31 + 7) % vocabulary);
  const state = { read: NO_STATE, write: 0 };
  const step = async (from: number) => {
    await decoder.step(
      stepOf(
        [{ tokens: tokens.subarray(from), from, pages: [0], state, outputTokens: 'last' }],
        false,
      ),
    );
    progressed();
  };
  const time = async (work: () => Promise<unknown>) => {
    const began = clock();
    await work();
    return Math.max(0.001, clock() - began);
  };
  const last = PAGE_TOKENS - 1;
  await step(0);
  await step(last);
  const prefillMs = await time(() => step(0));
  const decodeMs = await time(async () => {
    for (let i = 0; i < DECODE_STEPS; i += 1) await step(last);
  });
  return {
    prefillTps: Math.round((1_000 * PAGE_TOKENS) / prefillMs),
    decodeTps: Math.round((1_000 * DECODE_STEPS) / decodeMs),
  };
}
