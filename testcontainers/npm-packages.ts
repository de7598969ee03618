import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureFolder } from './ensure-folder.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 180_000;

/**
 * Installs npm packages into a folder unless it exists, without running their install scripts. It
 * fails if the package registry does not answer.
 */
export const npmPackages = (folder: string, packages: readonly string[]): Promise<string> =>
  ensureFolder(folder, async (staged) => {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--fetch-retries', '1'];
    await run('npm', ['install', '--prefix', staged, ...options, ...packages], {
      timeout: TIMEOUT_MS,
    });
  });
