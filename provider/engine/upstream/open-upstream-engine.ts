import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Trait } from '#bus-schemas';
import { keepRunning, startRestartable } from '../../keep-running.ts';
import { thisMachine } from '../../machine.ts';
import type { RunnerLog } from '../runner-log.ts';
import { ModelQuery, type ServedModel, type StatedByOwner } from './served-models.ts';
import { UpstreamClient } from './upstream-client.ts';
import { UpstreamEngine } from './upstream-engine.ts';
import { UpstreamError } from './upstream-error.ts';

export interface UpstreamOptions {
  /** URL of the API of a model server, for example `http://127.0.0.1:1234/v1`. */
  readonly upstream: string;
  /** Command line of a shell that runs the server; undefined if it runs already. */
  readonly command: string | undefined;
  /** Whether the owner allows a server on another machine. */
  readonly allowsRemote: boolean;
  readonly key: string | undefined;
  readonly contextTokens: number | undefined;
  readonly traits: readonly Trait[];
}

export interface OpenUpstreamOptions extends UpstreamOptions {
  readonly models: readonly string[];
  readonly maxConcurrency: number;
  readonly log: RunnerLog;
}

/** Time in which a server that is started here must answer; it may load a large model first. */
const START_MS = 10 * 60_000;
const LOOK_MS = 250;

/**
 * Connects to a model server, and starts it first if there is a command. Throws UpstreamError if it
 * does not answer, or offers none of the models.
 */
export async function openUpstreamEngine({
  upstream,
  command,
  allowsRemote,
  key,
  maxConcurrency,
  log,
  ...stated
}: OpenUpstreamOptions): Promise<UpstreamEngine> {
  const url = addressOf(upstream, allowsRemote);
  const client = new UpstreamClient({ url, key });
  const query = new ModelQuery(client, stated);
  await using started = new AsyncDisposableStack();
  const server = started.use(command === undefined ? undefined : await startServer(command, log));
  const models = await modelsOf(query, stated, server?.firstEnd);
  const engine = started.use(
    new UpstreamEngine({ client, query, models, maxConcurrency, machine: thisMachine(), log }),
  );
  log.info({ url: url.origin, models: models.map(({ id }) => id) }, 'a model server is used');
  const running = started.move();
  return Object.assign(engine, { [Symbol.asyncDispose]: () => running.disposeAsync() });
}

/**
 * Prompts are sent in clear text, and the network trusts this machine with them, not another one.
 * So a server on another machine needs the owner's decision.
 */
export function addressOf(upstream: string, allowsRemote: boolean): URL {
  const url = URL.canParse(upstream) ? new URL(upstream) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new UpstreamError('not_local', `${upstream} is not the URL of an HTTP server.`);
  if (!allowsRemote && !isLoopback(url.hostname))
    throw new UpstreamError(
      'not_local',
      `${url.hostname} may be another machine, which would read all prompts. --upstream-remote allows it.`,
    );
  return url;
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

async function modelsOf(
  query: ModelQuery,
  { models: wanted }: Pick<StatedByOwner, 'models'>,
  serverEnd: Promise<string> | undefined,
): Promise<ServedModel[]> {
  let ended: string | undefined;
  void serverEnd?.then((why) => {
    ended = why;
  });
  const giveUpAt = performance.now() + (serverEnd === undefined ? 0 : START_MS);
  for (;;) {
    try {
      const models = await query.models();
      if (models.length > 0) return models;
      throw new UpstreamError(
        'malformed',
        wanted.length === 0
          ? 'The server offers no model that can chat.'
          : `The server offers none of the models ${wanted.join(', ')}.`,
      );
    } catch (error) {
      if (ended !== undefined)
        throw new UpstreamError('unreachable', `The server ended: ${ended}`, { cause: error });
      if (performance.now() >= giveUpAt) throw error;
    }
    await delay(LOOK_MS);
  }
}

/** Runs the server in a shell, and starts it again each time it ends. */
async function startServer(command: string, log: RunnerLog) {
  await using started = new AsyncDisposableStack();
  const child = started.use(
    await startRestartable({
      name: 'the model server',
      command: '/bin/sh',
      // The shell is replaced by the server, so that signals reach it.
      args: ['-c', `echo started; exec ${command}`],
      isReady: (line) => line === 'started',
    }),
  );
  const firstEnd = child.exited.then(() => child.logs().slice(-3).join(' ').slice(0, 500));
  started.use(
    keepRunning({ name: 'the model server', child, log: { error: (line) => log.error({}, line) } }),
  );
  const running = started.move();
  return { firstEnd, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
