import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { replace } from '#bus-schemas/saved-file.ts';
import { startAgain } from '../start-again.ts';
import type { Exit, SupervisedProcess } from '../supervised-process.ts';
import { startSupervised } from '../supervised-process.ts';

/**
 * The ports of a server; -1 lets the server choose a free one. The port of a listener that the
 * configuration does not have stays -1.
 */
export type NatsPorts = { client: number; leaf: number; monitor: number };

/** The address, folder and ports that a configuration is written for. */
export type NatsPlace = { host: string; home: string; ports: NatsPorts };

export type NatsServerOptions = {
  binary: string;
  /**
   * The folder of the server (mode 0700), with its configuration, streams, resolver and
   * credentials.
   */
  home: string;
  /**
   * Returns the whole configuration. It is called again with the chosen ports when the server
   * restarts. It must not name a log file, because readiness and ports are read from the output.
   */
  config: (place: NatsPlace) => string;
  /** Content of the files beside the configuration, by file name; they get the mode 0600. */
  files?: Readonly<Record<string, string>>;
  ports?: Partial<NatsPorts>;
  /** Further environment variables, if this process has not set them itself. */
  env?: Readonly<Record<string, string>>;
  name?: string;
  onLine?: (line: string) => void;
};

export type NatsServer = AsyncDisposable & {
  readonly pid: number;
  readonly ports: NatsPorts;
  readonly clientUrl: string;
  readonly leafUrl: string;
  readonly monitorUrl: string;
  /** Resolves when the current run has ended, for any reason. */
  readonly exited: Promise<Exit>;
  logs(): readonly string[];
  whenLine(test: (line: string) => boolean, timeoutMs: number): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Writes the configuration again and has the server read it, which keeps its connections. */
  reload(): Promise<void>;
  /** Ends the server with SIGKILL. */
  kill(): Promise<void>;
  /** Ends the current run, if there is one, and starts a new one with the same ports and data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

const HOST = '127.0.0.1';

// The ports are read from the log because the server's ports file does not have the leaf port.
const LISTENING: Readonly<Record<keyof NatsPorts, RegExp>> = {
  client: /Listening for client connections on \S+:(\d+)/,
  leaf: /Listening for leafnode connections on \S+:(\d+)/,
  monitor: /Starting https? monitor on \S+:(\d+)/,
};

export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { home, name = 'nats-server' } = options;
  await mkdir(home, { recursive: true, mode: 0o700 });
  for (const [file, text] of Object.entries(options.files ?? {}))
    await replace(join(home, file), text);

  let ports: NatsPorts = { client: -1, leaf: -1, monitor: -1, ...options.ports };
  const config = join(home, 'nats-server.conf');
  const writeConfig = () => replace(config, options.config({ host: HOST, home, ports }));
  const begin = async (): Promise<SupervisedProcess> => {
    await writeConfig();
    const server = await startSupervised({
      name,
      command: options.binary,
      args: ['-c', config],
      cwd: home,
      ...(options.env && { env: { ...options.env, ...process.env } }),
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
    reload: async () => {
      await writeConfig();
      current.signal('SIGHUP');
    },
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
