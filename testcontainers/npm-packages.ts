import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureFolder } from './ensure-folder.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 180_000;

/**
 * Installs npm packages into a folder unless it exists, without running their install scripts. It
 * fails if the package registry does not answer. `omit` names dependencies that are not needed.
 */
export const npmPackages = (
  folder: string,
  packages: readonly string[],
  omit: readonly ('optional' | 'peer')[] = [],
): Promise<string> =>
  ensureFolder(folder, async (staged) => {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--fetch-retries', '1'];
    const omitted = omit.map((kind) => `--omit=${kind}`);
    await run('npm', ['install', '--prefix', staged, ...options, ...omitted, ...packages], {
      timeout: TIMEOUT_MS,
    });
  });
