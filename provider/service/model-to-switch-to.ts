import { basename } from 'node:path';
import type { MachineState } from './machine-state.ts';
import type { Settings } from './settings.ts';
import type { Added, Supervisor } from './supervisor.ts';

/** The model with this build, or from the repository with this name. */
export function modelNamed<M extends { readonly build: string }>(
  models: readonly M[],
  name: string,
): M | undefined {
  return models.find(({ build }) => build === basename(name));
}

/**
 * Loads the model that an owner names by its build, repository or folder, and lets the machine serve
 * it if it does not yet. Returns why that is not possible.
 */
export async function switchModelTo(
  supervisor: Pick<Supervisor, 'state' | 'add' | 'switchTo'>,
  name: string,
): Promise<Added> {
  const { state } = supervisor;
  const fault = whyNoSwitch(state);
  if (fault !== undefined) return { fault };
  const served = modelNamed(state.models, name);
  const added = served === undefined ? await supervisor.add(name) : { build: served.build };
  if ('build' in added) supervisor.switchTo(added.build);
  return added;
}

function whyNoSwitch({ memoryBytes, engine, provider }: MachineState): string | undefined {
  if (provider === undefined) return 'The machine does not serve at present.';
  return memoryBytes === undefined
    ? `The engine ${engine} decides by itself which of its models are in memory.`
    : undefined;
}

/** The saved models with one of them first, which is loaded first at the next start. */
export const modelsWithFirst = (models: Settings['models'], name: string): string[] => {
  const saved = models.find((each) => basename(each) === basename(name)) ?? name;
  return [saved, ...models.filter((each) => each !== saved)];
};
