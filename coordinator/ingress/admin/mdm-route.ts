import type { FastifyInstance, FastifyRequest } from 'fastify';
import { services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { ApiError } from '#http-api/errors.ts';
import { refusalError, trustRefusals } from '#http-api/refusals.ts';
import { answerOf } from '../call-until.ts';

const MAX_BYTES = 256 * 1024;
const MAX_SECRET = 256;
const CALL = { eachMs: 5_000, totalMs: 10_000 };

/**
 * The webhook of the MDM server. It authenticates with a secret of its own instead of an operator
 * key; only trust has that secret. It receives the answers of all machines to MDM commands.
 */
export function addMdmRoute(server: FastifyInstance, bus: Bus): void {
  server.post(
    '/admin/mdm/webhook',
    { bodyLimit: MAX_BYTES, schema: { hide: true } },
    async (request) => {
      const secret = secretOf(request);
      if (secret === undefined || secret.length > MAX_SECRET)
        throw new ApiError('invalid_api_key', 'The secret of the webhook is missing.');
      if (!(request.body instanceof Buffer) || request.body.length === 0)
        throw new ApiError('invalid_request');
      const answer = await answerOf(
        bus,
        services.trust.mdmEvent,
        { body: request.body, secret },
        CALL,
      );
      if (answer.ok) return { received: true };
      throw refusalError(trustRefusals.mdmEvent[answer.code]);
    },
  );
}

/**
 * The secret of the webhook. MicroMDM takes it from the password in the webhook's URL and sends it
 * as basic auth, as Go programs do. Where a proxy removes that header, `?secret=` has it.
 */
function secretOf({ headers: { authorization = '' }, query }: FastifyRequest): string | undefined {
  const [, basic] = /^Basic ([A-Za-z0-9+/=]{1,1024})$/.exec(authorization) ?? [];
  if (basic !== undefined)
    return /^[^:]*:(.+)$/s.exec(Buffer.from(basic, 'base64').toString('utf8'))?.[1];
  const { secret } = query as { secret?: unknown };
  return typeof secret === 'string' && secret !== '' ? secret : undefined;
}
