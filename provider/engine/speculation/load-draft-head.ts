import { type Decoder, type DraftStep, NO_STATE, PAGE_TOKENS } from '../decoders/decoder.ts';
import { draftStepOf, stepOf } from '../decoders/step.ts';
import { type Guard, loadLimitMs } from '../guarded-work.ts';
import type { Speeds } from '../scheduling/speeds.ts';
import { DraftHead, type HeadTimes } from './draft-head.ts';
import { middleOf } from './middle-of.ts';

export interface DraftHeadOptions {
  readonly vocabulary: number;
  readonly maxTokens: number;
  /** Speeds of the model. */
  readonly speeds: Speeds;
  readonly guard: Guard;
  readonly clock: () => number;
  /** Called when the head fails. The model then answers without it. */
  readonly onFailure: (error: unknown) => void;
}

/** Measures the draft head of a loaded model. Returns undefined if it fails. */
export async function loadDraftHead(
  decoder: Decoder,
  options: DraftHeadOptions,
): Promise<DraftHead | undefined> {
  const { vocabulary, guard, clock, onFailure } = options;
  try {
    const times = await guard({ kind: 'load', limitMs: loadLimitMs(0) }, () =>
      tryOut({ decoder, vocabulary, clock }),
    );
    return new DraftHead({ ...options, draft: (step) => decoder.draft(step), times });
  } catch (error) {
    onFailure(error);
    return undefined;
  }
}

const REPEATS = 5;

/** Measures how long a head takes. */
async function tryOut({
  decoder,
  vocabulary,
  clock,
}: {
  decoder: Decoder;
  vocabulary: number;
  clock: () => number;
}): Promise<HeadTimes> {
  const tokens = Array.from({ length: PAGE_TOKENS }, (_, i) => (i * 31 + 7) % vocabulary);
  const [pages, state] = [[0], { read: NO_STATE, write: 0 }];
  await decoder.step(stepOf([{ tokens, from: 0, pages, state, outputTokens: 'last' }], false));
  const time = (count: number) => {
    const part = { tokens: tokens.slice(0, count), from: 0, at: 0, before: 0, pages };
    return timeOfDraft(decoder, { step: draftStepOf([part], false), clock });
  };
  const [stepMs, allMs] = [await time(1), await time(PAGE_TOKENS)];
  return { stepMs, readMs: Math.max(0.001, allMs - stepMs) / (PAGE_TOKENS - 1) };
}

/** Measures how long a draft takes, in milliseconds. Kernels are compiled in a first one. */
export async function timeOfDraft(
  decoder: Decoder,
  { step, clock }: { step: DraftStep; clock: () => number },
): Promise<number> {
  await decoder.draft(step);
  const times: number[] = [];
  while (times.length < REPEATS) {
    const began = clock();
    await decoder.draft(step);
    times.push(clock() - began);
  }
  return Math.max(0.001, middleOf(times) ?? 0);
}
