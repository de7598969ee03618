import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import { connectToServer, leafConfig } from '#bus-schemas';
import type { Enrolment } from '../identity.ts';
import { startAgain } from '../start-again.ts';
import { type NatsServer, startNatsServer } from './nats-server.ts';

export interface LeafOptions {
  readonly binary: string;
  readonly home: string;
  /** One provider, or a fleet that shares this leaf. */
  readonly enrolments: readonly Enrolment[];
  readonly log: Logger;
}

/** This machine's own NATS server: the only thing that speaks to the hub. */
export interface Leaf extends AsyncDisposable {
  readonly server: NatsServer;
  /** Into the account of one enrolment. */
  connect(enrolment: Enrolment): Promise<NatsConnection>;
  /** SIGKILL, and it stays down. */
  kill(): Promise<void>;
}

const RECONNECT_MS = 100;
const RESTART_PAUSES_MS = [100, 500, 2_000, 10_000] as const;
const PASSWORD_BYTES = 24;

export async function startLeaf({ binary, home, enrolments, log }: LeafOptions): Promise<Leaf> {
  const remotes = enrolments.map(({ provider, credentialsFile }) => ({
    user: provider,
    password: randomBytes(PASSWORD_BYTES).toString('base64url'),
    credentialsFile,
  }));
  const hubs = [...new Set(enrolments.flatMap(({ leafUrls }) => leafUrls))];
  const server = await startNatsServer({ binary, home, name: 'leaf', config: (place) => leafConfig(place, { hubs, remotes }) });
  let stopped = false;
  void keepRunning(server, () => stopped, log);
  return {
    server,
    connect: ({ provider }) => {
      const remote = remotes.find(({ user }) => user === provider);
      return connectToServer({
        servers: server.clientUrl,
        ...(remote && { user: remote.user, pass: remote.password }),
        name: 'agent',
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_MS,
        reconnectJitter: RECONNECT_MS,
      });
    },
    kill: async () => {
      stopped = true;
      await server.kill();
    },
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      await server.stop();
    },
  };
}

/** A leaf that dies is started again in its place: the agents reconnect by themselves. */
async function keepRunning(server: NatsServer, isStopped: () => boolean, log: Logger): Promise<void> {
  for (let deaths = 0; ; deaths += 1) {
    const exit = await server.exited;
    if (isStopped()) return;
    log.warn(exit, 'the leaf node ended; starting it again');
    await delay(RESTART_PAUSES_MS[Math.min(deaths, RESTART_PAUSES_MS.length - 1)]);
    if (isStopped()) return;
    await startAgain(() => server.restart());
  }
}
