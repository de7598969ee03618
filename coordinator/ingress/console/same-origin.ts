import type { FastifyRequest } from 'fastify';
import { ApiError } from '#http-api/errors.ts';

/**
 * Protects requests that a browser authenticates by itself, with a cookie, from pages of other sites
 * (cross-site request forgery). A page of another site cannot set the header `x-dinf-console`
 * without the permission of this server, which never gives it to requests with cookies, and it
 * cannot choose `Origin` and `Sec-Fetch-Site`.
 */

const CONSOLE_HEADER = 'x-dinf-console';
const SAFE_METHODS = new Set(['GET', 'HEAD']);

const hasConsoleHeader = ({ headers }: FastifyRequest): boolean => headers[CONSOLE_HEADER] === '1';

/** Throws unless a page of the console sent the request. */
export function checkConsolePage(request: FastifyRequest): void {
  if (!hasConsoleHeader(request))
    throw new ApiError(
      'forbidden',
      `A request with the cookie of the console needs the header "${CONSOLE_HEADER}: 1". Other programs send an API key or a sign-in token instead.`,
    );
  checkSameOrigin(request);
}

/**
 * Throws if a page of another origin sent the request. Every browser states the origin of a request
 * that changes something; some old ones state none for a request that only reads.
 */
function checkSameOrigin({ headers, method, protocol, host }: FastifyRequest): void {
  const { origin, 'sec-fetch-site': site } = headers;
  const isStated = origin !== undefined || site !== undefined;
  const isOwn =
    (origin === undefined || origin.toLowerCase() === `${protocol}://${host}`.toLowerCase()) &&
    (site === undefined || site === 'same-origin');
  if (isOwn && (isStated || SAFE_METHODS.has(method))) return;
  throw new ApiError(
    'forbidden',
    'Only the pages of this network may send its cookie. If they are behind a proxy, it must pass on the Host header, and its address must be in DINF_TRUSTED_PROXIES.',
  );
}
