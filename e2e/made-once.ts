import { readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { inject } from 'vitest';
import { buildConsole } from '#console/build.ts';
import { type BuiltPackage, buildPackage } from '#packaging/npm/build-package.ts';
import { ensureFolder } from '#testcontainers';

const ROOT = resolve(import.meta.dirname, '..');

/** The folder of this name, which the first test of a run that needs it makes for all others. */
const madeOnce = (name: string, make: (staged: string) => Promise<void>): Promise<string> =>
  ensureFolder(join(inject('runFolder'), name), make);

/** Folder with the console, built from the present source. */
export const builtConsole = (): Promise<string> =>
  madeOnce('console', (staged) => buildConsole({ output: staged }));

/** The program, packed from the present source. */
export async function packedProgram(): Promise<BuiltPackage> {
  const folder = await madeOnce('package', async (staged) => {
    const built = await buildPackage(ROOT, staged);
    await writeFile(join(staged, 'built.json'), JSON.stringify(built));
  });
  const built: BuiltPackage = JSON.parse(await readFile(join(folder, 'built.json'), 'utf8'));
  return { ...built, path: join(folder, basename(built.path)) };
}
