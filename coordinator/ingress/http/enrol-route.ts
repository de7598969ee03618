import type { FastifyInstance } from 'fastify';
import { CodecError, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { callUntil } from '../call-until.ts';
import { parseJson } from '../core/json.ts';
import { ApiError } from '../errors.ts';

/** Turns a provider's one-time token into the credentials of its leaf node. */
export function addEnrolRoute(server: FastifyInstance, bus: Bus): void {
  server.post('/v1/providers/enrol', { bodyLimit: 16_384 }, async (request) => {
    const { token, user_key: userKey, name } = parseJson(request.body);
    if (typeof token !== 'string' || typeof userKey !== 'string') throw new ApiError('invalid_request', 'token and user_key are required.');
    const answer = await enrol(bus, { token, userKey, name: typeof name === 'string' ? name.slice(0, 120) : '' });
    if (!answer.ok) throw new ApiError('invalid_enrolment');
    return { provider: answer.provider, user_jwt: answer.userJwt, leaf_urls: answer.leafUrls };
  });
}

async function enrol(bus: Bus, request: { token: string; userKey: string; name: string }) {
  try {
    const encoded = services.trust.enrol.request;
    encoded.decode(encoded.encode(request));
  } catch (error) {
    if (error instanceof CodecError) throw new ApiError('invalid_request', 'token or user_key is not well formed.');
    throw error;
  }
  const answer = await callUntil(bus, services.trust.enrol, request, { eachMs: 5_000, totalMs: 10_000 });
  if (answer === undefined) throw new ApiError('service_unavailable');
  return answer;
}
