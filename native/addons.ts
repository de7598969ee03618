// What is built, from what, with which flags. Runs before any package is imported.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Addon {
  readonly name: string;
  /** By folder: every .cc in it, and a change of any .h or .cc builds it anew. */
  readonly folders: readonly string[];
  /** What a machine that cannot build it goes without, for the one line that says so. */
  readonly without: string;
  readonly flags?: readonly string[];
  /** Flags of single sources: the same loops for several instruction sets. */
  readonly flagsOf?: (source: string) => readonly string[];
  /** What it needs besides a compiler; nothing when this machine has it not, and then it is left out without a word. */
  readonly needs?: (env: NodeJS.ProcessEnv) => Needs | undefined;
}

export interface Needs {
  readonly compile: readonly string[];
  readonly link: readonly string[];
}

const X64 = process.arch === 'x64';

export const addons: readonly Addon[] = [
  { name: 'hardening', folders: ['hardening'], without: 'a provider cannot shut out debuggers and core dumps' },
  {
    name: 'cpu',
    folders: ['cpu', 'decoder'],
    without: 'models run on WebGPU or, slowly, in plain TypeScript',
    flagsOf: (source) => {
      if (X64 && source.endsWith('kernels-avx512.cc')) return ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512vnni', '-mfma', '-mf16c'];
      if (X64 && source.endsWith('kernels-avx2.cc')) return ['-mavx2', '-mfma', '-mf16c'];
      if (process.arch === 'arm64' && process.platform === 'linux' && source.endsWith('kernels-neon.cc')) return ['-march=armv8.2-a+dotprod'];
      return [];
    },
  },
  { name: 'mlx', folders: ['mlx', 'decoder'], without: 'models do not run on MLX', flags: ['-fexceptions'], needs: findMlx },
];

/** The MLX library: DINF_MLX, Homebrew's, or that of a Python package. */
function findMlx(env: NodeJS.ProcessEnv): Needs | undefined {
  const prefix = [env['DINF_MLX'], '/opt/homebrew/opt/mlx', '/usr/local/opt/mlx', pythonMlx(env)].find(
    (path) => path !== undefined && existsSync(join(path, 'include/mlx/mlx.h')),
  );
  if (prefix === undefined) return undefined;
  const library = join(prefix, 'lib');
  if (!existsSync(library) || !readdirSync(library).some((name) => /^libmlx\.(so|dylib)$/.test(name))) return undefined;
  return { compile: ['-isystem', join(prefix, 'include')], link: [`-L${library}`, '-lmlx', `-Wl,-rpath,${library}`] };
}

let asked: string | undefined | null = null;

function pythonMlx(env: NodeJS.ProcessEnv): string | undefined {
  if (asked === null) {
    const script = 'import importlib.util as u; s = u.find_spec("mlx"); print(list(s.submodule_search_locations)[0] if s else "")';
    const { status, stdout } = spawnSync('python3', ['-c', script], { encoding: 'utf8', env, timeout: 10_000 });
    asked = status === 0 && stdout.trim() !== '' ? stdout.trim() : undefined;
  }
  return asked;
}
