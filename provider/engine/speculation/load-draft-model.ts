import type { DecoderModel } from '../../models/model.ts';
import type { Backend } from '../decoders/decoder.ts';
import { tryOut } from '../decoders/try-out.ts';
import { type Guard, loadLimitMs } from '../guarded-work.ts';
import { DraftModel } from './draft-model.ts';

interface DraftModelOptions {
  readonly backend: Backend;
  readonly pages: number;
  /** Size of the vocabulary of the model that answers. */
  readonly vocabulary: number;
  readonly maxTokens: number;
  readonly guard: Guard;
  readonly clock: () => number;
  /** Called when the draft model fails after it was loaded. */
  readonly onFailure: (error: unknown) => void;
}

/** Loads a small model that drafts the answers of a larger one, and measures its speeds. */
export function loadDraftModel(
  drafter: DecoderModel,
  { backend, pages, vocabulary, maxTokens, guard, clock, onFailure }: DraftModelOptions,
): Promise<DraftModel> {
  const { shape } = drafter;
  return guard({ kind: 'load', limitMs: loadLimitMs(drafter.weightBytes) }, async (progressed) => {
    const decoder = await backend.load({ model: drafter, pages, maxTokens, progressed });
    const trial = { vocabulary: shape.vocabulary, clock, progressed };
    const speeds = await tryOut(decoder, trial).catch(async (error: unknown) => {
      await decoder[Symbol.asyncDispose]();
      throw error;
    });
    return new DraftModel({
      decoder,
      vocabulary: Math.min(shape.vocabulary, vocabulary),
      contextTokens: shape.contextTokens,
      maxTokens,
      speeds,
      guard,
      clock,
      onFailure,
    });
  });
}
