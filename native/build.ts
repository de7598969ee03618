// Builds the addons with the machine's C++ compiler, called directly (docs/decisions/0003-direct-compiler-call.md). Runs before
// any package is imported; the headers come from two packages that hold nothing but headers.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

interface Addon {
  readonly name: string;
  readonly sources: readonly string[];
  /** What a machine without a compiler goes without, for the one line that says so. */
  readonly without: string;
}

const addons: readonly Addon[] = [
  {
    name: 'hardening',
    sources: ['hardening.cc'],
    without: 'a provider cannot shut out debuggers and core dumps',
  },
];

const COMMON = [
  '-std=c++20',
  '-O2',
  '-fPIC',
  '-fvisibility=hidden',
  '-fno-exceptions',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-DNAPI_VERSION=9',
  '-DNAPI_DISABLE_CPP_EXCEPTIONS',
];
const LINK: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ['-bundle', '-undefined', 'dynamic_lookup'],
  linux: ['-shared', '-Wl,-z,relro,-z,now'],
};

export type NativeBuild =
  | { readonly state: 'current' | 'built' }
  | { readonly state: 'no_compiler' }
  | { readonly state: 'failed'; readonly addon: string; readonly log: string };

export const addonPath = (root: string, name: string) => join(root, 'native', 'build', `${name}.node`);

/** The compiler's path. On a Mac without the command line tools `c++` is a shim that opens a window: those are asked first. */
export function findCompiler(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (process.platform === 'darwin' && spawnSync('xcode-select', ['-p'], { stdio: 'ignore' }).status !== 0) return undefined;
  const names = env['CXX'] ? [env['CXX']] : ['c++', 'g++', 'clang++'];
  const folders = (env['PATH'] ?? '').split(delimiter);
  const candidates = names.flatMap((name) => (name.includes('/') ? [name] : folders.map((folder) => join(folder, name))));
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
  root: string;
  say: (line: string) => void;
}

/** Silent when every addon is built from the sources as they are. Never throws for a machine that cannot build. */
export async function buildNative({ root, say }: BuildOrder): Promise<NativeBuild> {
  const stale = addons.filter((addon) => !isCurrent(root, addon));
  if (stale.length === 0) return { state: 'current' };
  const without = stale.map((addon) => addon.without).join('; ');
  const compiler = findCompiler();
  if (!compiler) {
    const get = process.platform === 'darwin' ? 'xcode-select --install' : 'g++ or clang++ from your package manager';
    say(`no C++ compiler, so the native part is not built: ${without}. All else works. To get it: ${get}`);
    return { state: 'no_compiler' };
  }
  for (const addon of stale) {
    say(`building native/${addon.name}`);
    const failure = await build(root, addon, compiler);
    if (failure === undefined) continue;
    say(`native/${addon.name} did not build: ${without}. All else works. ${failure}`);
    return { state: 'failed', addon: addon.name, log: failure };
  }
  return { state: 'built' };
}

const includes = (root: string) => ['node-addon-api', 'node-api-headers/include'].map((path) => join(root, 'node_modules', path));
const stampPath = (root: string, addon: Addon) => join(root, 'native', 'build', `${addon.name}.stamp`);

function isCurrent(root: string, addon: Addon): boolean {
  const stamp = stampPath(root, addon);
  return existsSync(addonPath(root, addon.name)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint(root, addon);
}

function fingerprint(root: string, addon: Addon): string {
  const hash = createHash('sha256').update(JSON.stringify([COMMON, LINK, process.platform, process.arch]));
  for (const source of addon.sources) hash.update(readFileSync(join(root, 'native', source)));
  for (const name of ['node-addon-api', 'node-api-headers']) hash.update(readFileSync(join(root, 'node_modules', name, 'package.json')));
  return hash.digest('hex');
}

/** What went wrong, or nothing. Built aside and renamed: a process that has the old one loaded keeps it. */
async function build(root: string, addon: Addon, compiler: string): Promise<string | undefined> {
  const link = LINK[process.platform];
  if (!link) return `There is no recipe for ${process.platform}.`;
  const out = addonPath(root, addon.name);
  const aside = `${out}.${process.pid}`;
  try {
    mkdirSync(join(root, 'native', 'build'), { recursive: true });
    const sources = addon.sources.map((source) => join(root, 'native', source));
    const headers = includes(root).flatMap((folder) => ['-isystem', folder]);
    const said = await compile(compiler, [...COMMON, ...headers, ...link, ...sources, '-o', aside]);
    if (said !== undefined) {
      const log = join(root, 'native', 'build', `${addon.name}.log`);
      writeFileSync(log, said);
      return `The compiler said: ${said.split('\n').find((line) => line.includes('error')) ?? said.slice(0, 200)} (all of it: ${log})`;
    }
    renameSync(aside, out);
    writeFileSync(stampPath(root, addon), fingerprint(root, addon));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(aside, { force: true });
  }
}

/** The compiler's words when it failed, nothing when it did its work. */
function compile(compiler: string, args: readonly string[]): Promise<string | undefined> {
  const child = spawn(compiler, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : said || `it ended with ${signal ?? code} and said nothing`));
  });
}
