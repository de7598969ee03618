import type { FastifyInstance } from 'fastify';
import { services } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { type Bus, BusError } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { refusalError, settlementRefusals } from '#http-api/refusals.ts';

const MAX_BYTES = 256 * 1024;
const CALL = { timeoutMs: 10_000 };

/**
 * Stripe's webhook. The body is forwarded byte for byte, because Stripe's signature covers the
 * bytes. Stripe sends an event again after any status but 2xx.
 */
export function addStripeRoute(server: FastifyInstance, bus: Bus): void {
  server.post(
    '/v1/webhooks/stripe',
    {
      bodyLimit: MAX_BYTES,
      schema: {
        summary: "Webhook for Stripe's payment events",
        tags: ['Money'],
        description: 'Signed by Stripe; the signature covers the exact bytes of the body.',
        headers: Type.Object({ 'stripe-signature': Type.String({ minLength: 1 }) }),
        body: Type.Object({}, { description: 'An event of Stripe.' }),
        response: { 200: Type.Object({ received: Type.Literal(true), result: Type.String() }) },
        'x-example': {
          headers: { 'Content-Type': 'application/json', 'Stripe-Signature': '$SIGNATURE' },
          file: 'event.json',
        },
      },
    },
    async (request) => {
      const signature = request.headers['stripe-signature'];
      if (
        typeof signature !== 'string' ||
        !(request.body instanceof Buffer) ||
        request.body.length === 0
      )
        throw new ApiError('invalid_request');
      const answer = await deliver(bus, {
        body: request.body,
        signature: signature.slice(0, 2_048),
      });
      if (answer.ok) return { received: true, result: answer.result };
      throw refusalError(settlementRefusals.webhook[answer.code]);
    },
  );
}

async function deliver(bus: Bus, request: { body: Uint8Array; signature: string }) {
  try {
    return await bus.call(services.settlement.webhook, request, CALL);
  } catch (cause) {
    if (cause instanceof BusError) throw new ApiError('service_unavailable', undefined, { cause });
    throw cause;
  }
}
