import type { NatsConnection } from '@nats-io/nats-core';
import type { Registry } from 'prom-client';
import { measured } from '#observability';
import type { Bus } from './bus.ts';

/**
 * Measures the connection to the hub, and the facts that JetStream has not stored yet: an operator
 * notices a full disk before facts are lost.
 */
export function measureBus(bus: Bus, metrics: Registry): void {
  const { connection } = bus;
  const link = { connected: true, reconnects: 0 };
  void watch(connection, link);
  measured(metrics, 'dinf_bus_connected', () => (link.connected ? 1 : 0));
  measured(metrics, 'dinf_bus_reconnects_total', () => link.reconnects);
  measured(metrics, 'dinf_bus_messages_total', () => {
    const { inMsgs, outMsgs } = connection.stats();
    return inAndOut(inMsgs, outMsgs);
  });
  measured(metrics, 'dinf_bus_bytes_total', () => {
    const { inBytes, outBytes } = connection.stats();
    return inAndOut(inBytes, outBytes);
  });
  measured(metrics, 'dinf_facts_waiting', () => bus.waitingEvents);
  measured(metrics, 'dinf_facts_dropped_total', () => bus.droppedEvents);
  measured(metrics, 'dinf_streams_failing', () => bus.failingStreams().length);
}

const inAndOut = (received: number, sent: number) => [
  { labels: { direction: 'in' }, value: received },
  { labels: { direction: 'out' }, value: sent },
];

async function watch(
  connection: NatsConnection,
  link: { connected: boolean; reconnects: number },
): Promise<void> {
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') link.connected = false;
    if (type !== 'reconnect') continue;
    link.connected = true;
    link.reconnects += 1;
  }
}
