import { Gauge, type Registry } from 'prom-client';
import type { Bus } from './bus.ts';

/**
 * Measures the facts that JetStream has not stored yet, so that an operator notices a full disk
 * before facts are lost.
 */
export function measureFacts(bus: Bus, metrics: Registry): void {
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [metrics],
      collect() {
        this.set(value());
      },
    });
  gauge('dinf_facts_waiting', 'Facts that no stream has stored yet', () => bus.waitingEvents);
  gauge(
    'dinf_facts_dropped',
    'Facts that were dropped since the start, because too many waited',
    () => bus.droppedEvents,
  );
  gauge(
    'dinf_streams_failing',
    'Streams that store nothing although the hub is connected',
    () => bus.failingStreams().length,
  );
}
