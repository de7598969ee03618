import type { ServerResponse } from 'node:http';
import type { FastifyRequest } from 'fastify';

/**
 * Lets pages of any site call the routes that take an API key, as OpenAI's clients for browsers
 * need it. A page can send only a key that it has itself: no answer to a request with a cookie has
 * these headers, and `Access-Control-Allow-Credentials` is never sent.
 */

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether pages of other sites may call the route. */
    isForBrowsers?: boolean;
  }
}

/** Time for which a browser may reuse the permission, in seconds. */
const PERMISSION_SECONDS = 7_200;
const HEADER_NAMES = /^[a-z0-9-]+(?:\s*,\s*[a-z0-9-]+)*$/i;
const MAX_HEADER_NAMES = 2_048;

/** Lets a page read the response. */
export function allowReading(response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', '*');
}

/** Answers the question of a browser whether a page may send its request. */
export function allowPreflight(
  { headers }: FastifyRequest,
  response: ServerResponse,
  methods: readonly string[],
): void {
  allowReading(response);
  response.setHeader('access-control-allow-methods', methods.join(', '));
  response.setHeader('access-control-max-age', String(PERMISSION_SECONDS));
  const wanted = headers['access-control-request-headers'] ?? '';
  // The wildcard `*` would not cover `Authorization`, so the names are repeated.
  if (wanted.length <= MAX_HEADER_NAMES && HEADER_NAMES.test(wanted))
    response.setHeader('access-control-allow-headers', wanted);
}
