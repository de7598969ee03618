import type { NatsConnection } from '@nats-io/nats-core';
import { PROOF_BYTES, Receipts } from '#bus-schemas';
import type { Engine, Sink } from '#provider';
import { corrupted } from '#simulator/corrupt-frames.ts';
import { framesIn } from '#simulator/sent-frames.ts';
import type { Host } from './virtual/host.ts';

/** What a machine does that wants money for nothing, or harm. */
export type Trick = (typeof TRICKS)[number];

export const TRICKS = [
  /** Accepts jobs and sends nothing. */
  'never_answers',
  /** Sends the beginning of each answer and then nothing. */
  'stops_midway',
  /** Bills three tokens for each that it made. */
  'pads_bills',
  /** Claims, with an invented proof, that clients have received thousands of tokens. */
  'forges_proofs',
  /** Changes a bit of each frame. */
  'spoils_frames',
  /** Sends each frame twice, and the one before it once more. */
  'repeats_frames',
] as const;

/** Tokens of an answer that a machine sends before it stops midway. */
const MIDWAY_TOKENS = 5;
const CLAIMED_TOKENS = 10_000;

/** The engine of a machine that plays the tricks of its host. */
export function trickyEngine<T extends Engine>(engine: T, host: Host, onRun: () => void): T {
  const generate: Engine['generate'] = (request, sink) => {
    onRun();
    return engine.generate(request, tricky(sink, host));
  };
  return new Proxy(engine, {
    get(target, property) {
      if (property === 'generate') return generate;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** An answer that has begun without a trick ends without one. */
function tricky(sink: Sink, { trick }: Host): Sink {
  switch (trick) {
    case 'never_answers':
      return { ...sink, begun: () => undefined, delta: () => undefined, end: () => undefined };
    case 'stops_midway': {
      let tokens = 0;
      return {
        ...sink,
        delta: (delta) => {
          tokens += delta.tokens;
          if (tokens <= MIDWAY_TOKENS) sink.delta(delta);
        },
        end: () => undefined,
      };
    }
    case 'pads_bills':
      return {
        ...sink,
        end: (finish, usage, ...rest) =>
          sink.end(finish, { ...usage, completionTokens: usage.completionTokens * 3 }, ...rest),
      };
    default:
      return sink;
  }
}

/** The connection of a machine that plays the tricks of its host. */
export function trickyConnection(connection: NatsConnection, host: Host): NatsConnection {
  let before: [subject: string, payload: Uint8Array] | undefined;
  const publish = (subject: string, payload: Uint8Array): void => {
    if (host.trick === 'forges_proofs' && subject === 'up.receipt')
      return connection.publish(subject, withForgedProofs(payload));
    if (host.trick === 'spoils_frames')
      return connection.publish(subject, corrupted(subject, payload));
    connection.publish(subject, payload);
    if (host.trick !== 'repeats_frames' || framesIn(subject, payload).length === 0) return;
    connection.publish(subject, payload);
    if (before !== undefined) connection.publish(...before);
    before = [subject, payload];
  };
  return new Proxy(connection, {
    get(target, property) {
      if (property === 'publish') return publish;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const withForgedProofs = (payload: Uint8Array): Uint8Array =>
  Receipts.encode({
    receipts: Receipts.decode(payload).receipts.map(({ delivered, ...receipt }) => ({
      ...receipt,
      delivered: { tokens: CLAIMED_TOKENS, proof: delivered?.proof ?? new Uint8Array(PROOF_BYTES) },
    })),
  });
