// Builds the addons with the machine's C++ compiler, called directly
// (docs/decisions/0003-direct-compiler-call.md). Runs before any package is imported; the headers
// come from two packages that hold nothing but headers.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { acquireLock } from '#bus-schemas/file-lock.ts';
import { cacheFolder, isCheckout } from '#bus-schemas/program-folders.mjs';
import { type Addon, addons, type Needs } from './addons.ts';

const COMMON = [
  '-std=c++20',
  '-O3',
  '-fPIC',
  '-fvisibility=hidden',
  '-fno-exceptions',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-psabi',
  '-DNAPI_VERSION=9',
  '-DNAPI_DISABLE_CPP_EXCEPTIONS',
];
const LINK: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ['-bundle', '-undefined', 'dynamic_lookup'],
  linux: ['-shared', '-Wl,-z,relro,-z,now'],
};

type NativeBuild =
  | { readonly state: 'current' | 'built' }
  | { readonly state: 'no_compiler' }
  | { readonly state: 'failed'; readonly addon: string; readonly log: string };

/**
 * Returns the folder for the built addons. An installed package may be read-only, so its addons are
 * in the cache, by its version: two installed versions must not replace each other's addons.
 */
function buildFolder(root: string): string {
  if (isCheckout(root)) return join(root, 'native', 'build');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return join(cacheFolder(process.env, root), `native-${version}`);
}

export const addonPath = (root: string, name: string) => join(buildFolder(root), `${name}.node`);

/**
 * Finds the C++ compiler. On a Mac without the command line tools, `c++` is a shim that opens a
 * window, so xcode-select is checked first.
 */
export function findCompiler(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (
    process.platform === 'darwin' &&
    spawnSync('xcode-select', ['-p'], { stdio: 'ignore' }).status !== 0
  )
    return undefined;
  const names = env['CXX'] ? [env['CXX']] : ['c++', 'g++', 'clang++'];
  const folders = (env['PATH'] ?? '').split(delimiter);
  const candidates = names.flatMap((name) =>
    name.includes('/') ? [name] : folders.map((folder) => join(folder, name)),
  );
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

interface BuildOrder {
  readonly root: string;
  readonly print: (line: string) => void;
  /** Names of addons to build; by default, all that are not built only on request. */
  readonly only?: readonly string[];
}

interface Job {
  readonly addon: Addon;
  readonly needs: Needs;
  readonly root: string;
}

/**
 * Builds addons that are out of date. Prints nothing if all are current, and does not throw if a
 * build fails. What cannot be built is removed: an addon of older sources could answer wrongly, and would
 * hide that the new ones do not compile.
 */
export async function buildNative({ root, print, only }: BuildOrder): Promise<NativeBuild> {
  const jobs = addons
    .filter(({ name, onlyOnRequest }) =>
      only === undefined ? !onlyOnRequest : only.includes(name),
    )
    .flatMap((addon) => {
      const needs = addon.needs ? addon.needs(process.env) : { compile: [], link: [] };
      return needs === undefined ? [] : [{ addon, needs, root }];
    });
  const isStale = (job: Job) => !isCurrent(job);
  if (!jobs.some(isStale)) return { state: 'current' };
  const compiler = findCompiler();
  if (!compiler) {
    const stale = jobs.filter(isStale);
    stale.forEach(remove);
    const without = stale.map(({ addon }) => addon.without).join('; ');
    const get =
      process.platform === 'darwin'
        ? 'xcode-select --install'
        : 'g++ or clang++ from your package manager';
    print(
      `no C++ compiler was found, so native addons are not built: ${without}. Everything else works. To install a compiler: ${get}`,
    );
    return { state: 'no_compiler' };
  }
  // Several programs may start at once after an update; the first one builds for all of them.
  await using _lock = await acquireLock(join(buildFolder(root), 'building.lock'), {
    onWait: (pids) => print(`waiting for process ${pids.join(', ')}, which builds the native code`),
  });
  const stale = jobs.filter(isStale);
  let result: NativeBuild = { state: stale.length > 0 ? 'built' : 'current' };
  for (const job of stale) {
    const { name, without } = job.addon;
    print(`building native/${name}`);
    const failure = await build(job, compiler);
    if (failure === undefined) continue;
    remove(job);
    print(`native/${name} could not be built: ${without}. Everything else works. ${failure}`);
    result = { state: 'failed', addon: name, log: failure };
  }
  return result;
}

const stampPath = ({ root, addon }: Job) => join(buildFolder(root), `${addon.name}.stamp`);

function remove(job: Job): void {
  for (const path of [addonPath(job.root, job.addon.name), stampPath(job)])
    rmSync(path, { force: true });
}

/** Returns the folder of a package, which the package manager may have put above `root`. */
const packageFolder = (root: string, name: string) =>
  dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`));

function isCurrent(job: Job): boolean {
  const stamp = stampPath(job);
  return (
    existsSync(addonPath(job.root, job.addon.name)) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === fingerprint(job)
  );
}

const filesOf = ({ root, addon }: Job): string[] =>
  addon.folders.flatMap((folder) =>
    readdirSync(join(root, 'native', folder))
      .filter((name) => /\.(cc|h)$/.test(name))
      .sort()
      .map((name) => join(root, 'native', folder, name)),
  );

function fingerprint(job: Job): string {
  const files = filesOf(job);
  const flags = files.map((file) => job.addon.flagsOf?.(file) ?? []);
  const hash = createHash('sha256').update(
    JSON.stringify([
      COMMON,
      LINK,
      job.addon.flags,
      flags,
      job.needs,
      process.platform,
      process.arch,
    ]),
  );
  for (const source of files) hash.update(readFileSync(source));
  for (const name of ['node-addon-api', 'node-api-headers'])
    hash.update(readFileSync(join(packageFolder(job.root, name), 'package.json')));
  return hash.digest('hex');
}

/**
 * Builds an addon and returns an error message, or undefined. The result is renamed into place,
 * because overwriting a library that a running process has loaded would crash that process.
 */
async function build(job: Job, compiler: string): Promise<string | undefined> {
  const { root, addon, needs } = job;
  const link = LINK[process.platform];
  if (!link) return `The build does not support ${process.platform}.`;
  const out = addonPath(root, addon.name);
  const aside = `${out}.${process.pid}`;
  try {
    mkdirSync(aside, { recursive: true });
    const headers = [
      packageFolder(root, 'node-addon-api'),
      join(packageFolder(root, 'node-api-headers'), 'include'),
    ].flatMap((folder) => ['-isystem', folder]);
    const objects = filesOf(job)
      .filter((file) => file.endsWith('.cc'))
      .map((source, i) => ({ source, object: join(aside, `${i}.o`) }));
    const failure = await compileAll(
      compiler,
      objects.map(({ source, object }) => [
        ...COMMON,
        ...headers,
        ...needs.compile,
        ...(addon.flags ?? []),
        ...(addon.flagsOf?.(source) ?? []),
        '-c',
        source,
        '-o',
        object,
      ]),
    );
    const made = join(aside, 'addon.node');
    const output =
      failure ??
      (await compile(compiler, [
        ...link,
        ...objects.map(({ object }) => object),
        ...needs.link,
        '-o',
        made,
      ]));
    if (output !== undefined) {
      const log = join(buildFolder(root), `${addon.name}.log`);
      writeFileSync(log, output);
      return `The compiler reported: ${output.split('\n').find((line) => line.includes('error')) ?? output.slice(0, 200)} (full output: ${log})`;
    }
    renameSync(made, out);
    writeFileSync(stampPath(job), fingerprint(job));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/** Runs one compiler for each core, and returns the output of the first one that failed. */
async function compileAll(
  compiler: string,
  calls: readonly (readonly string[])[],
): Promise<string | undefined> {
  const waiting = [...calls];
  let failure: string | undefined;
  const work = async (): Promise<void> => {
    for (let call = waiting.shift(); call && failure === undefined; call = waiting.shift()) {
      const output = await compile(compiler, call);
      failure ??= output;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return failure;
}

/** Returns the compiler's output if it failed, otherwise undefined. */
function compile(compiler: string, args: readonly string[]): Promise<string | undefined> {
  const child = spawn(compiler, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve(
        code === 0
          ? undefined
          : output || `the compiler ended with ${signal ?? code} and printed nothing`,
      ),
    );
  });
}
