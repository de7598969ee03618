import { execFile } from 'node:child_process';
import {
  chmod,
  chown,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  realpath,
  rm,
  writeFile,
} from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { explainNpmFailure } from '#bin/npm.mjs';
import {
  addInstallRoutes,
  readOfferedPackages,
} from '#coordinator/ingress/install/install-routes.ts';
import { closeServer, createServer } from '#http-api/server.ts';
import { cacheFolder, findNatsServer, type SupervisedProcess, startSupervised } from '#provider';
import { packedProgram } from './made-once.ts';

const run = promisify(execFile);
/** The account that runs the program if this process is root, which may write everywhere. */
const NOBODY = 65_534;
const READY_MS = 300_000;

/** The packed program, installed by `install.sh` into an empty prefix that is then read-only. */
export interface InstalledPackage extends AsyncDisposable {
  /** Folder into which the program was installed. */
  readonly prefix: string;
  /** Home folder of the user who installed it, and what the script printed. */
  readonly installer: { readonly home: string; readonly printed: string };
  /** Folder with all that this test writes. */
  readonly folder: string;
  /** Folder of the installed package. */
  readonly root: string;
  /** Home folder of the user who runs the program. */
  readonly home: string;
  /** Runs the installed program to its end and returns its output. Rejects if it fails. */
  dinf(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string>;
  /** Starts `dinf up` and resolves when it accepts requests. */
  up(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<SupervisedProcess>;
}

export async function installPackage(): Promise<InstalledPackage> {
  await using started = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'dinf-installed-'));
  const prefix = join(folder, 'prefix');
  started.defer(async () => {
    await run('chmod', ['-R', 'u+w', folder]);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  await mkdir(prefix);
  const { path } = await packedProgram();
  const installer = await installByScript({ packageFile: path, folder, prefix });
  const user = await preparedUser(folder);
  await run('chmod', ['-R', 'a+rX,a-w', prefix]);
  const program = join(prefix, 'bin', 'dinf');
  const owned = started.move();
  return {
    folder,
    prefix,
    installer,
    root: dirname(dirname(await realpath(program))),
    home: user.home,
    dinf: async (args, env = {}) => {
      const { stdout, stderr } = await run(program, args, {
        cwd: user.home,
        env: { ...user.env, ...env },
        timeout: READY_MS,
        ...(user.isOther && { uid: NOBODY, gid: NOBODY }),
      });
      return stdout + stderr;
    },
    up: (args, env = {}) =>
      startSupervised({
        name: 'the installed dinf up',
        launcher: user.isOther
          ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--']
          : [],
        command: program,
        args: ['up', ...args],
        cwd: user.home,
        env: { ...user.env, ...env, DINF_HTTP_PORT: '0' },
        isReady: (line) => line.includes('Ctrl-C stops the network'),
        readyTimeoutMs: READY_MS,
        stopTimeoutMs: 60_000,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Runs the line that the page of a network shows, in an empty home folder. */
export async function installByScript({
  packageFile,
  folder,
  prefix,
}: {
  packageFile: string;
  folder: string;
  prefix: string;
}): Promise<InstalledPackage['installer']> {
  const home = join(folder, 'installer');
  await mkdir(home);
  const server = createServer({
    log: pino({ level: 'silent' }),
    trustedProxies: [],
    headersTimeoutMs: 60_000,
    requestTimeoutMs: 60_000,
  });
  addInstallRoutes(server, {
    ...(await readOfferedPackages({
      installPackage: packageFile,
      installPackageBeta: undefined,
    })),
    publicUrl: undefined,
  });
  try {
    const url = await server.listen({ host: '127.0.0.1', port: 0 });
    const { stdout } = await run('/bin/sh', ['-c', `curl -fsSL ${url}/install.sh | sh`], {
      timeout: READY_MS,
      env: {
        ...process.env,
        HOME: home,
        NO_PROXY: '127.0.0.1',
        PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
        DINF_PREFIX: prefix,
        // The packages are those that the checkout has downloaded, from the same registry.
        npm_config_cache: process.env['npm_config_cache'] ?? join(homedir(), '.npm'),
        npm_config_userconfig: process.env['npm_config_userconfig'] ?? join(homedir(), '.npmrc'),
        npm_config_prefer_offline: 'true',
        npm_config_update_notifier: 'false',
      },
    });
    return { home, printed: stdout };
  } catch (error) {
    throw explainNpmFailure('the package', String((error as { stderr?: unknown }).stderr ?? error));
  } finally {
    await closeServer(server);
  }
}

/**
 * Creates an empty home folder and a folder with Node and nats-server that every account can enter,
 * unlike the cache of this checkout.
 */
async function preparedUser(folder: string) {
  await chmod(folder, 0o755);
  const isOther = process.getuid?.() === 0;
  const [home, programs] = [join(folder, 'home'), join(folder, 'programs')];
  await mkdir(join(home, '.dinf'), { recursive: true });
  // Any free ports, because another network may use the default ones.
  await writeFile(
    join(home, '.dinf', 'ports.json'),
    JSON.stringify({ client: -1, leaf: -1, issuer: 0 }),
  );
  if (isOther)
    for (const path of [home, join(home, '.dinf'), join(home, '.dinf', 'ports.json')])
      await chown(path, NOBODY, NOBODY);
  await mkdir(programs);
  const natsServer = join(programs, 'nats-server');
  await linkOrCopy((await findNatsServer({ cacheDir: cacheFolder(process.env) })).path, natsServer);
  await linkOrCopy(process.execPath, join(programs, 'node'));
  return {
    home,
    isOther,
    // Nothing of the environment of this process, so that no setting of it reaches the program.
    env: {
      HOME: home,
      PATH: `${programs}:${process.env['PATH']}`,
      DINF_NATS_SERVER: natsServer,
    } satisfies NodeJS.ProcessEnv,
  };
}

const linkOrCopy = (from: string, to: string) => link(from, to).catch(() => copyFile(from, to));
