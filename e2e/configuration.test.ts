import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SETTING_GROUPS } from '#bus-schemas/settings/settings.ts';
import { ROOT, SOURCE_FOLDERS, sourceFiles } from './source-folders.ts';

/** Variables that npm or this program sets for its own child processes; users never set them. */
const INTERNAL = [
  'DINF_PARENT',
  'DINF_PAUSED',
  'SHIFTED_CLOCK',
  'npm_config_cache',
  'npm_config_userconfig',
  'npm_execpath',
  'npm_lifecycle_event',
];
/**
 * Files that read the environment themselves: those that run before the packages are installed, the
 * build of the addons, which may be a part of the installation, and the parser.
 */
const READERS = [
  'bin/',
  'bus-schemas/program-folders.mjs',
  'bus-schemas/settings/settings.ts',
  'native/',
  'packaging/containers/health.mjs',
];
/** They copy variables to a child process. */
const COPIERS = ['cli/provider/launch-service.ts'];
const SETTINGS_FOLDER = 'bus-schemas/settings/';

const LITERAL_READ =
  /\benv(?:\??\.)?(?:\[['"`](?<name>\w+)['"`]\]|\.(?<field>[A-Z]\w+))|getenv\("(?<native>\w+)"\)/g;
const COMPUTED_READ = /\benv(?:\?\.)?\[[a-z]/;
const OWN_NAME = /['"](DINF_[A-Z_]+|DATABASE_URL)['"]/g;

const known = new Set(Object.values(SETTING_GROUPS).flatMap((group) => Object.keys(group)));
const isKnown = (name: string) => known.has(name) || INTERNAL.includes(name);
const sources = [...SOURCE_FOLDERS, 'e2e']
  .flatMap((folder) => sourceFiles(folder))
  .concat('native/cpu/decoder.cc')
  .filter((file) => file !== 'e2e/configuration.test.ts')
  .map((file) => ({ file, text: readFileSync(join(ROOT, file), 'utf8') }));

const isReader = (file: string) => READERS.some((reader) => file.startsWith(reader));
const literalReads = (text: string): string[] =>
  [...text.matchAll(LITERAL_READ)].map(
    ({ groups }) => groups?.['name'] ?? groups?.['field'] ?? groups?.['native'] ?? '',
  );

test('the code reads no environment variable that the schemas of the settings lack', () => {
  const unknown = sources.flatMap(({ file, text }) =>
    [...literalReads(text), ...[...text.matchAll(OWN_NAME)].map(([, name = '']) => name)]
      .filter((name) => !isKnown(name))
      .map((name) => `${file} ${name}`),
  );
  expect(unknown).toEqual([]);
});

test('variables of this program are read by the parser of the settings, not directly', () => {
  const direct = sources
    .filter(({ file }) => !isReader(file))
    .flatMap(({ file, text }) => [
      ...literalReads(text)
        .filter((name) => name.startsWith('DINF_') || name === 'DATABASE_URL')
        .filter((name) => !INTERNAL.includes(name))
        .map((name) => `${file} ${name}`),
      ...(COMPUTED_READ.test(text) && !COPIERS.includes(file) ? [`${file} a computed name`] : []),
    ]);
  expect(direct).toEqual([]);
});

test('every setting in the schemas is read somewhere', () => {
  const elsewhere = sources
    .filter(({ file }) => !file.startsWith(SETTINGS_FOLDER))
    .map(({ text }) => text)
    .join('\n');
  expect([...known].filter((name) => !new RegExp(`['"]${name}['"]`).test(elsewhere))).toEqual([]);
});
