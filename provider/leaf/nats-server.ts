import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startAgain } from '../start-again.ts';
import type { Exit, SupervisedProcess } from '../supervised-process.ts';
import { startSupervised } from '../supervised-process.ts';

/** -1 lets the server choose a free one; a listener that the configuration leaves out stays -1. */
export type NatsPorts = { client: number; leaf: number; monitor: number };

/** What a configuration is rendered for. */
export type NatsPlace = { host: string; home: string; ports: NatsPorts };

export type NatsServerOptions = {
  binary: string;
  /** Its folder, 0700: configuration, JetStream, resolver, credentials. */
  home: string;
  /**
   * The whole configuration; called again with the chosen ports when the server restarts. No log
   * file in it.
   */
  config: (place: NatsPlace) => string;
  /** Files beside the configuration, by name, 0600. */
  files?: Readonly<Record<string, string>>;
  ports?: Partial<NatsPorts>;
  name?: string;
  onLine?: (line: string) => void;
};

export type NatsServer = AsyncDisposable & {
  readonly pid: number;
  readonly ports: NatsPorts;
  readonly clientUrl: string;
  readonly leafUrl: string;
  readonly monitorUrl: string;
  /** Of the current run; settles when that is gone, whoever ended it. */
  readonly exited: Promise<Exit>;
  logs(): readonly string[];
  whenLine(test: (line: string) => boolean, timeoutMs: number): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Same ports, same state; ends the current run first when there is one. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

const HOST = '127.0.0.1';

// The ports file would do, but it leaves out the leaf port.
const LISTENING: Readonly<Record<keyof NatsPorts, RegExp>> = {
  client: /Listening for client connections on \S+:(\d+)/,
  leaf: /Listening for leafnode connections on \S+:(\d+)/,
  monitor: /Starting https? monitor on \S+:(\d+)/,
};

export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { home, name = 'nats-server' } = options;
  await mkdir(home, { recursive: true, mode: 0o700 });
  for (const [file, text] of Object.entries(options.files ?? {}))
    await writePrivate(join(home, file), text);

  let ports: NatsPorts = { client: -1, leaf: -1, monitor: -1, ...options.ports };
  const begin = async (): Promise<SupervisedProcess> => {
    const config = join(home, 'nats-server.conf');
    await writePrivate(config, options.config({ host: HOST, home, ports }));
    const server = await startSupervised({
      name,
      command: options.binary,
      args: ['-c', config],
      cwd: home,
      isReady: (line) => line.endsWith('Server is ready'),
      ...(options.onLine && { onLine: options.onLine }),
    });
    ports = chosenPorts(server.logs(), ports);
    return server;
  };

  let current = await begin();
  const url = (scheme: string, port: number): string => `${scheme}://${HOST}:${port}`;
  return {
    get pid() {
      return current.pid;
    },
    get ports() {
      return ports;
    },
    get clientUrl() {
      return url('nats', ports.client);
    },
    get leafUrl() {
      return url('nats-leaf', ports.leaf);
    },
    get monitorUrl() {
      return url('http', ports.monitor);
    },
    get exited() {
      return current.exited;
    },
    logs: () => current.logs(),
    whenLine: (test, timeoutMs) => current.whenLine(test, timeoutMs),
    signal: (signal) => current.signal(signal),
    kill: async () => void (await current.kill()),
    restart: async () => {
      await current.stop();
      current = await startAgain(begin);
    },
    stop: async () => void (await current.stop()),
    [Symbol.asyncDispose]: async () => void (await current.stop()),
  };
}

function chosenPorts(lines: readonly string[], before: NatsPorts): NatsPorts {
  const found = (listener: keyof NatsPorts): number => {
    const line = lines.findLast((candidate) => LISTENING[listener].test(candidate));
    return line === undefined ? before[listener] : Number(LISTENING[listener].exec(line)?.[1]);
  };
  return { client: found('client'), leaf: found('leaf'), monitor: found('monitor') };
}

async function writePrivate(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  await chmod(path, 0o600);
}
