import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { expect, vi } from 'vitest';
import { RawLeaf } from '#testcontainers';
import type { TestNetwork } from './test-network.ts';

export interface Heard {
  readonly subject: string;
  readonly text: string;
}

/** An attacker who holds the credentials of a provider. */
export interface Attacker extends Disposable {
  subscribe(subject: string): void;
  publish(subject: string, payload: string | Uint8Array, reply?: string): void;
  /** Resolves when the hub has processed everything sent, and a closed connection is open again. */
  settle(): Promise<unknown>;
  heard(): readonly Heard[];
}

export const listen = (
  connection: NatsConnection,
  subject: string,
  take: (heard: Heard) => void,
): void =>
  void connection.subscribe(subject, {
    callback: (_error, message) => take({ subject: message.subject, text: message.string() }),
  });

export const arrives = (
  heard: () => readonly Heard[],
  text: string,
  subject: string,
): Promise<void> =>
  vi.waitFor(() => expect(heard()).toContainEqual({ subject, text }), {
    timeout: 10_000,
    interval: 10,
  });

export const credentialsOf = ({ network }: TestNetwork, index: number): string =>
  join(network.home, `fleet/provider-${index}/leaf.creds`);

/**
 * Connects a raw leaf node. It retries, because the hub releases the previous connection of the
 * same credentials only a moment after it has ended.
 */
export const rawLeaf = (network: TestNetwork, index: number): Promise<RawLeaf> =>
  vi.waitFor(
    async () => {
      const leaf = await RawLeaf.connect({
        url: network.hub.leafUrl,
        credentialsFile: credentialsOf(network, index),
      });
      expect(leaf.isOpen).toBe(true);
      return leaf;
    },
    { timeout: 5_000, interval: 20 },
  );

/** An attacker behind the fleet's own leaf node, a nats-server that obeys the hub's permissions. */
export async function honest(network: TestNetwork, index: number): Promise<Attacker> {
  const connection = network.providers[index]?.connection as NatsConnection;
  const heard: Heard[] = [];
  return {
    subscribe: (subject) => listen(connection, subject, (each) => heard.push(each)),
    publish: (subject, payload, reply) =>
      connection.publish(subject, payload, reply === undefined ? {} : { reply }),
    settle: () => connection.flush(),
    heard: () => heard,
    [Symbol.dispose]: () => undefined,
  };
}

/**
 * An attacker with a leaf node of their own, which ignores every permission and reconnects whenever
 * the hub closes its connection. The fleet's own leaf node is killed first, because the hub accepts
 * only one.
 */
export async function hostile(network: TestNetwork, index: number): Promise<Attacker> {
  await network.providers[index]?.kill();
  let raw = await rawLeaf(network, index);
  const heard: Heard[] = [];
  const keep = () =>
    heard.push(
      ...raw.received
        .splice(0)
        .map(({ subject, payload }) => ({ subject, text: payload.toString() })),
    );
  return {
    subscribe: (subject) => raw.subscribe(subject),
    publish: (subject, payload, reply) => raw.publish(subject, payload, reply),
    settle: async () => {
      await raw.flush();
      keep();
      if (raw.isOpen) return;
      raw = await rawLeaf(network, index);
      raw.subscribe('down.>');
      await raw.flush();
    },
    heard: () => {
      keep();
      return heard;
    },
    [Symbol.dispose]: () => raw[Symbol.dispose](),
  };
}
