import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { runNpm } from '#bin/npm.mjs';
import { buildPackage } from '#packaging/npm/build-package.ts';
import { cacheFolder, findNatsServer, type SupervisedProcess, startSupervised } from '#provider';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '..');
/** The account that runs the program if this process is root, which may write everywhere. */
const NOBODY = 65_534;
const READY_MS = 300_000;

/** The packed program, installed with `npm install -g` into an empty prefix that is read-only. */
export interface InstalledPackage extends AsyncDisposable {
  /** Folder with all that this test writes. */
  readonly folder: string;
  /** Folder of the installed package. */
  readonly root: string;
  /** Home folder of the user who runs the program. */
  readonly home: string;
  /** Runs the installed program to its end and returns its output. Rejects if it fails. */
  dinf(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string>;
  /** Starts `dinf up` and resolves when it accepts requests. */
  up(args: readonly string[]): Promise<SupervisedProcess>;
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
  const { path } = await buildPackage(ROOT, join(folder, 'dist'));
  await runNpm({
    node: process.execPath,
    // Without scripts the installation lacks the links between the libraries of Postgres.
    args: ['install', '--global', '--prefix', prefix, '--ignore-scripts', '--prefer-offline', path],
    cwd: folder,
    what: 'the package',
  });
  const user = await preparedUser(folder);
  await run('chmod', ['-R', 'a+rX,a-w', prefix]);
  const program = join(prefix, 'bin', 'dinf');
  const owned = started.move();
  return {
    folder,
    root: join(prefix, 'lib', 'node_modules', 'd-inference'),
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
    up: (args) =>
      startSupervised({
        name: 'the installed dinf up',
        launcher: user.isOther
          ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--']
          : [],
        command: program,
        args: ['up', ...args],
        cwd: user.home,
        env: { ...user.env, DINF_HTTP_PORT: '0' },
        isReady: (line) => line.includes('Ctrl-C stops the network'),
        readyTimeoutMs: READY_MS,
        stopTimeoutMs: 60_000,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
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
