import { setTimeout as delay } from 'node:timers/promises';
import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { TimeoutError } from '@nats-io/nats-core';
import {
  consumers,
  DUPLICATE_WINDOW_MS,
  type DurableConsumer,
  type EventStream,
  eventStreams,
  retiredConsumers,
} from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { Bus } from './bus.ts';
import type { StreamReplicas } from './stream-replicas.ts';

const NANOSECONDS = 1_000_000;
const HOUR_MS = 3_600_000;
/**
 * Time after which the hub delivers a fact again, because the process that read it was killed, in
 * milliseconds.
 */
const ACK_WAIT_MS = 10_000;
const MAX_ACK_PENDING = 8_192;
/** Time that a hub has to start JetStream, in milliseconds. */
const READY_MS = 10_000;
const RETRY_MS = 100;
/** Codes of JetStream: the cluster has no leader yet; the account has no JetStream yet. */
const STARTING = new Set([10_008, 10_039]);

const ONE_REPLICA: StreamReplicas = { count: 1, mayLower: false };

/**
 * Creates or updates the streams and durable consumers that `bus-schemas/streams.ts` defines. It
 * may be repeated. Streams get more replicas in place; consumers have as many as their stream.
 */
export async function ensureStreams(
  bus: Bus,
  replicas: StreamReplicas = ONE_REPLICA,
): Promise<void> {
  const manager = await onceStarted(() => bus.manager());
  for (const stream of eventStreams)
    await onceStarted(() => ensureStream(manager, stream, replicas)).catch((cause: unknown) => {
      if (isNoRoom(cause)) throw new StreamStorageError(stream, cause);
      throw isTooFewHubs(cause) ? new StreamReplicasError(stream, replicas.count, cause) : cause;
    });
  for (const consumer of Object.values(consumers))
    await onceStarted(() => ensureConsumer(manager, consumer));
  for (const { stream, name } of retiredConsumers)
    if ((await infoOrUndefined(manager.consumers.info(stream, name))) !== undefined)
      await manager.consumers.delete(stream, name);
}

/** Repeats the work while hubs that have just started refuse it. */
async function onceStarted<Result>(work: () => Promise<Result>): Promise<Result> {
  for (const deadline = performance.now() + READY_MS; ; ) {
    try {
      return await work();
    } catch (error) {
      if (!isStarting(error) || performance.now() > deadline) throw error;
      await delay(RETRY_MS);
    }
  }
}

/**
 * The hub has too little storage for a stream. JetStream reserves the maximum size of a stream when
 * it is created.
 */
export class StreamStorageError extends CodedError<'no_stream_storage'> {
  override readonly fault = 'dependency';

  constructor({ name, maxBytes }: EventStream, cause: unknown) {
    const all = eventStreams.reduce((sum, stream) => sum + stream.maxBytes, 0);
    super(
      'no_stream_storage',
      `JetStream has no room for the stream ${name}, which needs ${gigabytes(maxBytes)}; all streams together need ${gigabytes(all)}`,
      { cause },
    );
  }
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

/** The cluster has fewer hubs than the stream is to have replicas, or some of them are away. */
class StreamReplicasError extends CodedError<'too_few_hubs'> {
  override readonly fault = 'dependency';

  constructor({ name }: EventStream, count: number, cause: unknown) {
    super(
      'too_few_hubs',
      `JetStream cannot keep ${count} replicas of the stream ${name}: ${messageOf(cause)}. Each replica needs a hub of its own that runs.`,
      { cause },
    );
  }
}

const NO_STORAGE = 10_047;
const NO_PLACE = 10_005;
const NO_CLUSTER = 10_074;
/** In a cluster the reason is only in the text. */
const isNoRoom = (error: unknown) =>
  error instanceof JetStreamApiError &&
  (error.code === NO_STORAGE ||
    (error.code === NO_PLACE && error.message.includes('insufficient storage')));
/**
 * A hub that has just started may answer late. The last condition: the leader of a cluster counts a hub as
 * offline until it has received the first statistics of that hub.
 */
const isStarting = (error: unknown) =>
  error instanceof TimeoutError ||
  (error instanceof JetStreamApiError &&
    (STARTING.has(error.code) ||
      (error.code === NO_PLACE && error.message.includes('peer offline'))));
const isTooFewHubs = (error: unknown) =>
  error instanceof JetStreamApiError && (error.code === NO_PLACE || error.code === NO_CLUSTER);

async function ensureStream(
  manager: JetStreamManager,
  { name, subjects, maxAgeHours, maxBytes }: EventStream,
  { count, mayLower }: StreamReplicas,
): Promise<void> {
  const known = await infoOrUndefined(manager.streams.info(name));
  const config = {
    name,
    subjects: [...subjects],
    max_age: maxAgeHours * HOUR_MS * NANOSECONDS,
    max_bytes: maxBytes,
    duplicate_window: DUPLICATE_WINDOW_MS * NANOSECONDS,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    num_replicas: mayLower ? count : Math.max(count, known?.config.num_replicas ?? 1),
  };
  if (known === undefined) await manager.streams.add(config);
  else await manager.streams.update(name, config);
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
  if ((await infoOrUndefined(manager.consumers.info(stream, name))) !== undefined)
    await manager.consumers.update(stream, name, config);
  else
    await manager.consumers.add(stream, {
      ...config,
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
    });
}

/** The result of a lookup; undefined if the stream or consumer does not exist. */
async function infoOrUndefined<Info>(lookup: Promise<Info>): Promise<Info | undefined> {
  try {
    return await lookup;
  } catch (error) {
    if (error instanceof Error && /not found/.test(error.message)) return undefined;
    throw error;
  }
}
