import type { Registry } from 'prom-client';
import { consumers, eventStreams } from '#bus-schemas';
import { measured } from '#observability';
import type { Bus } from './bus.ts';
import { LoadingCache } from './loading-cache.ts';

/** The figures of one scrape come from one request for each stream and consumer. */
const SHARED_MS = 1_000;

/** Measures the streams, and how far their durable consumers are behind. */
export function measureStreams(bus: Bus, metrics: Registry): void {
  const manager = bus.manager();
  // Nothing waits for the manager before the first scrape.
  manager.catch(() => undefined);
  const shared = <Value>(load: () => Promise<Value>) => {
    const cache = new LoadingCache<Value>({
      load,
      ttlMs: SHARED_MS,
      maximum: 1,
      now: () => performance.now(),
    });
    return () => cache.get('');
  };
  const streams = shared(() =>
    Promise.all(
      eventStreams.map(async ({ name }) => {
        const { config, state } = await (await manager).streams.info(name);
        return { labels: { stream: name }, config, state };
      }),
    ),
  );
  const readers = shared(() =>
    Promise.all(
      Object.values(consumers).map(async ({ stream, name }) => ({
        labels: { stream, consumer: name },
        info: await (await manager).consumers.info(stream, name),
      })),
    ),
  );
  const ofStreams = (
    name: 'dinf_stream_messages' | 'dinf_stream_bytes' | 'dinf_stream_max_bytes',
    pick: (stream: Awaited<ReturnType<typeof streams>>[number]) => number,
  ) =>
    measured(metrics, name, async () =>
      (await streams()).map((stream) => ({ labels: stream.labels, value: pick(stream) })),
    );
  const ofConsumers = (
    name: 'dinf_consumer_waiting' | 'dinf_consumer_unacknowledged' | 'dinf_consumer_redelivered',
    pick: (info: Awaited<ReturnType<typeof readers>>[number]['info']) => number,
  ) =>
    measured(metrics, name, async () =>
      (await readers()).map(({ labels, info }) => ({ labels, value: pick(info) })),
    );
  ofStreams('dinf_stream_messages', ({ state }) => state.messages);
  ofStreams('dinf_stream_bytes', ({ state }) => state.bytes);
  ofStreams('dinf_stream_max_bytes', ({ config }) => config.max_bytes);
  ofConsumers('dinf_consumer_waiting', (info) => info.num_pending);
  ofConsumers('dinf_consumer_unacknowledged', (info) => info.num_ack_pending);
  ofConsumers('dinf_consumer_redelivered', (info) => info.num_redelivered);
}
