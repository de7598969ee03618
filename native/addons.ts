// Lists the addons with their sources and compiler flags. This module must not import any package,
// because it runs before packages are installed.
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

export interface Addon {
  readonly name: string;
  /**
   * Every .cc file in these folders is compiled. A change of any .h or .cc file rebuilds the addon.
   */
  readonly folders: readonly string[];
  /** The consequence of not having the addon, for the message when it cannot be built. */
  readonly without: string;
  readonly flags?: readonly string[];
  /**
   * Extra flags of single source files: the same loops are compiled for several instruction sets.
   */
  readonly flagsOf?: (source: string) => readonly string[];
  /**
   * Requirements besides a compiler. If it returns undefined, the addon is skipped without a
   * message.
   */
  readonly needs?: (env: NodeJS.ProcessEnv) => Needs | undefined;
  /** Built only when requested by name, because only tests need it. */
  readonly onlyOnRequest?: true;
}

export interface Needs {
  readonly compile: readonly string[];
  readonly link: readonly string[];
}

const X64 = process.arch === 'x64';

const cpu = {
  folders: ['cpu', 'decoder'],
  flagsOf: (source: string) => {
    if (X64 && source.endsWith('kernels-avx512.cc'))
      return ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512vnni', '-mfma', '-mf16c'];
    if (X64 && source.endsWith('kernels-avx2.cc')) return ['-mavx2', '-mfma', '-mf16c'];
    if (
      process.arch === 'arm64' &&
      process.platform === 'linux' &&
      source.endsWith('kernels-neon.cc')
    )
      return ['-march=armv8.2-a+dotprod'];
    return [];
  },
};

const SANITIZERS = '-fsanitize=address,undefined,float-cast-overflow';

export const addons: readonly Addon[] = [
  {
    name: 'hardening',
    folders: ['hardening'],
    without: 'a provider cannot deny debuggers and core dumps',
  },
  {
    name: 'secure-enclave',
    folders: ['secure-enclave'],
    without: 'a provider keeps its signing key in a file',
    needs: () =>
      process.platform === 'darwin'
        ? { compile: [], link: ['-framework', 'Security', '-framework', 'CoreFoundation'] }
        : undefined,
  },
  { name: 'cpu', ...cpu, without: 'models run on WebGPU or, slowly, in plain TypeScript' },
  {
    name: 'cpu-sanitized',
    ...cpu,
    without: 'the native CPU decoder is not fuzzed',
    onlyOnRequest: true,
    flags: [
      '-O0',
      '-g',
      '-Wno-error',
      '-fno-omit-frame-pointer',
      '-fno-sanitize-recover=all',
      SANITIZERS,
    ],
    needs: () => (process.platform === 'linux' ? { compile: [], link: [SANITIZERS] } : undefined),
  },
  {
    name: 'mlx',
    folders: ['mlx', 'decoder'],
    without: 'models do not run on MLX',
    flags: ['-fexceptions'],
    needs: findMlx,
  },
];

/** The MLX library: DINF_MLX, Homebrew's, or that of a Python package. */
function findMlx(env: NodeJS.ProcessEnv): Needs | undefined {
  const prefix = [
    env['DINF_MLX'],
    '/opt/homebrew/opt/mlx',
    '/usr/local/opt/mlx',
    pythonMlx(env),
  ].find((path) => path !== undefined && existsSync(join(path, 'include/mlx/mlx.h')));
  if (prefix === undefined) return undefined;
  const library = join(prefix, 'lib');
  if (
    !existsSync(library) ||
    !readdirSync(library).some((name) => /^libmlx\.(so|dylib)$/.test(name))
  )
    return undefined;
  return {
    compile: ['-isystem', join(prefix, 'include')],
    link: [`-L${library}`, '-lmlx', `-Wl,-rpath,${library}`],
  };
}

/**
 * Finds the folder in which pip installs MLX for the python3 of this shell. It searches the usual
 * paths instead of running python3, which would take longer than the rest of the start.
 */
function pythonMlx(env: NodeJS.ProcessEnv): string | undefined {
  const interpreter = (env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'python3'))
    .find(existsSync);
  const prefixes = [
    env['VIRTUAL_ENV'],
    env['CONDA_PREFIX'],
    ...(interpreter === undefined ? [] : [interpreter, realpathSync(interpreter)].map(twoUp)),
  ];
  return prefixes
    .flatMap(packageFolders)
    .map((folder) => join(folder, 'mlx'))
    .find(existsSync);
}

const twoUp = (path: string) => dirname(dirname(path));

function packageFolders(prefix: string | undefined): string[] {
  if (prefix === undefined) return [];
  return ['lib', 'local/lib'].flatMap((lib) => {
    const folder = join(prefix, lib);
    const versions = existsSync(folder)
      ? readdirSync(folder).filter((name) => /^python3\.\d+$/.test(name))
      : [];
    return versions.flatMap((version) =>
      ['site-packages', 'dist-packages'].map((name) => join(folder, version, name)),
    );
  });
}
