import { execFile } from 'node:child_process';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setting } from '#bus-schemas/settings/settings.ts';
import { cacheFolder } from '#provider';
import { pythonPackages } from '#testcontainers';

/**
 * Clients whose installation takes minutes and hundreds of megabytes. They are installed into the
 * cache and tested only by `npm run large-clients`.
 */
export const INSTALL_MS = 2_400_000;
const GIGABYTE = 1_000_000_000;
const run = promisify(execFile);

/** Folder of the cache for a package with its version, such as `litellm[proxy]==1.110.2`. */
export const folderOf = (kind: 'python' | 'npm', spec: string): string =>
  join(cacheFolder(process.env), `${kind}-${spec.replace(/^@/, '').replaceAll(/[^\w.]+/g, '-')}`);

/** Reason why a client cannot be tested, or undefined if it is installed. */
export async function whyNotTested(
  spec: string,
  { gigabytes, install }: { gigabytes: number; install: () => Promise<unknown> },
): Promise<string | undefined> {
  if (setting('DINF_CLIENTS') !== 'full') return 'it is large: npm run large-clients';
  try {
    await requireSpace(gigabytes);
    await install();
    return undefined;
  } catch (error) {
    return `${spec} cannot be installed: ${lastLine(error).slice(0, 200)}`;
  }
}

/**
 * Installs the packages of a client for Python with their dependencies, and returns why it cannot be
 * tested. Without `packages` the client is one package.
 */
export const whyNotPython = (
  spec: string,
  { gigabytes, packages = [spec] }: { gigabytes: number; packages?: readonly string[] },
): Promise<string | undefined> =>
  whyNotTested(spec, {
    gigabytes,
    install: () =>
      pythonPackages(folderOf('python', spec), packages, {
        env: process.env,
        withDependencies: true,
        timeoutMs: INSTALL_MS,
      }),
  });

/** Title of a test or group: the package, and why it is skipped if it is. */
export const titleOf = (spec: string, reason: string | undefined): string =>
  `${spec} (${reason ?? 'installed'})`;

/** Environment of a Python program that has the packages of one client, and its own home folder. */
export const pythonEnvironment = (spec: string, home: string): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: home,
  PYTHONPATH: folderOf('python', spec),
  PYTHONUNBUFFERED: '1',
});

/** Runs Python without input, and returns what it prints. */
export async function python(
  args: readonly string[],
  { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<string> {
  const started = run('python3', args, { cwd, env });
  started.child.stdin?.end();
  return (await started).stdout;
}

async function requireSpace(gigabytes: number): Promise<void> {
  const folder = cacheFolder(process.env);
  await mkdir(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < gigabytes * GIGABYTE)
    throw new Error(`it needs ${gigabytes} GB, and ${folder} has less free space`);
}

const lastLine = (error: unknown): string =>
  String(error)
    .split('\n')
    .findLast((line) => line !== '') ?? '';
