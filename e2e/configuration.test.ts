import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, SOURCE_FOLDERS, sourceFiles } from './source-folders.ts';

const FOLDERS = [...SOURCE_FOLDERS, 'e2e'];
/** Variables that a process sets for its own child processes; users never set them. */
const INTERNAL = ['DINF_PARENT', 'DINF_PAUSED'];

test('docs/configuration.md lists exactly the settings that the code reads', () => {
  const documented = new Set(
    readFileSync(join(ROOT, 'docs/configuration.md'), 'utf8').match(/(?<=^\| `)[A-Z_]+/gm),
  );
  const read = new Set<string>();
  for (const file of FOLDERS.flatMap(sourceFiles)) {
    for (const [name] of readFileSync(join(ROOT, file), 'utf8').matchAll(
      /(?<=['"])(DINF_[A-Z_]+|DATABASE_URL)(?=['"])/g,
    ))
      read.add(name);
  }
  for (const name of INTERNAL) read.delete(name);
  expect([...documented].toSorted()).toEqual([...read].toSorted());
});
