import type { Model } from '../../models/model.ts';
import type { Backend, Decoder } from '../decoders/decoder.ts';
import type { Guard } from '../guarded-work.ts';
import type { Speeds } from '../scheduling/speeds.ts';
import type { DraftParts } from './drafter.ts';
import { loadDraftAssistant } from './load-draft-assistant.ts';
import { loadDraftHead } from './load-draft-head.ts';
import { loadDraftModel } from './load-draft-model.ts';

interface DraftsOptions {
  readonly model: Model;
  readonly backend: Backend;
  /** The model in memory, and its speeds. */
  readonly decoder: Decoder;
  readonly speeds: Speeds;
  readonly pages: number;
  readonly maxTokens: number;
  readonly guard: Guard;
  readonly clock: () => number;
  /** Called when a part fails, also while it is loaded. The model then answers without it. */
  readonly onFailure: (error: unknown, message: string) => void;
}

/** Loads what drafts the answers of a model: its draft model, its head and its assistant, if it has them. */
export async function loadDrafts(options: DraftsOptions): Promise<DraftParts> {
  const { model, decoder, onFailure } = options;
  const { vocabulary, head } = model.shape;
  const common = { ...options, vocabulary };
  const modelFailed = (error: unknown) => onFailure(error, WITHOUT_MODEL);
  const draftModel =
    model.drafter &&
    (await loadDraftModel(model.drafter, { ...common, onFailure: modelFailed }).catch(
      (error: unknown) => {
        modelFailed(error);
        return undefined;
      },
    ));
  const headFailed = (error: unknown) => onFailure(error, WITHOUT_HEAD);
  const assistantFailed = (error: unknown) => onFailure(error, WITHOUT_ASSISTANT);
  return {
    draftModel,
    head: head && (await loadDraftHead(decoder, { ...common, onFailure: headFailed })),
    assistant:
      model.assistant &&
      (await loadDraftAssistant(decoder, { ...common, onFailure: assistantFailed })),
  };
}

const WITHOUT_MODEL =
  'the draft model failed, and answers are written without it until the model is loaded again';

const WITHOUT_HEAD =
  'the draft head of a model failed, and answers are written without it until the model is loaded again';

const WITHOUT_ASSISTANT =
  'the assistant of a model failed, and answers are written without it until the model is loaded again';
