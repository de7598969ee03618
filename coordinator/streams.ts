import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import {
  consumers,
  DUPLICATE_WINDOW_MS,
  type DurableConsumer,
  type EventStream,
  eventStreams,
  retiredConsumers,
} from '#bus-schemas';
import type { Bus } from './bus.ts';

const NANOSECONDS = 1_000_000;
const HOUR_MS = 3_600_000;
/**
 * Time after which the hub delivers a fact again, because the process that read it was killed, in
 * milliseconds.
 */
const ACK_WAIT_MS = 10_000;
const MAX_ACK_PENDING = 8_192;

/**
 * Creates or updates the streams and durable consumers that `bus-schemas/streams.ts` defines. It
 * may be repeated.
 */
export async function ensureStreams(bus: Bus): Promise<void> {
  const manager = await bus.manager();
  for (const stream of eventStreams)
    await ensureStream(manager, stream).catch((cause: unknown) => {
      throw isNoRoom(cause) ? new StreamStorageError(stream, cause) : cause;
    });
  for (const consumer of Object.values(consumers)) await ensureConsumer(manager, consumer);
  for (const { stream, name } of retiredConsumers)
    if (await exists(manager.consumers.info(stream, name)))
      await manager.consumers.delete(stream, name);
}

/**
 * The hub has too little storage for a stream. JetStream reserves the maximum size of a stream when
 * it is created.
 */
export class StreamStorageError extends Error {
  override readonly name = 'StreamStorageError';
  readonly code = 'no_stream_storage';

  constructor({ name, maxBytes }: EventStream, cause: unknown) {
    const all = eventStreams.reduce((sum, stream) => sum + stream.maxBytes, 0);
    super(
      `JetStream has no room for the stream ${name}, which needs ${gigabytes(maxBytes)}; all streams together need ${gigabytes(all)}`,
      { cause },
    );
  }
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

const NO_STORAGE = 10_047;
const isNoRoom = (error: unknown) =>
  error instanceof JetStreamApiError && error.code === NO_STORAGE;

async function ensureStream(
  manager: JetStreamManager,
  { name, subjects, maxAgeHours, maxBytes }: EventStream,
): Promise<void> {
  const config = {
    name,
    subjects: [...subjects],
    max_age: maxAgeHours * HOUR_MS * NANOSECONDS,
    max_bytes: maxBytes,
    duplicate_window: DUPLICATE_WINDOW_MS * NANOSECONDS,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
  };
  if (await exists(manager.streams.info(name))) await manager.streams.update(name, config);
  else await manager.streams.add(config);
}

async function ensureConsumer(
  manager: JetStreamManager,
  { stream, name, filter }: DurableConsumer,
): Promise<void> {
  const config = {
    ack_wait: ACK_WAIT_MS * NANOSECONDS,
    max_ack_pending: MAX_ACK_PENDING,
    filter_subject: filter,
  };
  if (await exists(manager.consumers.info(stream, name)))
    await manager.consumers.update(stream, name, config);
  else
    await manager.consumers.add(stream, {
      ...config,
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
    });
}

async function exists(lookup: Promise<unknown>): Promise<boolean> {
  try {
    await lookup;
    return true;
  } catch (error) {
    if (error instanceof Error && /not found/.test(error.message)) return false;
    throw error;
  }
}
