import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { SupervisedProcess } from '#provider';
import { LaunchError, startAgain, startSupervised } from '#provider';
import { freePort } from '../free-port.ts';
import { createDatabase } from './create-database.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import type { PostgresOptions, PostgresServer } from './postgres-server.ts';
import { POSTGRES_SETTINGS, POSTGRES_USER } from './postgres-server.ts';
import { makeThrowawayFolder } from './throwaway-folder.ts';
import type { Unprivileged } from './unprivileged.ts';
import { unprivileged } from './unprivileged.ts';

const run = promisify(execFile);
const FREE_PORT_ATTEMPTS = 5;

export type LocalPostgresOptions = PostgresOptions & {
  /** Folder of a stopped cluster, as `postgres -D` names it, that a new one is a copy of. */
  copyOf?: string;
  /** Folder for data that is deleted at the end; that of the system for temporary files by default. */
  throwawayIn?: string;
};

/** Starts Postgres from the npm packages on the loopback address; it ends with this process. */
export async function startLocalPostgres(
  options: LocalPostgresOptions = {},
): Promise<PostgresServer> {
  const throwaway =
    options.dataDir === undefined
      ? await makeThrowawayFolder(options.throwawayIn ?? tmpdir(), 'dinf-postgres-')
      : undefined;
  const dataDir = resolve(options.dataDir ?? (throwaway as string));
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const place = await unprivileged(await postgresBinaries(), dataDir);
  const password = await initialise(place, {
    isDurable: throwaway === undefined,
    copyOf: options.copyOf,
  });

  const begin = (port: number): Promise<SupervisedProcess> => startServer(place, port, options);
  const first =
    options.port === undefined
      ? await onAFreePort(begin)
      : { port: options.port, server: await begin(options.port) };
  const { port } = first;
  let current = first.server;
  const url = `postgres://${POSTGRES_USER}:${password}@127.0.0.1:${port}/postgres`;
  const stop = async (): Promise<void> => {
    await current.stop();
    if (throwaway !== undefined) {
      // Processes of Postgres that are just ending may still write.
      const thoroughly = { recursive: true, force: true, maxRetries: 3 };
      await rm(place.dataDir, thoroughly);
      await rm(throwaway, thoroughly);
    }
  };
  return {
    port,
    url,
    cluster: join(place.dataDir, 'cluster'),
    get exited() {
      return current.exited;
    },
    createDatabase: (name) => createDatabase(url, name),
    logs: () => current.logs(),
    kill: async () => void (await current.kill()),
    restart: async () => {
      await current.stop();
      current = await startAgain(() => begin(port));
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

const passwordFile = (folder: string): string => join(folder, 'dinf-password');

/**
 * Creates a cluster in a temporary folder and renames it, so that after a crash the cluster either
 * exists with its password file or not at all. Returns the password.
 */
async function initialise(
  { launcher, binaries, dataDir }: Unprivileged,
  { isDurable, copyOf }: { isDurable: boolean; copyOf: string | undefined },
): Promise<string> {
  const cluster = join(dataDir, 'cluster');
  if (!(await exists(passwordFile(cluster)))) {
    const fresh = join(dataDir, `cluster.${randomBytes(6).toString('hex')}`);
    try {
      if (copyOf === undefined) await create({ launcher, binaries }, fresh, isDurable);
      else await run('cp', ['-a', copyOf, fresh]);
      await rename(fresh, cluster);
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  }
  return (await readFile(passwordFile(cluster), 'utf8')).trim();
}

/** Creates a cluster with its password file. */
async function create(
  { launcher, binaries }: Pick<Unprivileged, 'launcher' | 'binaries'>,
  cluster: string,
  isDurable: boolean,
): Promise<void> {
  const password = randomBytes(18).toString('base64url');
  const line = [
    // initdb opens /dev/stdin by name. That works for the pipe from cat, but not for a socket of
    // Node.
    ...launcher,
    'sh',
    '-c',
    'cat | "$@"',
    'sh',
    join(binaries, 'bin', 'initdb'),
    `--pgdata=${cluster}`,
    `--username=${POSTGRES_USER}`,
    '--pwfile=/dev/stdin',
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    ...(isDurable ? [] : ['--no-sync']),
  ];
  await runWithInput(line, password);
  await writeFile(passwordFile(cluster), password, { mode: 0o600 });
}

async function startServer(
  { launcher, binaries, dataDir }: Unprivileged,
  port: number,
  options: PostgresOptions,
): Promise<SupervisedProcess> {
  const settings = {
    ...POSTGRES_SETTINGS,
    ...options.settings,
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
  };
  return startSupervised({
    name: 'postgres',
    launcher,
    command: join(binaries, 'bin', 'postgres'),
    args: [
      '-D',
      join(dataDir, 'cluster'),
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    // A standby is ready for read-only connections.
    isReady: (line) => /database system is ready to accept (read-only )?connections/.test(line),
    // SIGINT is Postgres' fast shutdown: it disconnects the clients and loses no committed data.
    stopSignal: 'SIGINT',
    deathSignal: 'SIGINT',
    ...(options.onLine && { onLine: options.onLine }),
  });
}

async function onAFreePort(
  begin: (port: number) => Promise<SupervisedProcess>,
): Promise<{ port: number; server: SupervisedProcess }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    try {
      return { port, server: await begin(port) };
    } catch (error) {
      if (
        !(error instanceof LaunchError && error.code === 'address_in_use') ||
        attempt === FREE_PORT_ATTEMPTS
      )
        throw error;
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function runWithInput([command, ...args]: string[], input: string): Promise<void> {
  const child = run(command as string, args, { env: { ...process.env, LC_ALL: 'C' } });
  child.child.stdin?.end(input);
  await child;
}
