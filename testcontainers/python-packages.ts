import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureFolder } from './ensure-folder.ts';

const execute = promisify(execFile);
/** Most time that an installation usually needs, in milliseconds. */
const TIMEOUT_MS = 180_000;

interface PythonOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly withDependencies: boolean;
  /** Names of dependencies that are not installed. */
  readonly leftOut?: RegExp;
  readonly timeoutMs?: number;
}

/**
 * Installs Python packages into a folder unless it exists. It fails after one retry if the package
 * registry does not answer.
 */
export const pythonPackages = (
  folder: string,
  packages: readonly string[],
  { env, withDependencies, leftOut, timeoutMs = TIMEOUT_MS }: PythonOptions,
) =>
  ensureFolder(folder, async (staged) => {
    const pip = async (...args: readonly string[]): Promise<void> => {
      const options = ['--quiet', '--retries', '1', '--timeout', '15'];
      await execute('python3', ['-m', 'pip', 'install', ...options, ...args], {
        timeout: timeoutMs,
        env,
      });
    };
    /** Packages that pip would install. */
    const resolved = async (): Promise<Resolved[]> => {
      const report = join(staged, 'report.json');
      await pip('--dry-run', '--ignore-installed', '--report', report, ...packages);
      const { install } = JSON.parse(await readFile(report, 'utf8')) as { install: Resolved[] };
      return install;
    };
    const chosen =
      leftOut === undefined
        ? packages
        : (await resolved())
            .filter(({ metadata }) => !leftOut.test(metadata.name))
            .map(({ metadata }) => `${metadata.name}==${metadata.version}`);
    const isWhole = withDependencies && leftOut === undefined;
    await pip(
      // Only the modules that a test imports are compiled, when it imports them.
      '--no-compile',
      ...(isWhole ? [] : ['--no-deps']),
      ...['--target', staged],
      ...chosen,
    );
  });

interface Resolved {
  readonly metadata: { readonly name: string; readonly version: string };
}
