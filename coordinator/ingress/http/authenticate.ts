import type { FastifyRequest } from 'fastify';
import { ApiError } from '../errors.ts';
import type { Caller, KeyCache } from '../key-cache.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller?: Caller;
  }
}

/** Runs before the body is read: a stranger cannot make us take in 16 MiB. */
export function authenticateWith(keys: KeyCache): (request: FastifyRequest) => Promise<void> {
  return async (request) => {
    const key = bearerOf(request.headers.authorization) ?? apiKeyOf(request.headers['x-api-key']);
    if (key === undefined) throw new ApiError('missing_key');
    request.caller = keys.known(key) ?? (await keys.caller(key));
  };
}

export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) throw new ApiError('missing_key');
  return request.caller;
}

/** How Anthropic's clients send it. */
function apiKeyOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && header !== '' ? header : undefined;
}

function bearerOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const [scheme, token] = header.split(' ', 2);
  return scheme?.toLowerCase() === 'bearer' && token ? token : undefined;
}
