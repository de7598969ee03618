import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runNpm } from '#bin/npm.mjs';
import { buildConsole } from '#console/build.ts';
import { ASSETS, CLIENT, DEVELOPMENT_MODULES, ENTRIES, TOP_FILES } from './content.ts';
import { declarationsOf } from './declarations.ts';
import { type LockFile, packageManifest, type RepositoryManifest, shrinkwrap } from './manifest.ts';
import { javaScriptName, moduleGraph, withJavaScriptSpecifiers } from './module-graph.ts';

export interface BuiltPackage {
  readonly path: string;
  readonly files: number;
  readonly sha256: string;
  readonly version: string;
  readonly license: string;
}

/** Packs the program as an npm package, as `<name>-<version>.tgz` in the folder `output`. */
export async function buildPackage(root: string, output: string): Promise<BuiltPackage> {
  await buildConsole({ output: join(root, 'console/dist') });
  const staging = mkdtempSync(join(tmpdir(), 'dinf-package-'));
  try {
    const files = packageFiles(root);
    for (const [name, content] of files) {
      const path = join(staging, name);
      mkdirSync(dirname(path), { recursive: true });
      if (content === undefined) cpSync(join(root, name), path);
      else writeFileSync(path, content);
    }
    mkdirSync(output, { recursive: true });
    await runNpm({
      node: process.execPath,
      args: ['pack', '--ignore-scripts', '--pack-destination', output],
      cwd: staging,
      what: 'the package',
    });
    const { name, version, license } = readJson<RepositoryManifest>(root, 'package.json');
    const path = join(output, `${name}-${version}.tgz`);
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    return { path, files: files.size, sha256, version, license };
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/**
 * Returns the content of each file of the package by its path; undefined stands for the file of
 * the repository as it is.
 */
export function packageFiles(root: string): Map<string, string | undefined> {
  const manifest = readJson<RepositoryManifest>(root, 'package.json');
  const { imports } = manifest;
  const { modules, packages } = moduleGraph({
    entries: ENTRIES,
    leftOut: DEVELOPMENT_MODULES,
    imports,
    read: (file) => {
      const path = join(root, file);
      return existsSync(path) ? toJavaScript(file, readFileSync(path, 'utf8')) : undefined;
    },
  });
  const packed = packageManifest(manifest, CLIENT.replace(/\.ts$/, ''));
  const foreign = [...packages].filter(
    ([name]) => !(name in packed.dependencies || name in packed.optionalDependencies),
  );
  if (foreign.length > 0)
    throw new Error(
      `the package would import what it does not depend on: ${foreign.map(([name, file]) => `${name} in ${file}`).join(', ')}`,
    );
  const files = new Map<string, string | undefined>();
  for (const [file, text] of [...modules, ...declarationsOf(root, CLIENT)])
    files.set(javaScriptName(file), withJavaScriptSpecifiers({ file, text, imports }));
  for (const { folder, files: wanted } of ASSETS)
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }))
      if (wanted.test(name)) files.set(`${folder}/${name}`, undefined);
  for (const name of TOP_FILES) files.set(name, undefined);
  files.set('package.json', json(packed));
  files.set(
    'npm-shrinkwrap.json',
    json(shrinkwrap(packed, readJson<LockFile>(root, 'package-lock.json'))),
  );
  return files;
}

/** Removes the types and leaves every other character in its line and column, as Node does. */
function toJavaScript(file: string, text: string): string {
  return file.endsWith('.ts') ? stripTypeScriptTypes(text).replaceAll(/[ \t]+$/gm, '') : text;
}

const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;

const readJson = <T>(root: string, name: string): T =>
  JSON.parse(readFileSync(join(root, name), 'utf8')) as T;
