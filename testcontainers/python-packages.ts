import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureFolder } from './ensure-folder.ts';

const run = promisify(execFile);
/** Most time that an installation usually needs, in milliseconds. */
const TIMEOUT_MS = 180_000;

/**
 * Installs Python packages into a folder unless it exists. It fails after one retry if the package
 * registry does not answer.
 */
export const pythonPackages = (
  folder: string,
  packages: readonly string[],
  {
    env,
    withDependencies,
    timeoutMs = TIMEOUT_MS,
  }: { env: NodeJS.ProcessEnv; withDependencies: boolean; timeoutMs?: number },
) =>
  ensureFolder(folder, async (staged) => {
    const options = [
      '--quiet',
      // Only the modules that a test imports are compiled, when it imports them.
      '--no-compile',
      '--retries',
      '1',
      '--timeout',
      '15',
      ...(withDependencies ? [] : ['--no-deps']),
    ];
    await run('python3', ['-m', 'pip', 'install', ...options, '--target', staged, ...packages], {
      timeout: timeoutMs,
      env,
    });
  });
