import type { NatsConnection } from '@nats-io/nats-core';
import { Out } from '#bus-schemas';

/** Wraps a connection and flips one bit in every frame, as a broken or hostile provider would. */
export function corruptFrames(connection: NatsConnection): NatsConnection {
  return new Proxy(connection, {
    get(target, property) {
      if (property === 'publish')
        return (subject: string, payload: Uint8Array) =>
          target.publish(subject, subject.startsWith('up.out.') ? corrupted(payload) : payload);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The message with one bit of its frame flipped; other messages are returned as they are. */
export function corrupted(payload: Uint8Array): Uint8Array {
  const out = Out.decode(payload);
  if (out.t !== 'frame') return payload;
  const sealed = out.sealed.slice();
  sealed[0] = (sealed[0] ?? 0) ^ 1;
  return Out.encode({ ...out, sealed });
}
