import type { NatsConnection } from '@nats-io/nats-core';
import { withFrames } from './sent-frames.ts';

/** Wraps a connection and flips one bit in every frame, as a broken or hostile provider would. */
export function corruptFrames(connection: NatsConnection): NatsConnection {
  return new Proxy(connection, {
    get(target, property) {
      if (property === 'publish')
        return (subject: string, payload: Uint8Array) =>
          target.publish(subject, corrupted(subject, payload));
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The message with one bit of each of its frames flipped. */
export const corrupted = (subject: string, payload: Uint8Array): Uint8Array =>
  withFrames(subject, payload, (frame) => {
    const sealed = frame.sealed.slice();
    sealed[0] = (sealed[0] ?? 0) ^ 1;
    return { ...frame, sealed };
  });
