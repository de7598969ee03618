import type { NatsConnection } from '@nats-io/nats-core';
import { Receipts } from '#bus-schemas';
import type { Engine, Sink } from '#provider';
import { withFrames } from './sent-frames.ts';

/**
 * Wraps a connection and removes the signature from every receipt. A provider that does this can
 * later deny the work that it was paid for.
 */
export function withoutSignatures(connection: NatsConnection): NatsConnection {
  return new Proxy(connection, {
    get(target, property) {
      if (property === 'publish')
        return (subject: string, payload: Uint8Array) =>
          target.publish(subject, unsigned(subject, payload));
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function unsigned(subject: string, payload: Uint8Array): Uint8Array {
  if (subject === 'up.receipt') {
    return Receipts.encode({
      receipts: Receipts.decode(payload).receipts.map(
        ({ signature: _, signingKey: __, ...work }) => work,
      ),
    });
  }
  return withFrames(subject, payload, (frame) => {
    if (frame.receipt === undefined) return frame;
    const { signature: _, signingKey: __, ...receipt } = frame.receipt;
    return { ...frame, receipt };
  });
}

/**
 * Wraps an engine: it answers `Yes.` and reports that this took all of the request's `maxTokens`. A
 * provider that does this wants to be paid for tokens that it did not generate.
 */
export function overcounting<T extends Engine>(engine: T): T {
  const generate: Engine['generate'] = (request, sink) => {
    const completionTokens = request.maxTokens;
    const silent: Sink = {
      ...sink,
      delta: () => undefined,
      end: (_, usage) => {
        sink.delta({ k: 'text', text: 'Yes.', tokens: completionTokens });
        sink.end('stop', { ...usage, completionTokens });
      },
    };
    return engine.generate({ ...request, maxTokens: 1 }, silent);
  };
  return withGenerate(engine, generate);
}

/** The same engine, which bills three tokens for each that it made. */
export function tripling<T extends Engine>(engine: T): T {
  const generate: Engine['generate'] = (request, sink) => {
    const billing: Sink = {
      ...sink,
      delta: (delta) => sink.delta({ ...delta, tokens: delta.tokens * 3 }),
      end: (finish, usage, ...rest) =>
        sink.end(finish, { ...usage, completionTokens: usage.completionTokens * 3 }, ...rest),
    };
    return engine.generate({ ...request, maxTokens: Math.ceil(request.maxTokens / 3) }, billing);
  };
  return withGenerate(engine, generate);
}

function withGenerate<T extends Engine>(engine: T, generate: Engine['generate']): T {
  return new Proxy(engine, {
    get(target, property) {
      if (property === 'generate') return generate;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
