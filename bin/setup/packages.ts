import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { acquireLock } from '#bus-schemas/file-lock.ts';
import { cacheFolder, isCheckout } from '#bus-schemas/program-folders.mjs';
import { runNpm, SetupError } from '../npm.mjs';

interface LockedPackage {
  version?: string;
  dev?: boolean;
  devOptional?: boolean;
  optional?: boolean;
  integrity?: string;
}

type LockedPackages = Readonly<Record<string, LockedPackage>>;

/**
 * Returns the packages that package-lock.json lists and npm's record in node_modules lacks.
 * Optional packages are ignored: npm decides whether to install them, for example by platform.
 */
export function missingPackages(
  wanted: LockedPackages,
  installed: LockedPackages,
  options: { dev: boolean },
): string[] {
  return Object.entries(wanted)
    .filter(([path, want]) => {
      if (path === '' || want.optional || want.devOptional || (want.dev && !options.dev))
        return false;
      const have = installed[path];
      return have?.version !== want.version || have?.integrity !== want.integrity;
    })
    .map(([path]) => path);
}

function readPackages(path: string): LockedPackages | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return (JSON.parse(text) as { packages?: LockedPackages }).packages ?? {};
}

interface PackagesOptions {
  root: string;
  /** Whether development packages are needed too. */
  dev: boolean;
  say: (line: string) => void;
}

/**
 * Runs `npm ci` in a checkout unless node_modules already matches package-lock.json. The packages
 * of an installed package were installed with it.
 */
export async function ensurePackages({ root, dev, say }: PackagesOptions): Promise<void> {
  if (!isCheckout(root)) return;
  const missing = () => {
    const wanted = readPackages(join(root, 'package-lock.json')) ?? {};
    const installed = readPackages(join(root, 'node_modules', '.package-lock.json'));
    return missingPackages(wanted, installed ?? {}, { dev });
  };
  if (missing().length === 0) return;

  await using lock = await acquireLock(join(cacheFolder(process.env, root), 'installing.lock'), {
    onWait: (pids) =>
      say(`another dinf (pid ${pids.join(', ')}) is installing packages here; waiting`),
  });
  const lacking = missing();
  if (lacking.length === 0) return;
  say(`installing ${lacking.length} packages (npm ci)`);
  const started = performance.now();
  const include = dev ? ['--include=dev'] : [];
  const args = [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--prefix',
    root,
    ...include,
  ];
  await runNpm({
    node: process.execPath,
    args,
    cwd: root,
    what: 'the packages',
    onStart: lock.add,
  });
  const notInstalled = missing();
  if (notInstalled.length > 0)
    throw new SetupError(
      1,
      `npm ci succeeded but did not install ${notInstalled.slice(0, 3).join(', ')}. Check whether npm is configured to omit packages (npm config get omit).`,
    );
  say(`packages installed in ${((performance.now() - started) / 1_000).toFixed(0)} s`);
}
