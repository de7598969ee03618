import { findModel } from '../../models/find-model.ts';
import { type Model, openModel } from '../../models/model.ts';
import { ModelError } from '../../models/model-error.ts';
import { stateBytes } from '../decoders/decoder.ts';
import type { RunnerLog } from '../model-runner.ts';

/** Opens the models that may draft. One that cannot is logged and left out. */
export async function openDraftModels(
  names: readonly string[],
  log: Pick<RunnerLog, 'error'>,
): Promise<Model[]> {
  const models: Model[] = [];
  for (const name of names) {
    try {
      const { path, build } = await findModel(name);
      const model = await openModel(path, build);
      if (stateBytes(model) > 0)
        throw new ModelError('unsupported_architecture', 'a model with states cannot draft');
      models.push(model);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      log.error({ model: name, err: error.message }, 'a draft model cannot be used');
    }
  }
  return models;
}

/** Returns the model with the first of the draft models that has its tokens and is smaller, if one does. */
export function withDrafter(model: Model, drafters: readonly Model[]): Model {
  const drafter = drafters.find(
    ({ weightBytes, tokenizer }) =>
      weightBytes < model.weightBytes && model.tokenizer.hasTokensOf(tokenizer),
  );
  return drafter === undefined ? model : { ...model, drafter };
}
