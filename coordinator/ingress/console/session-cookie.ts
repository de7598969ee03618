import type { FastifyReply, FastifyRequest } from 'fastify';
import { isLoopback } from '#bus-schemas';
import { ApiError } from '#http-api/errors.ts';

/**
 * The cookie of a console session. With TLS its name begins with `__Host-`: the browser then accepts
 * it only from this very host, so that no other subdomain can replace it. Without TLS it exists only
 * at a loopback address, because anybody on the way could read it elsewhere.
 */
const SECURE_NAME = '__Host-dinf-session';
const LOOPBACK_NAME = 'dinf-session';
/** Length of a longer cookie than this server sets, in characters. */
const MAX_LENGTH = 128;

/**
 * Returns the value of the session cookie. Two cookies of this name are refused like none: a program
 * on another port of the same host may have set one of them.
 */
export function sessionCookieOf(request: FastifyRequest): string | undefined {
  const values = cookiesOf(request, nameFor(request));
  const [value = ''] = values;
  return values.length === 1 && value !== '' && value.length <= MAX_LENGTH ? value : undefined;
}

/**
 * Throws unless this connection may carry the cookie. The host is the one that the browser shows in
 * its address bar; a client that sends another one endangers only its own session.
 */
export function checkCookieAllowed(request: FastifyRequest): void {
  if (isSecure(request) || isLoopback(request.hostname.replace(/^\[|\]$/g, ''))) return;
  throw new ApiError(
    'forbidden',
    'Sign-in needs TLS, or a browser on the machine of this network at http://127.0.0.1. If a proxy has the certificate, its address must be in DINF_TRUSTED_PROXIES.',
  );
}

/** Sets the cookie until the time after which the session cannot be used, in milliseconds. */
export function setSessionCookie(
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  { value, maxAgeMs }: { value: string; maxAgeMs: number },
): void {
  reply.header(
    'set-cookie',
    [
      `${nameFor(request)}=${value}`,
      `Max-Age=${Math.floor(maxAgeMs / 1_000)}`,
      'Path=/',
      'HttpOnly',
      'SameSite=Strict',
      ...(isSecure(request) ? ['Secure'] : []),
    ].join('; '),
  );
}

export function dropSessionCookie(call: { request: FastifyRequest; reply: FastifyReply }): void {
  setSessionCookie(call, { value: '', maxAgeMs: 0 });
}

/** The values of all cookies with this name. */
function cookiesOf({ headers }: FastifyRequest, name: string): string[] {
  return (headers.cookie ?? '').split(';').flatMap((pair) => {
    const [key = '', ...value] = pair.trim().split('=');
    return key === name ? [value.join('=')] : [];
  });
}

const isSecure = ({ protocol }: FastifyRequest): boolean => protocol === 'https';

const nameFor = (request: FastifyRequest): string =>
  isSecure(request) ? SECURE_NAME : LOOPBACK_NAME;
