import { type Decoder, PAGE_TOKENS } from '../decoders/decoder.ts';
import { assistedStepOf, stepOf } from '../decoders/step.ts';
import { loadLimitMs } from '../guarded-work.ts';
import { DraftAssistant } from './draft-assistant.ts';
import { type DraftHeadOptions, timeOfDraft } from './load-draft-head.ts';

/** Measures the assistant of a loaded model. Returns undefined if it fails. */
export async function loadDraftAssistant(
  decoder: Decoder,
  options: Omit<DraftHeadOptions, 'maxTokens'>,
): Promise<DraftAssistant | undefined> {
  const { vocabulary, guard, clock, onFailure } = options;
  const tokens = Array.from({ length: PAGE_TOKENS }, (_, i) => (i * 31 + 7) % vocabulary);
  const pages = [0];
  const step = stepOf([{ tokens, from: 0, pages, outputTokens: 'last' }], false);
  const at = PAGE_TOKENS - 1;
  const draft = assistedStepOf([{ token: 7, at, before: at, pages }], false);
  try {
    const stepMs = await guard({ kind: 'load', limitMs: loadLimitMs(0) }, async () => {
      await decoder.step(step);
      return timeOfDraft(decoder, { step: draft, clock });
    });
    return new DraftAssistant({ ...options, draft: (each) => decoder.draft(each), stepMs });
  } catch (error) {
    onFailure(error);
    return undefined;
  }
}
