import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { missingPackages } from '#bin/setup/packages.ts';
import { cacheFolder, type SupervisedProcess, startSupervised } from '#provider';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const MODULES = join(ROOT, 'node_modules');
/** Commit or tag of the previous version. */
const COMMIT = readFileSync(join(import.meta.dirname, 'previous-version'), 'utf8').trim();

const packagesIn = (lockFile: string) => JSON.parse(lockFile).packages;
const git = (...args: string[]) =>
  execFileSync('git', ['-C', ROOT, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 64 * 1024 * 1024,
  });

/** Reason why the previous version cannot run here, or undefined. */
export function whyNoPreviousVersion(): string | undefined {
  let wanted: Parameters<typeof missingPackages>[0];
  try {
    wanted = packagesIn(git('show', `${COMMIT}:package-lock.json`));
  } catch {
    return `the history of this folder does not contain ${COMMIT}, for example in a shallow clone`;
  }
  const installed = packagesIn(readFileSync(join(MODULES, '.package-lock.json'), 'utf8'));
  const [missing] = missingPackages(wanted, installed, { dev: false });
  return missing && `${COMMIT} needs another version of ${missing} than is installed`;
}

interface ProcessOptions {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly isReady: (line: string) => boolean;
}

/** The code of the previous version in a folder of its own, with the installed packages. */
export class PreviousVersion implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async unpack(): Promise<PreviousVersion> {
    const folder = await mkdtemp(join(tmpdir(), 'dinf-previous-'));
    const archive = join(folder, 'code.tar');
    await run('git', ['-C', ROOT, 'archive', '--output', archive, COMMIT]);
    await run('tar', ['-xf', archive, '-C', folder]);
    await symlink(MODULES, join(folder, 'node_modules'));
    return new PreviousVersion(folder);
  }

  /**
   * Runs a command of the previous version. Its launcher is left out, because it would install
   * packages and build the native addons.
   */
  start({ args, env, isReady }: ProcessOptions): Promise<SupervisedProcess> {
    const program = JSON.stringify(join(this.#folder, 'cli/program.ts'));
    return startSupervised({
      name: `the previous version (${args.join(' ')})`,
      command: process.execPath,
      args: [
        '--input-type=module',
        '-e',
        `import { run } from ${program}; await run(${JSON.stringify(args)});`,
      ],
      cwd: this.#folder,
      env: { ...process.env, DINF_CACHE: cacheFolder(process.env), DINF_LOG: 'info', ...env },
      isReady,
      readyTimeoutMs: 60_000,
      stopTimeoutMs: 60_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
