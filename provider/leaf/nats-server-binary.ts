import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { isSafeHub, MINIMUM_NATS_SERVER } from '#bus-schemas';
import { acquireLock } from '#bus-schemas/file-lock.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { LaunchError } from '../launch-error.ts';
import { replaceableBy } from '../replaceable.ts';
import { unpackDebian } from './debian-package.ts';
import { unpackReleaseArchive } from './release-archive.ts';

const run = promisify(execFile);

/** Maximum wait for another process that downloads nats-server, in milliseconds. */
const LOCK_TIMEOUT_MS = 8 * 60_000;

export type NatsServerSource = 'environment' | 'path' | 'cache' | 'homebrew' | 'debian' | 'release';
export type NatsServerBinary = { path: string; version: string; source: NatsServerSource };
export type FindOptions = {
  cacheDir: string;
  env?: NodeJS.ProcessEnv;
  log?: (message: string) => void;
};

export async function findNatsServer(options: FindOptions): Promise<NatsServerBinary> {
  const { cacheDir, env = process.env, log = () => undefined } = options;
  const named = setting('DINF_NATS_SERVER', env);
  if (named !== undefined) return await inspect(named, 'environment');

  const cached = join(cacheDir, 'nats-server', 'nats-server');
  const refused: string[] = [];
  const attempt = async (
    find: () => Promise<NatsServerBinary | undefined>,
  ): Promise<NatsServerBinary | undefined> => {
    try {
      return await find();
    } catch (error) {
      const why = error instanceof Error ? error.message.trim() : String(error);
      refused.push(why);
      log(why);
      return undefined;
    }
  };

  const onPath = await findOnPath('nats-server', env);
  const present =
    (onPath && (await attempt(() => inspectOnPath(onPath)))) ||
    (await attempt(() => inspectCached(cached)));
  if (present) return present;

  // The lock only prevents a second download: a program is renamed into the cache when it is
  // complete, so two holders (for example in two containers) only waste time.
  const lock = join(cacheDir, 'nats-server', 'download.lock');
  await using _lock = await acquireLock(lock, {
    timeout: {
      ms: LOCK_TIMEOUT_MS,
      error: (pids) =>
        new LaunchError(
          'cache_busy',
          `the lock ${lock} was not released within ${LOCK_TIMEOUT_MS} ms by process ` +
            `${pids.join(', ')}; end that process, or delete the lock if that process is not dinf`,
        ),
    },
  });
  // Another process may have downloaded the program while this one waited for the lock.
  const fetchedByAnother = await attempt(() => inspectCached(cached));
  if (fetchedByAnother) return fetchedByAnother;
  await clearStaging(join(cacheDir, 'nats-server'));

  const brew = async (): Promise<NatsServerBinary | undefined> => {
    log('nats-server: installing it with Homebrew');
    return await inspect(await installWithHomebrew(env), 'homebrew');
  };
  const fetched =
    (source: 'debian' | 'release', unpack: Unpack) => async (): Promise<NatsServerBinary> => {
      log(
        `nats-server: fetching ${source === 'debian' ? "Debian's package" : "the project's release"} into the cache`,
      );
      return await publish({ source, unpack, cached, env });
    };
  const found =
    (process.platform === 'darwin' && (await attempt(brew))) ||
    (process.platform === 'linux' &&
      (await attempt(
        fetched('debian', async (folder, own) =>
          join(
            await unpackDebian({ folder, env: own, packages: ['nats-server'], suites: ['sid'] }),
            'usr/sbin/nats-server',
          ),
        ),
      ))) ||
    (await attempt(fetched('release', unpackReleaseArchive)));
  if (found) return found;
  throw new LaunchError(
    'binary_missing',
    [
      `No nats-server ${MINIMUM_NATS_SERVER} or later was found or could be fetched. Tried:`,
      ...refused.map((why) => `  - ${why.replaceAll('\n', '\n    ')}`),
      "Install one (a Mac: brew install nats-server; elsewhere: the NATS project's releases) and set",
      'DINF_NATS_SERVER to its path.',
    ].join('\n'),
  );
}

async function inspect(path: string, source: NatsServerSource): Promise<NatsServerBinary> {
  if (source === 'environment' && !isAbsolute(path)) {
    throw new LaunchError('binary_missing', `DINF_NATS_SERVER=${path} must be an absolute path`);
  }
  const version = await versionOf(path);
  if (!isSafeHub(version)) {
    throw new LaunchError(
      'binary_too_old',
      `${path} is nats-server ${version}; ${MINIMUM_NATS_SERVER} or later is needed, because older ones let a leaf ` +
        `publish as anyone. Update it, or point DINF_NATS_SERVER at a newer one.`,
    );
  }
  return { path, version, source };
}

/**
 * Checks the owner and the mode of the file before it is run with `--version`. Otherwise another
 * user of this machine could put their own program on PATH and have it run as this user.
 */
async function inspectOnPath(path: string): Promise<NatsServerBinary> {
  const fault = await replaceableBy(path);
  if (fault !== undefined)
    throw new LaunchError(
      'binary_unusable',
      `${path} is not used: ${fault}. Set DINF_NATS_SERVER=${path} to use it nevertheless.`,
    );
  return inspect(path, 'path');
}

async function inspectCached(path: string): Promise<NatsServerBinary | undefined> {
  return (await isExecutable(path)) ? await inspect(path, 'cache') : undefined;
}

async function versionOf(path: string): Promise<string> {
  try {
    const { stdout, stderr } = await run(path, ['--version'], { timeout: 10_000 });
    const version = /nats-server:\s*v?(\d+\.\d+\.\d+\S*)/.exec(stdout + stderr)?.[1];
    if (version === undefined) throw new Error('its output of --version names no version');
    return version;
  } catch (cause) {
    const why = messageOf(cause);
    throw new LaunchError('binary_unusable', `${path} cannot be used as nats-server: ${why}`, {
      cause,
    });
  }
}

async function findOnPath(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (isAbsolute(folder) && (await isExecutable(join(folder, name)))) return join(folder, name);
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

type Unpack = (folder: string, env: NodeJS.ProcessEnv) => Promise<string>;
type Publication = {
  source: 'debian' | 'release';
  unpack: Unpack;
  cached: string;
  env: NodeJS.ProcessEnv;
};

/**
 * Unpacks the program, runs it once for its version, and only then renames it into the cache, so
 * that a file in the cache is always complete and works.
 */
async function publish({ source, unpack, cached, env }: Publication): Promise<NatsServerBinary> {
  const staging = await mkdtemp(`${cached}.fetch-`);
  try {
    const staged = await unpack(staging, env);
    await chmod(staged, 0o755);
    const { version } = await inspect(staged, source);
    await using file = await open(staged, 'r');
    await file.sync();
    await rename(staged, cached);
    return { path: cached, version, source };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/**
 * Deletes the folders of downloads that a crash interrupted. Call it only while holding the lock:
 * without it, a folder may belong to a download that still runs.
 */
async function clearStaging(folder: string): Promise<void> {
  const leftovers = (await readdir(folder)).filter((name) => name.startsWith('nats-server.fetch-'));
  await Promise.all(
    leftovers.map((name) => rm(join(folder, name), { recursive: true, force: true })),
  );
}

async function installWithHomebrew(env: NodeJS.ProcessEnv): Promise<string> {
  const brew = await findOnPath('brew', env);
  if (brew === undefined) throw new LaunchError('fetch_failed', 'Homebrew is not installed');
  const quiet = { ...env, NONINTERACTIVE: '1', HOMEBREW_NO_ENV_HINTS: '1' };
  await run(brew, ['install', '--quiet', 'nats-server'], { env: quiet, timeout: 300_000 });
  const { stdout } = await run(brew, ['--prefix', 'nats-server'], { env: quiet });
  return join(stdout.trim(), 'bin', 'nats-server');
}
