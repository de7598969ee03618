import { existsSync } from 'node:fs';
import {
  mkdir,
  mkdtemp,
  readlink,
  realpath,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  addVersion,
  codeOf,
  type Installation,
  installationOf,
  linkedVersion,
  linkVersion,
  programOf,
  removeOldVersions,
} from './installation.ts';

let prefix: string;
let installation: Installation;
beforeEach(async () => {
  prefix = await realpath(await mkdtemp(join(tmpdir(), 'dinf-prefix-')));
  const code = join(prefix, 'lib/d-inference/1.0.0-aa/lib/node_modules/d-inference');
  await mkdir(code, { recursive: true });
  const found = installationOf(code);
  if (found === undefined) throw new Error('not recognised');
  installation = found;
});
afterEach(() => rm(prefix, { recursive: true }));

async function makeVersion(name: string): Promise<void> {
  await addVersion(installation, name, async (folder) => {
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin', 'dinf'), name);
  });
}

test('a program that the installer did not install is not recognised', () => {
  expect(installationOf('/usr/lib/node_modules/d-inference')).toBeUndefined();
  expect(installationOf('/home/ann/d-inference')).toBeUndefined();
  expect(codeOf(installation, installation.running)).toBe(
    join(prefix, 'lib/d-inference/1.0.0-aa/lib/node_modules/d-inference'),
  );
});

test('the link names one version, also where npm put its own link before', async () => {
  await makeVersion('1.0.1-bb');
  await mkdir(dirname(installation.launcher));
  await symlink('../lib/node_modules/d-inference/bin/dinf.mjs', installation.launcher);
  expect(await linkedVersion(installation)).toBeUndefined();
  await linkVersion(installation, '1.0.1-bb');
  expect(await linkedVersion(installation)).toBe('1.0.1-bb');
  expect(await realpath(installation.launcher)).toBe(programOf(installation, '1.0.1-bb'));
  expect(await readlink(installation.launcher)).toMatch(/^\.\.\//);
});

test('a version whose installation fails leaves nothing', async () => {
  await expect(
    addVersion(installation, '2.0.0-cc', () => Promise.reject(new Error('no space'))),
  ).rejects.toThrow('no space');
  expect(existsSync(join(installation.versions, '2.0.0-cc'))).toBe(false);
  expect(existsSync(join(installation.versions, '2.0.0-cc.incomplete'))).toBe(false);
});

test('old versions are deleted, except the running one and those that are named', async () => {
  const names = ['1.0.1-bb', '1.0.2-cc', '1.0.3-dd', '1.0.4-ee', '1.0.5-ff'];
  for (const [i, name] of names.entries()) {
    await makeVersion(name);
    await utimes(join(installation.versions, name), i + 1_000, i + 1_000);
  }
  await utimes(join(installation.versions, '1.0.0-aa'), 1, 1);
  await removeOldVersions(installation, ['1.0.1-bb']);
  const left = ['1.0.0-aa', ...names].filter((name) =>
    existsSync(join(installation.versions, name)),
  );
  expect(left).toEqual(['1.0.0-aa', '1.0.1-bb', '1.0.3-dd', '1.0.4-ee', '1.0.5-ff']);
});
