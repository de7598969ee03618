import type { NatsConnection } from '@nats-io/nats-core';
import { type Hub, MAX_HUBS } from '#bus-schemas';

const ASK_ALL = '$SYS.REQ.SERVER.PING.VARZ';
/** Hubs answer within some milliseconds; one that is silent for this long is not shown. */
const WAIT_MS = 700;

interface Varz {
  readonly server?: { readonly name?: string; readonly ver?: string };
  readonly data?: {
    readonly start?: string;
    readonly connections?: number;
    readonly leafnodes?: number;
    readonly slow_consumers?: number;
    readonly mem?: number;
  };
}

/** Asks all hubs what they report about themselves, and returns those that answered. */
export async function askHubs(system: NatsConnection): Promise<Hub[]> {
  const answers = await system.requestMany(ASK_ALL, '', { strategy: 'timer', maxWait: WAIT_MS });
  const hubs: Hub[] = [];
  for await (const answer of answers) if (hubs.length < MAX_HUBS) hubs.push(hubOf(answer.json()));
  return hubs.toSorted((one, other) => one.name.localeCompare(other.name));
}

const hubOf = ({ server = {}, data = {} }: Varz): Hub => ({
  name: (server.name ?? '').slice(0, 128),
  version: (server.ver ?? '').slice(0, 32),
  startedAt: Math.max(0, Date.parse(data.start ?? '') || 0),
  connections: data.connections ?? 0,
  leaves: data.leafnodes ?? 0,
  slowConsumers: data.slow_consumers ?? 0,
  memoryBytes: data.mem ?? 0,
});
