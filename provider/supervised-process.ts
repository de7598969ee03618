import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

import { LaunchError } from './launch-error.ts';
import type { DeathSignal, ParentGuard } from './parent-guard.ts';
import { availableGuard, kernelGuardPrefix, startWatcher } from './parent-guard.ts';

// Invariant: a process that is started here never outlives its parent, even if that is killed.

export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type SupervisedOptions = {
  /** Name for messages, for example "nats-server" or "postgres". */
  name: string;
  command: string;
  args: readonly string[];
  /** Arguments before the command, for a program that runs it as another user. */
  launcher?: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Returns true for the line of output that shows that the process is ready. */
  isReady: (line: string) => boolean;
  readyTimeoutMs?: number;
  onLine?: (line: string) => void;
  /** Opens a channel for messages of a child that is a Node program, and receives them. */
  onMessage?: (message: unknown) => void;
  /** Opens such a channel too, and is sent at once. It is the way for secrets: nobody else can read it. */
  firstMessage?: object;
  stopSignal?: 'SIGTERM' | 'SIGINT';
  /** Time from the stop signal to a SIGKILL, in milliseconds; 10 s if not given. */
  stopTimeoutMs?: number;
  deathSignal?: DeathSignal;
  guard?: ParentGuard;
};

export type SupervisedProcess = AsyncDisposable & {
  readonly pid: number;
  /** Resolves when the process has ended, for any reason; never rejects. */
  readonly exited: Promise<Exit>;
  /** The last lines of its output, KEPT_LINES at most. */
  logs(): readonly string[];
  /** Resolves with the first line of this run, past or future, that passes the test. */
  whenLine(test: (line: string) => boolean, timeoutMs: number): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Sends a message to the child; does nothing without a channel or after its end. */
  send(message: object): void;
  stop(): Promise<Exit>;
  kill(): Promise<Exit>;
};

const KEPT_LINES = 1_000;

export async function startSupervised(options: SupervisedOptions): Promise<SupervisedProcess> {
  const running = launch(options);
  const { name, readyTimeoutMs = 15_000 } = options;
  try {
    await running.whenLine(options.isReady, readyTimeoutMs);
    return running;
  } catch (cause) {
    await running.kill();
    const tail = running.logs().slice(-12).join('\n');
    if (/address already in use|shared memory block .* still in use/i.test(tail)) {
      throw new LaunchError(
        'address_in_use',
        `${name}: its port or its data is still in use\n${tail}`,
        { cause },
      );
    }
    throw cause instanceof LaunchError
      ? new LaunchError(cause.code, `${cause.message}\n${tail}`, { cause })
      : cause;
  }
}

function launch(options: SupervisedOptions): SupervisedProcess {
  const {
    name,
    deathSignal = 'SIGKILL',
    guard = availableGuard(),
    stopTimeoutMs = 10_000,
  } = options;
  const watcher = guard === 'watcher' ? startWatcher(deathSignal) : undefined;
  const line = [
    ...(options.launcher ?? []),
    ...(guard === 'kernel' ? kernelGuardPrefix(deathSignal) : []),
    options.command,
    ...options.args,
  ];
  // The child gets its own session, so that Ctrl-C reaches only this process, which first stops the
  // parts that depend on the child.
  const child = spawn(line[0] as string, line.slice(1), {
    cwd: options.cwd,
    env: options.env ?? process.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...(hasChannel(options) ? (['ipc'] as const) : [])],
  });
  if (options.onMessage !== undefined) child.on('message', options.onMessage);
  if (child.pid !== undefined) watcher?.watch(child.pid);

  const output = new OutputLines(child, options.onLine);
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', (error) => {
      output.add(String(error));
      resolve({ code: null, signal: null });
    });
    child.once('exit', (code, signal) => resolve({ code, signal }));
  }).then((exit) => {
    watcher?.release();
    return exit;
  });
  // The last lines of output can arrive after the exit. The wait for them is limited to 250 ms,
  // because a grandchild may keep the pipe open.
  void exited.then(async (exit) => {
    await Promise.race([output.ended, new Promise((resolve) => setTimeout(resolve, 250).unref())]);
    output.close(
      new LaunchError('exited_early', `${name} ended (${exit.signal ?? `code ${exit.code}`})`),
    );
  });

  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    if (!child.kill(signal)) return await exited;
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    try {
      return await exited;
    } finally {
      clearTimeout(timer);
    }
  };
  const stop = (): Promise<Exit> => end(options.stopSignal ?? 'SIGTERM');

  const send = (message: object): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  if (options.firstMessage !== undefined) send(options.firstMessage);

  return {
    pid: child.pid ?? -1,
    exited,
    logs: () => output.kept,
    whenLine: (test, timeoutMs) => output.when(test, timeoutMs, name),
    signal: (signal) => void child.kill(signal),
    send,
    stop,
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

const hasChannel = ({ onMessage, firstMessage }: SupervisedOptions): boolean =>
  onMessage !== undefined || firstMessage !== undefined;

type Waiting = {
  test: (line: string) => boolean;
  resolve: (line: string) => void;
  reject: (why: Error) => void;
};

class OutputLines {
  readonly kept: string[] = [];
  readonly ended: Promise<unknown>;
  readonly #waiting = new Set<Waiting>();
  readonly #onLine: ((line: string) => void) | undefined;
  #closed: Error | undefined;

  constructor(child: ChildProcess, onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
    this.ended = Promise.all(
      [child.stdout, child.stderr].map((stream) => this.#read(stream as Readable)),
    );
  }

  #read(stream: Readable): Promise<void> {
    const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on('line', (line) => this.add(line));
    return new Promise((resolve) => lines.once('close', () => resolve()));
  }

  add(line: string): void {
    this.kept.push(line);
    if (this.kept.length > KEPT_LINES) this.kept.shift();
    this.#onLine?.(line);
    for (const waiting of this.#waiting) if (waiting.test(line)) waiting.resolve(line);
  }

  close(why: Error): void {
    this.#closed = why;
    for (const waiting of this.#waiting) waiting.reject(why);
  }

  async when(test: (line: string) => boolean, timeoutMs: number, name: string): Promise<string> {
    const seen = this.kept.find(test);
    if (seen !== undefined) return seen;
    if (this.#closed) throw this.#closed;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const waiting: Waiting = { test, resolve, reject };
    const timer = setTimeout(
      () =>
        reject(new LaunchError('not_ready_in_time', `${name}: not ready within ${timeoutMs} ms`)),
      timeoutMs,
    );
    this.#waiting.add(waiting);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(waiting);
    }
  }
}
