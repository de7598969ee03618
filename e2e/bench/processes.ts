import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type SupervisedProcess, startSupervised } from '#provider';
import type { Target } from './http-stream-client.ts';
import { installRival } from './rival-package.ts';

/** Folder of this checkout. */
const ROOT = resolve(import.meta.dirname, '../..');
const RIVAL = '@portkey-ai/gateway';
const RIVAL_VERSION = '1.15.2';
const READY_MS = 60_000;

export interface Measured extends AsyncDisposable {
  readonly target: Target;
  readonly pid: number;
}

const node = (
  name: string,
  args: readonly string[],
  ready: string,
  env: NodeJS.ProcessEnv = {},
): Promise<SupervisedProcess> =>
  startSupervised({
    name,
    command: process.execPath,
    args,
    env: { ...process.env, ...env },
    isReady: (line) => line.includes(ready),
    readyTimeoutMs: READY_MS,
    stopTimeoutMs: READY_MS,
  });

const urlIn = (lines: readonly string[], pattern: RegExp): URL => {
  const url = lines.map((line) => pattern.exec(line)?.[1]).find((match) => match !== undefined);
  if (url === undefined)
    throw new Error('a measured process did not print the URL on which it listens');
  return new URL(url);
};

/** Starts the engine behind a minimal HTTP server, without the network. */
export async function startDirect(tokenMs: number): Promise<Measured> {
  const ready = 'direct server listens on ';
  const server = await node(
    'direct',
    [join(import.meta.dirname, 'direct-server.ts'), String(tokenMs)],
    ready,
  );
  const port = Number(
    server
      .logs()
      .find((line) => line.includes(ready))
      ?.split(ready)[1],
  );
  const target = {
    name: 'direct',
    host: '127.0.0.1',
    port,
    path: '/v1/chat/completions',
    headers: {},
  };
  return { target, pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/**
 * Starts the network of a checkout with `dinf up` and four providers that are as fast as the engine
 * alone, each with a number of places.
 */
export async function startOurs(
  tokenMs: number,
  { checkout = ROOT, places = 256 }: { checkout?: string; places?: number } = {},
): Promise<Measured> {
  const home = await mkdtemp(join(tmpdir(), 'dinf-bench-'));
  const args = [
    join(checkout, 'bin', 'dinf.ts'),
    'up',
    '--providers',
    '4',
    '--chip',
    'm3-ultra',
    '--token-ms',
    String(tokenMs),
    '--concurrency',
    String(places),
    '--endless',
  ];
  const up = await node('dinf up', args, 'Ctrl-C stops the network', {
    DINF_HOME: home,
    DINF_HTTP_PORT: '',
    DINF_LOG: 'warn',
  });
  const url = urlIn(up.logs(), /base URL\s+(http:\S+)\/v1/);
  const apiKey = up
    .logs()
    .map((line) => /API key\s+(\S+)/.exec(line)?.[1])
    .find((key) => key !== undefined);
  const target = {
    name: 'd-inference',
    host: url.hostname,
    port: Number(url.port),
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${apiKey}` },
  };
  const stop = async (): Promise<void> => {
    await up.stop();
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  };
  return { target, pid: up.pid, [Symbol.asyncDispose]: stop };
}

/** Starts `dinf proxy` for this network, as a customer runs it beside their own program. */
export async function startProxy(network: Target, url: string): Promise<Measured> {
  const home = await mkdtemp(join(tmpdir(), 'dinf-bench-proxy-'));
  const args = [join(ROOT, 'bin', 'dinf.ts'), 'proxy', '--coordinator', url, '--port', '0'];
  const proxy = await node('dinf proxy', args, 'signed with', { DINF_HOME: home });
  const { hostname, port } = urlIn(proxy.logs(), /base URL\s+(http:\S+)\/v1/);
  const stop = async (): Promise<void> => {
    await proxy.stop();
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  };
  return {
    target: { ...network, name: 'dinf proxy', host: hostname, port: Number(port) },
    pid: proxy.pid,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * Starts a popular gateway before the same upstream, for comparison. If it cannot be installed,
 * prints the reason and returns undefined.
 */
export async function startRival(
  upstream: Target,
  port: number,
  say: (line: string) => void,
): Promise<Measured | undefined> {
  const modules = await installRival({ name: RIVAL, version: RIVAL_VERSION }, say);
  if (modules === undefined) return undefined;
  const server = join(modules, RIVAL, 'build', 'start-server.js');
  const gateway = await node(
    'rival',
    [server, `--port=${port}`, '--headless'],
    'Ready for connections',
    { NODE_ENV: 'production' },
  );
  const headers = {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `http://127.0.0.1:${upstream.port}/v1`,
    authorization: 'Bearer none',
  };
  const target = { name: RIVAL, host: '127.0.0.1', port, path: '/v1/chat/completions', headers };
  return { target, pid: gateway.pid, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() };
}
