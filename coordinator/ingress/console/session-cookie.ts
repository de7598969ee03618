import type { FastifyReply, FastifyRequest } from 'fastify';
import { isLoopback } from '#bus-schemas';
import { ApiError } from '#http-api/errors.ts';

/**
 * The cookies of the console: the session, and a sign-in that waits for the issuer. With TLS their
 * names begin with `__Host-`: the browser then accepts them only from this very host, so that no
 * other subdomain can replace them. Without TLS they exist only at a loopback address, because
 * anybody on the way could read them elsewhere.
 */
const SECURE_PREFIX = '__Host-';
const SESSION = { name: 'dinf-session', sameSite: 'Strict' } as const;
/** The issuer is another site, so the browser must send this cookie when it comes from there. */
const PENDING = { name: 'dinf-sign-in', sameSite: 'Lax' } as const;
/** A session of an operator, which only the operators' listener sets and reads. */
const OPERATOR = { name: 'dinf-operator', sameSite: 'Strict' } as const;
/** Length of a longer cookie than this server sets, in characters. */
const MAX_LENGTH = 512;

type CookieKind = typeof SESSION | typeof PENDING | typeof OPERATOR;

interface Call {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

interface CookieValue {
  readonly value: string;
  readonly maxAgeMs: number;
}

export const sessionCookieOf = (request: FastifyRequest): string | undefined =>
  cookieValueOf(request, SESSION);
/** Sets the cookie until the time after which the session cannot be used. */
export const setSessionCookie = (call: Call, value: CookieValue): void =>
  setCookie(call, SESSION, value);
/** The header with which a program sends this session to the host of the request. */
export const sessionCookieHeader = (request: FastifyRequest, value: string): string =>
  `${nameFor(request, SESSION)}=${value}`;
export const dropSessionCookie = (call: Call): void => setCookie(call, SESSION, NO_VALUE);

export const pendingCookieOf = (request: FastifyRequest): string | undefined =>
  cookieValueOf(request, PENDING);
export const setPendingCookie = (call: Call, value: CookieValue): void =>
  setCookie(call, PENDING, value);
export const dropPendingCookie = (call: Call): void => setCookie(call, PENDING, NO_VALUE);

export const operatorCookieOf = (request: FastifyRequest): string | undefined =>
  cookieValueOf(request, OPERATOR);
export const setOperatorCookie = (call: Call, value: CookieValue): void =>
  setCookie(call, OPERATOR, value);
export const dropOperatorCookie = (call: Call): void => setCookie(call, OPERATOR, NO_VALUE);

const NO_VALUE: CookieValue = { value: '', maxAgeMs: 0 };

/**
 * Throws unless this connection may carry the cookies. The host is the one that the browser shows in
 * its address bar; a client that sends another one endangers only its own session.
 */
export function checkCookieAllowed(request: FastifyRequest): void {
  if (isSecure(request) || isLoopback(request.hostname.replace(/^\[|\]$/g, ''))) return;
  throw new ApiError(
    'forbidden',
    'Sign-in needs TLS, or a browser on the machine of this network at http://127.0.0.1. If a proxy has the certificate, its address must be in DINF_TRUSTED_PROXIES.',
  );
}

/**
 * Returns the value of the cookie. Two cookies of one name are refused like none: a program on
 * another port of the same host may have set one of them.
 */
function cookieValueOf(request: FastifyRequest, kind: CookieKind): string | undefined {
  const values = cookiesOf(request, nameFor(request, kind));
  const [value = ''] = values;
  return values.length === 1 && value !== '' && value.length <= MAX_LENGTH ? value : undefined;
}

function setCookie(
  { request, reply }: Call,
  kind: CookieKind,
  { value, maxAgeMs }: CookieValue,
): void {
  reply.header(
    'set-cookie',
    [
      `${nameFor(request, kind)}=${value}`,
      `Max-Age=${Math.floor(maxAgeMs / 1_000)}`,
      'Path=/',
      'HttpOnly',
      `SameSite=${kind.sameSite}`,
      ...(isSecure(request) ? ['Secure'] : []),
    ].join('; '),
  );
}

/** The values of all cookies with this name. */
function cookiesOf({ headers }: FastifyRequest, name: string): string[] {
  return (headers.cookie ?? '').split(';').flatMap((pair) => {
    const [key = '', ...value] = pair.trim().split('=');
    return key === name ? [value.join('=')] : [];
  });
}

const isSecure = ({ protocol }: FastifyRequest): boolean => protocol === 'https';

const nameFor = (request: FastifyRequest, { name }: CookieKind): string =>
  isSecure(request) ? `${SECURE_PREFIX}${name}` : name;
