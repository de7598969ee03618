import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { messageOf } from '#bus-schemas/message-of.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { Network } from '#network';
import { keepRunning, startRestartable } from '#provider';

const DINF = fileURLToPath(new URL('../../bin/dinf.ts', import.meta.url));
const READY_MS = 30_000;
/** A provider reads all its weights and tries them before it is ready, in milliseconds. */
const REAL_READY_MS = 120_000;
/**
 * Log level of the providers. Only errors are shown; `dinf doctor` reports what a machine lacks.
 */
const childLog = setting('DINF_LOG') ?? 'error';

export interface ProviderOptions {
  readonly home: string;
  readonly network: Network;
  readonly log: Logger;
  readonly say: (line: string) => void;
}

export interface FleetProcessOptions extends ProviderOptions {
  readonly providers: number;
  readonly chip: string;
  readonly tokenMs?: string;
  readonly concurrency?: string;
  readonly endless?: boolean;
}

/** Starts the simulated providers in a process of their own, as in production. */
export async function startFleetProcess({
  home,
  network,
  log,
  say,
  providers,
  chip,
  tokenMs,
  concurrency,
  endless,
}: FleetProcessOptions): Promise<AsyncDisposable> {
  say(`starting ${providers} simulated provider${providers === 1 ? '' : 's'}`);
  const tokens = await Promise.all(Array.from({ length: providers }, () => network.enrolToken()));
  return startProcess({
    name: 'the process of the simulated providers',
    args: [
      'simulate',
      '--providers',
      String(providers),
      '--chip',
      chip,
      '--coordinator',
      network.url,
      // A leaf for each would be one more process, with its memory and its wake-ups for each message.
      '--leaves',
      'shared',
      ...(tokenMs === undefined ? [] : ['--token-ms', tokenMs]),
      ...(concurrency === undefined ? [] : ['--concurrency', concurrency]),
      ...(endless ? ['--endless'] : []),
    ],
    env: {
      ...childEnv({ home, network }),
      ...metricsPort(FLEET_METRICS),
      DINF_ENROL_TOKENS: tokens.join(','),
    },
    isReady: (line) => line.includes('simulated providers are ready'),
    log,
  });
}

/**
 * Starts a provider with real models in the same way as the owner of a machine would. If it does
 * not start, the network runs without it.
 */
export async function startRealProvider({
  home,
  network,
  log,
  say,
  engine,
  folders,
}: ProviderOptions & { readonly engine: string; readonly folders: readonly string[] }) {
  say('starting a provider with a real model');
  let readyLine = '';
  const provider = await startProcess({
    name: 'the provider with a real model',
    // It has its own folder, because a provider that the user starts with this home is another
    // machine.
    args: [
      'provider',
      '--engine',
      engine,
      '--coordinator',
      network.url,
      '--home',
      join(home, 'bundled-provider'),
      ...folders.flatMap((folder) => ['--model', folder]),
    ],
    env: {
      ...childEnv({ home, network }),
      ...metricsPort(REAL_METRICS),
      DINF_ENROL_TOKEN: await network.enrolToken(),
    },
    isReady: (line) => {
      if (!/^provider \S+ serves/.test(line)) return false;
      readyLine = line;
      return true;
    },
    readyTimeoutMs: REAL_READY_MS,
    log,
  }).catch((error: unknown) =>
    say(`the provider with a real model did not start: ${messageOf(error)}`),
  );
  if (provider === undefined) return undefined;
  return {
    engine: readyLine.split(' ').at(-1) ?? engine,
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  };
}

/** The public name of the network may not lead back to this machine, so its own leaves use loopback. */
const childEnv = ({ home, network }: Pick<ProviderOptions, 'home' | 'network'>) => ({
  DINF_HOME: home,
  DINF_LOG: childLog,
  DINF_LEAF_URL: network.localLeafUrl,
});

/**
 * Each process needs a metrics port of its own: the fleet uses the one after that of the network,
 * and the provider with a real model the next one.
 */
const FLEET_METRICS = 1;
const REAL_METRICS = 2;
/** The ports after it belong to the ingresses that share the port of the API. */
export const WORKER_METRICS = 3;
const metricsPort = (offset: number): NodeJS.ProcessEnv => {
  const port = setting('DINF_METRICS_PORT') ?? 0;
  return port > 0 ? { DINF_METRICS_PORT: String(port + offset) } : {};
};

interface ProcessOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly isReady: (line: string) => boolean;
  readonly readyTimeoutMs?: number;
  readonly log: Logger;
}

/**
 * Starts a process of this program and restarts it whenever it ends. There is no limit to the
 * restarts: the network works without these providers, and a prompt that kills a provider again and
 * again must not end the network.
 */
async function startProcess({
  name,
  args,
  env,
  isReady,
  readyTimeoutMs = READY_MS,
  log,
}: ProcessOptions): Promise<AsyncDisposable> {
  await using started = new AsyncDisposableStack();
  const child = started.use(
    await startRestartable({
      name,
      command: process.execPath,
      args: [DINF, ...args],
      env: { ...process.env, ...env, npm_lifecycle_event: undefined },
      isReady,
      readyTimeoutMs,
      stopTimeoutMs: READY_MS,
      // The JSON lines are the child's log, so they are copied into the log of this process.
      onLine: (line) => void (line.startsWith('{') && process.stderr.write(`${line}\n`)),
    }),
  );
  started.use(keepRunning({ name, child, log }));
  return started.move();
}
