import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../migrations');
/** Migrations up to this number have no line with their kind and are all `expand`. */
const LAST_WITHOUT_KIND = 100;
const KIND_LINE = /^-- (expand|contract)\n/;

/**
 * `expand` only adds, so the previous version works with the new schema. `contract` removes or
 * restricts what the previous version uses.
 */
type MigrationKind = 'expand' | 'contract';

export interface Migration {
  /** Name of its file. Migrations are applied in the order of their names. */
  readonly name: string;
  readonly kind: MigrationKind;
  readonly text: string;
}

/** Reads the migrations that this version contains, in order. */
export async function readMigrations(folder: string = FOLDER): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((file) => file.endsWith('.sql')).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(folder, name), 'utf8');
      return { name, kind: kindOf(name, text), text };
    }),
  );
}

function kindOf(name: string, text: string): MigrationKind {
  if (Number.parseInt(name, 10) <= LAST_WITHOUT_KIND) return 'expand';
  const [, kind] = KIND_LINE.exec(text) ?? [];
  if (kind === undefined)
    throw new Error(`The first line of ${name} must be "-- expand" or "-- contract".`);
  return kind as MigrationKind;
}
