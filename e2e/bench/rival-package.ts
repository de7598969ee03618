import { join } from 'node:path';
import { cacheFolder, startSupervised } from '#provider';

const INSTALL_MS = 180_000;

interface RivalPackage {
  readonly name: string;
  /** Exact version, not a range. */
  readonly version: string;
  readonly also?: readonly string[];
  readonly flags?: readonly string[];
}

/**
 * Installs a package for comparison into the cache, because it is not a dependency of the project.
 * Returns its folder; if it cannot be installed, prints the reason and returns undefined.
 */
export async function installRival(
  { name, version, also = [], flags = [] }: RivalPackage,
  say: (line: string) => void,
): Promise<string | undefined> {
  const folder = join(cacheFolder(process.env), 'rival', name.replaceAll(/[^\w]+/g, '-'));
  const args = [
    'install',
    '--prefix',
    folder,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    ...flags,
    `${name}@${version}`,
    ...also.map((other) => `${other}@${version}`),
  ];
  try {
    await using _npm = await startSupervised({
      name: 'npm',
      command: 'npm',
      args,
      isReady: (line) => /added|up to date|changed/.test(line),
      readyTimeoutMs: INSTALL_MS,
    });
    return join(folder, 'node_modules');
  } catch (error) {
    say(
      `${name} is skipped: it cannot be installed (${error instanceof Error ? error.message.split('\n')[0] : error})`,
    );
    return undefined;
  }
}
