import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Mutation } from './mutations.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** The changed text of the file; throws if the mutation no longer fits the program. */
export function mutated({ name, file, find, by }: Mutation): string {
  const text = readFileSync(resolve(ROOT, file), 'utf8');
  if (text.split(find).length !== 2)
    throw new Error(`the mutation "${name}" must fit exactly one place of ${file}`);
  return text.replace(find, () => by);
}

/** Loads the changed text in place of the file, in this process only. */
export function installMutation(mutation: Mutation): void {
  const source = mutated(mutation);
  const changed = pathToFileURL(resolve(ROOT, mutation.file)).href;
  registerHooks({
    load: (url, context, next) =>
      url === changed
        ? { format: 'module-typescript', source, shortCircuit: true }
        : next(url, context),
  });
}
