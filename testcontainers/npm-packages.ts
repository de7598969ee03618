import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ensureFolder } from './ensure-folder.ts';

const run = promisify(execFile);
/** Most time that an installation usually needs, in milliseconds. */
const TIMEOUT_MS = 180_000;

interface NpmOptions {
  /** Kinds of dependencies that are not needed. */
  readonly omit?: readonly ('optional' | 'peer')[];
  readonly timeoutMs?: number;
}

/**
 * Installs npm packages into a folder unless it exists, without running their install scripts. It
 * fails if the package registry does not answer.
 */
export const npmPackages = (
  folder: string,
  packages: readonly string[],
  { omit = [], timeoutMs = TIMEOUT_MS }: NpmOptions = {},
): Promise<string> =>
  ensureFolder(folder, async (staged) => {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--fetch-retries', '1'];
    const omitted = omit.map((kind) => `--omit=${kind}`);
    await run('npm', ['install', '--prefix', staged, ...options, ...omitted, ...packages], {
      timeout: timeoutMs,
    });
  });
