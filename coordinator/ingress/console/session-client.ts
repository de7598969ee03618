import type { FastifyRequest } from 'fastify';

const MAX_USER_AGENT = 256;

/** By these a person recognises the session in their list. */
export function sessionClientOf({ headers, ip }: FastifyRequest): {
  userAgent: string;
  address: string;
} {
  return { userAgent: (headers['user-agent'] ?? '').slice(0, MAX_USER_AGENT), address: ip };
}
