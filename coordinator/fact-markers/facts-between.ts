import { AckPolicy, DeliverPolicy, type JsMsg } from '@nats-io/jetstream';
import type { DurableConsumer } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';

const BATCH = 256;
/** Time that JetStream has for a batch, in milliseconds. */
const FETCH_MS = 5_000;
/** The hub removes the reader of a process that was killed after this time, in nanoseconds. */
const UNUSED_NS = 60 * 1_000_000_000;

/**
 * Reads the facts of a consumer's filter after `from`, up to and with `until`, in batches. It uses
 * a consumer of its own, so the position of the durable one does not change and other processes go
 * on with their deliveries. That consumer is in memory, because the disk of the hub may be full.
 */
export async function* factsBetween(
  bus: Bus,
  { stream, filter }: DurableConsumer,
  { from, until }: { readonly from: number; readonly until: number },
): AsyncGenerator<readonly JsMsg[]> {
  if (from >= until) return;
  const manager = await bus.manager();
  const { name, num_pending: pending } = await manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: from + 1,
    filter_subject: filter,
    inactive_threshold: UNUSED_NS,
    mem_storage: true,
    num_replicas: 1,
  });
  try {
    const reader = await bus.jetstream.consumers.get(stream, name);
    for (let left = pending; left > 0; ) {
      const batch: JsMsg[] = [];
      const messages = await reader.fetch({
        max_messages: Math.min(BATCH, left),
        expires: FETCH_MS,
      });
      for await (const message of messages) batch.push(message);
      const last = batch.at(-1);
      if (last === undefined)
        throw new Error(`the stream ${stream} delivered none of ${left} facts within 5 seconds`);
      left = last.seq >= until ? 0 : last.info.pending;
      yield batch.filter(({ seq }) => seq <= until);
    }
  } finally {
    // A reader that cannot be removed now is removed by the hub after a minute.
    await manager.consumers.delete(stream, name).catch(() => undefined);
  }
}
