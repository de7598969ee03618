import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, findNatsServer, type SupervisedProcess, startSupervised } from '#provider';
import { DINF } from './dinf-program.ts';
import { readStream } from './read-stream.ts';

/** A running `dinf up`, in a process of its own, with free ports and its own home. */
export interface UpProcess extends AsyncDisposable {
  readonly process: SupervisedProcess;
  readonly home: string;
  /** Path of the hub's program, which is a copy, so that a test can move it away. */
  readonly natsServer: string;
  readonly url: string;
  readonly apiKey: string;
  /** The printed link that signs in to the console once; empty without a console. */
  readonly consoleLink: string;
  /** Returns the ids of the processes of this network whose command line contains the text. */
  pids(text: string): number[];
  /** Sends one small request. Returns its status, or the error of fetch as text. */
  ask(): Promise<number | string>;
}

export interface UpOptions {
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Called with each line of output. */
  readonly onLine?: (line: string) => void;
  /** Called with the empty home before anything starts. */
  readonly prepare?: (home: string) => Promise<void>;
}

const READY_MS = 90_000;
const chat = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Is anybody there?' }],
  max_tokens: 3,
};

export async function startUpProcess({
  args = ['--providers', '2', '--engine', 'none', '--token-ms', '1'],
  env = {},
  onLine,
  prepare,
}: UpOptions = {}): Promise<UpProcess> {
  await using started = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'dinf-up-'));
  started.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const home = join(folder, 'home');
  const natsServer = join(folder, 'nats-server');
  await copyFile((await findNatsServer({ cacheDir: cacheFolder(process.env) })).path, natsServer);
  await mkdir(home, { mode: 0o700 });
  // Use any free ports, because another network may already use the default ones.
  await writeFile(join(home, 'ports.json'), JSON.stringify({ client: -1, leaf: -1, issuer: 0 }));
  await prepare?.(home);
  const up = started.use(
    await startSupervised({
      name: 'dinf up',
      command: process.execPath,
      args: [DINF, 'up', ...args],
      env: {
        ...process.env,
        DINF_HOME: home,
        DINF_HTTP_PORT: '0',
        DINF_NATS_SERVER: natsServer,
        DATABASE_URL: '',
        DINF_LOG: 'warn',
        ...env,
      },
      isReady: (line) => line.includes('Ctrl-C stops the network'),
      readyTimeoutMs: READY_MS,
      stopTimeoutMs: 60_000,
      ...(onLine && { onLine }),
    }),
  );
  const printed = (pattern: RegExp) =>
    up
      .logs()
      .map((line) => pattern.exec(line)?.[1])
      .find((match) => match !== undefined) ?? '';
  const url = printed(/base URL\s+(http:\S+)\/v1/);
  const apiKey = printed(/API key\s+(\S+)/);
  const consoleLink = printed(/console\s+(http:\S+)/);
  const owned = started.move();
  return {
    process: up,
    home,
    natsServer,
    url,
    apiKey,
    consoleLink,
    pids: (text) => processesOf({ folder, parent: up.pid }, text),
    ask: () => readStream({ url, apiKey }, chat).then(({ status }) => status, String),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Returns the children of the process, and the processes whose command line contains its folder.
 * The process itself is not among them.
 */
function processesOf(
  { folder, parent }: { folder: string; parent: number },
  text: string,
): number[] {
  return execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line))
    .flatMap((match) =>
      match === null
        ? []
        : [
            {
              pid: Number(match[1]),
              ppid: Number(match[2]),
              state: match[3] ?? '',
              args: match[4] ?? '',
            },
          ],
    )
    .filter(
      ({ ppid, state, args }) =>
        (ppid === parent || args.includes(folder)) && args.includes(text) && !state.startsWith('Z'),
    )
    .map(({ pid }) => pid);
}
