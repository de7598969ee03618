import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { expect, vi } from 'vitest';
import { RawLeaf } from '#testcontainers';
import type { TestNetwork } from './test-network.ts';

export interface Heard {
  readonly subject: string;
  readonly text: string;
}

/** Somebody who holds a provider's credentials and means harm. */
export interface Attacker extends Disposable {
  subscribe(subject: string): void;
  publish(subject: string, payload: string | Uint8Array, reply?: string): void;
  /** The hub has taken in what was sent; whom it cut off for that is there again. */
  settle(): Promise<unknown>;
  heard(): readonly Heard[];
}

export const listen = (connection: NatsConnection, subject: string, take: (heard: Heard) => void): void =>
  void connection.subscribe(subject, { callback: (_error, message) => take({ subject: message.subject, text: message.string() }) });

export const arrives = (heard: () => readonly Heard[], text: string, subject: string): Promise<void> =>
  vi.waitFor(() => expect(heard()).toContainEqual({ subject, text }), { timeout: 10_000, interval: 10 });

export const credentialsOf = ({ network }: TestNetwork, index: number): string => join(network.home, `fleet/provider-${index}/leaf.creds`);

/** The hub lets the last connection of a credential go a moment after it has ended. */
export const rawLeaf = (network: TestNetwork, index: number): Promise<RawLeaf> =>
  vi.waitFor(
    async () => {
      const leaf = await RawLeaf.connect({ url: network.hub.leafUrl, credentialsFile: credentialsOf(network, index) });
      expect(leaf.isOpen).toBe(true);
      return leaf;
    },
    { timeout: 5_000, interval: 20 },
  );

/** On the fleet's own leaf, a nats-server that keeps to what the hub tells it. */
export async function honest(network: TestNetwork, index: number): Promise<Attacker> {
  const connection = network.providers[index]?.connection as NatsConnection;
  const heard: Heard[] = [];
  return {
    subscribe: (subject) => listen(connection, subject, (each) => heard.push(each)),
    publish: (subject, payload, reply) => connection.publish(subject, payload, reply === undefined ? {} : { reply }),
    settle: () => connection.flush(),
    heard: () => heard,
    [Symbol.dispose]: () => undefined,
  };
}

/** On a leaf that ignores every permission, and comes back whenever it is cut off. The fleet's own makes way for it. */
export async function hostile(network: TestNetwork, index: number): Promise<Attacker> {
  await network.providers[index]?.kill();
  let raw = await rawLeaf(network, index);
  const heard: Heard[] = [];
  const keep = () => heard.push(...raw.received.splice(0).map(({ subject, payload }) => ({ subject, text: payload.toString() })));
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
