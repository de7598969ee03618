import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { keepRunning, startRestartable } from '#provider';
import type { Network } from '#testcontainers';

const DINF = join(resolve(import.meta.dirname, '..'), 'dinf.ts');
const READY_MS = 30_000;
/** What a machine lacks is said by `dinf doctor`; here only what goes wrong. */
const childLog = process.env['DINF_LOG'] || 'error';
/** With more simulated providers than this they share one leaf node: a leaf each would cost more memory than it shows. */
const MAX_OWN_LEAVES = 4;

export interface ProviderOrder {
  readonly home: string;
  readonly network: Network;
  readonly log: Logger;
  readonly say: (line: string) => void;
}

export interface FleetOrder extends ProviderOrder {
  readonly providers: number;
  readonly chip: string;
  readonly tokenMs?: string;
  readonly concurrency?: string;
  readonly endless?: boolean;
}

/** The simulated providers, in a process of their own, as in the field. */
export async function startFleet({ home, network, log, say, providers, chip, tokenMs, concurrency, endless }: FleetOrder): Promise<AsyncDisposable> {
  say(`starting ${providers} simulated provider${providers === 1 ? '' : 's'}`);
  const tokens = await Promise.all(Array.from({ length: providers }, () => network.enrolToken()));
  const leaves = providers <= MAX_OWN_LEAVES ? 'own' : 'shared';
  return startProcess({
    name: 'the process of the simulated providers',
    args: [
      ...['simulate', '--providers', String(providers), '--chip', chip, '--coordinator', network.url, '--leaves', leaves],
      ...(tokenMs === undefined ? [] : ['--token-ms', tokenMs]),
      ...(concurrency === undefined ? [] : ['--concurrency', concurrency]),
      ...(endless ? ['--endless'] : []),
    ],
    env: { DINF_HOME: home, DINF_LOG: childLog, DINF_ENROL_TOKENS: tokens.join(',') },
    isReady: (line) => line.includes('simulated providers are ready'),
    log,
  });
}

/** A provider with a real model, started as any owner of a machine would. The network is up without one too. */
export async function startRealProvider({ home, network, log, say, engine }: ProviderOrder & { readonly engine: string }) {
  say('starting a provider with a real model');
  let said = '';
  const provider = await startProcess({
    name: 'the provider with a real model',
    // Its own folder: a provider that the owner of this home starts beside it is another machine.
    args: ['provider', '--engine', engine, '--coordinator', network.url, '--home', join(home, 'bundled-provider')],
    env: { DINF_HOME: home, DINF_LOG: childLog, DINF_ENROL_TOKEN: await network.enrolToken() },
    isReady: (line) => {
      if (!/^provider \S+ serves/.test(line)) return false;
      said = line;
      return true;
    },
    log,
  }).catch((error: unknown) => say(`no real model: ${error instanceof Error ? error.message : error}`));
  if (provider === undefined) return undefined;
  return { engine: said.split(' ').at(-1) ?? engine, [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose]() };
}

interface ProcessOrder {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly isReady: (line: string) => boolean;
  readonly log: Logger;
}

/**
 * A process of this program that is started again whenever it ends. It is never given up, because a network whose providers fail is
 * still up, and because a prompt that kills a provider again and again must not end the network with it.
 */
async function startProcess({ name, args, env, isReady, log }: ProcessOrder): Promise<AsyncDisposable> {
  await using started = new AsyncDisposableStack();
  const child = started.use(
    await startRestartable({
      name,
      command: process.execPath,
      args: [DINF, ...args],
      env: { ...process.env, ...env, npm_lifecycle_event: undefined },
      isReady,
      readyTimeoutMs: READY_MS,
      stopTimeoutMs: READY_MS,
      // Its log is ours: a leaf node that ended is said by the process that it belongs to.
      onLine: (line) => void (line.startsWith('{') && process.stderr.write(`${line}\n`)),
    }),
  );
  started.use(keepRunning({ name, child, log }));
  return started.move();
}
