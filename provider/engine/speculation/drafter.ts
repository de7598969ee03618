import type { DraftAssistant } from './draft-assistant.ts';
import type { DraftHead } from './draft-head.ts';
import type { DraftModel } from './draft-model.ts';
import type { Drafter } from './draft-source.ts';
import { RepeatedText } from './repeated-text.ts';

/**
 * Repeated text is preferred, because it costs nothing. The head of a model, or its assistant, comes before
 * a draft model: it is smaller, and knows the states of the model.
 */
export const drafterOf = ({ head, assistant, draftModel }: DraftParts): Drafter => ({
  begin: (task, pages, all) => [
    new RepeatedText(),
    ...(head ? [head.begin(task, pages)] : []),
    ...(assistant ? [assistant.begin(all)] : []),
    // A draft model reads only text.
    ...(draftModel && (task.images ?? []).length === 0 ? [draftModel.begin(pages)] : []),
  ],
  keep: async (pages) => draftModel?.keep(pages),
});

/** What drafts the answers of a loaded model. */
export interface DraftParts {
  readonly head: DraftHead | undefined;
  readonly assistant: DraftAssistant | undefined;
  readonly draftModel: DraftModel | undefined;
}
