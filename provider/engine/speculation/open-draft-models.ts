import { assistantFor, type OpenedAssistant, openAssistant } from '../../models/assistant-model.ts';
import { isAssistant } from '../../models/assistant-shape.ts';
import { findModel } from '../../models/find-model.ts';
import { type Model, openModel } from '../../models/model.ts';
import { ModelError } from '../../models/model-error.ts';
import { ModelFolder } from '../../models/model-folder.ts';
import { stateBytes } from '../decoders/decoder.ts';
import type { RunnerLog } from '../runner-log.ts';

/** A model that may draft the answers of others, or the assistant of one. */
export type DraftingModel =
  | { readonly kind: 'model'; readonly model: Model }
  | { readonly kind: 'assistant'; readonly assistant: OpenedAssistant };

/** Opens the models that may draft. One that cannot is logged and left out. */
export async function openDraftModels(
  names: readonly string[],
  log: Pick<RunnerLog, 'error'>,
): Promise<DraftingModel[]> {
  const models: DraftingModel[] = [];
  for (const name of names) {
    try {
      const { path, build } = await findModel(name);
      models.push(await openDrafting(await ModelFolder.open(path), build));
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      log.error({ model: name, err: error.message }, 'a draft model cannot be used');
    }
  }
  return models;
}

async function openDrafting(folder: ModelFolder, build: string): Promise<DraftingModel> {
  const config = await folder.json('config.json');
  if (isAssistant(config))
    return { kind: 'assistant', assistant: await openAssistant(folder, config, build) };
  const model = await openModel(folder, build);
  if (stateBytes(model) > 0)
    throw new ModelError('unsupported_architecture', 'a model with states cannot draft');
  return { kind: 'model', model };
}

/**
 * Returns the model with the first one that can draft its answers: a smaller model that has its tokens, or
 * its assistant.
 */
export function withDrafter(model: Model, drafters: readonly DraftingModel[]): Model {
  for (const drafting of drafters) {
    if (drafting.kind === 'assistant') {
      const assistant = assistantFor(model, drafting.assistant);
      if (assistant !== undefined) return { ...model, assistant };
    } else {
      const { model: drafter } = drafting;
      if (drafter.weightBytes < model.weightBytes && model.tokenizer.hasTokensOf(drafter.tokenizer))
        return { ...model, drafter };
    }
  }
  return model;
}

/** Logs the draft models that none of these models uses. */
export function logUnused(
  drafters: readonly DraftingModel[],
  models: readonly Model[],
  log: Pick<RunnerLog, 'error'>,
): void {
  for (const drafting of drafters) {
    if (drafting.kind === 'model') {
      const { model } = drafting;
      if (models.every(({ drafter }) => drafter !== model))
        log.error(
          { model: model.build },
          'a draft model is not used: no larger model of this machine has the same tokens',
        );
    } else {
      const { build, model } = drafting.assistant;
      if (models.every(({ assistant }) => assistant?.weights !== model.weights))
        log.error(
          { model: build },
          'an assistant is not used: no model of this machine has the size of the one that it assists',
        );
    }
  }
}
