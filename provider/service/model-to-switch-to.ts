import type { MachineState } from './machine-state.ts';

type Found = { readonly build: string } | { readonly fault: string };

/** The model with this build, or from the repository with this name. */
export function modelNamed<M extends { readonly build: string }>(
  models: readonly M[],
  name: string,
): M | undefined {
  const last = name.split('/').at(-1);
  return models.find(({ build }) => build === name || build === last);
}

/** The model that an owner names, by its build or the name of its repository; or why it cannot be loaded. */
export function modelToSwitchTo(
  { models, memoryBytes, engine, provider }: MachineState,
  name: string,
): Found {
  if (provider === undefined) return { fault: 'The machine does not serve at present.' };
  if (memoryBytes === undefined)
    return {
      fault: `The engine ${engine} decides by itself which of its models are in memory.`,
    };
  const model = modelNamed(models, name);
  if (model !== undefined) return { build: model.build };
  const served = models.map(({ build }) => build).join(', ');
  return {
    fault: `This machine does not serve ${name}, but ${served}. "dinf provider start" with a --model for each of its models adds one.`,
  };
}
