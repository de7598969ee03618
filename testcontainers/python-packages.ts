import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureFolder } from './ensure-folder.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 180_000;

/**
 * Installs Python packages into a folder unless it exists. It fails after one retry if the package
 * registry does not answer.
 */
export const pythonPackages = (
  folder: string,
  packages: readonly string[],
  { env, withDependencies }: { env: NodeJS.ProcessEnv; withDependencies: boolean },
) =>
  ensureFolder(folder, async (staged) => {
    const options = [
      '--quiet',
      '--retries',
      '1',
      '--timeout',
      '15',
      ...(withDependencies ? [] : ['--no-deps']),
    ];
    await run('python3', ['-m', 'pip', 'install', ...options, '--target', staged, ...packages], {
      timeout: TIMEOUT_MS,
      env,
    });
  });
