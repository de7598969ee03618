import type { FastifyRequest } from 'fastify';
import type { ConsoleSession } from '#bus-schemas';
import { ApiError, type ApiErrorCode } from '#http-api/errors.ts';
import { type ContentKeys, callerKeys } from '../caller-cipher.ts';
import { checkConsolePage } from '../console/same-origin.ts';
import { sessionCookieOf } from '../console/session-cookie.ts';
import type { KeyCache, KeyCaller } from '../identity/key-cache.ts';
import type { SessionCache } from '../identity/session-cache.ts';
import type { Users } from '../identity/users.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';

/**
 * The caller of a route: an API key, with the rights of that key, or a signed-in person, with the
 * rights of the whole account. A person in the console may also use the routes for API keys.
 */
export interface Caller {
  readonly account: string;
  readonly key: KeyCaller | undefined;
  readonly user: string | undefined;
  /** The session of a person in the console. */
  readonly session?: ConsoleSession;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller?: Caller;
  }
}

interface AuthDeps {
  readonly keys: KeyCache;
  readonly users: Users;
  readonly consoleSessions: SessionCache;
  /** Counts wrong credentials for each address. */
  readonly wrong: AddressLimiter;
}

type Hook = (request: FastifyRequest) => Promise<void>;

/**
 * Hooks that check the caller of a route before its body is read: without them, a stranger could
 * make the server receive bodies of 16 MiB.
 */
export interface Auth {
  /** Admits API keys, and people in the console. */
  readonly key: Hook;
  /** Admits signed-in people, for routes that manage keys, machines and money. */
  readonly user: Hook;
  readonly keyOrUser: Hook;
  /** Admits only people in the console, for routes that manage their sessions. */
  readonly session: Hook;
}

export function createAuth({ keys, users, consoleSessions, wrong }: AuthDeps): Auth {
  const byKey = async (text: string, address: string): Promise<Caller> => {
    const key = keys.known(text) ?? (await wrong.verify(address, () => keys.caller(text)));
    return { account: key.account, key, user: undefined };
  };
  const byToken = async (token: string, address: string): Promise<Caller> => {
    const { account, user } = await wrong.verify(address, () => users.user(token));
    return { account, key: undefined, user };
  };
  const byCookie = async (cookie: string, address: string): Promise<Caller> => {
    const session =
      consoleSessions.known(cookie) ??
      (await wrong.verify(address, () => consoleSessions.session(cookie)));
    return { account: session.account, key: undefined, user: session.user, session };
  };
  const inConsole = async (request: FastifyRequest, without: ApiErrorCode): Promise<Caller> => {
    const cookie = sessionCookieOf(request);
    if (cookie === undefined) throw new ApiError(without);
    checkConsolePage(request);
    return byCookie(cookie, request.ip);
  };
  const hook =
    (allowed: { key?: ApiError; user?: ApiError }): Hook =>
    async (request) => {
      const credential = credentialOf(request);
      if (credential === undefined) {
        const caller = await inConsole(request, 'missing_key');
        request.caller = allowed.user === undefined ? caller : asKey(caller);
        return;
      }
      const isToken = looksLikeToken(credential);
      const refusal = isToken ? allowed.user : allowed.key;
      request.caller = await (isToken
        ? byToken(credential, request.ip)
        : byKey(credential, request.ip));
      if (refusal !== undefined) throw refusal;
    };
  return {
    key: hook({ user: new ApiError('key_required') }),
    user: hook({ key: new ApiError('user_required') }),
    keyOrUser: hook({}),
    session: async (request) => {
      request.caller = await inConsole(request, 'signed_out');
    },
  };
}

/**
 * What a person does in the console on routes for API keys counts for one key of the account, which
 * has no secret and no limits of its own. All sessions share it, so that the usage has one row.
 */
function asKey(caller: Caller): Caller {
  const { account, session } = caller;
  const accountLimits = session?.accountLimits;
  return {
    ...caller,
    key: { account, key: consoleKeyOf(account), ...(accountLimits && { accountLimits }) },
  };
}

const MAX_KEY_TOKEN = 40;
const consoleKeyOf = (account: string): string =>
  `key_${`console${account.slice('acct_'.length)}`.slice(0, MAX_KEY_TOKEN)}`;

export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) throw new ApiError('missing_key');
  return request.caller;
}

/** The session of a request that the hook `session` admitted. */
export function sessionOf(request: FastifyRequest): ConsoleSession {
  const { session } = callerOf(request);
  if (session === undefined) throw new ApiError('signed_out');
  return session;
}

/**
 * The credential itself, from which keys are derived that only its owner and this request can have:
 * the server stores at most a hash of it. Content that the console stores can be read by the same
 * session only.
 */
export function secretOf(request: FastifyRequest): string {
  return credentialOf(request) ?? sessionCookieOf(request) ?? '';
}

/** The owner of the content that a request with this API key stores. */
export function ownerOf(request: FastifyRequest): { account: string; secret: string } {
  return { account: keyOf(request).account, secret: secretOf(request) };
}

/** The keys of all contents that a request with this API key stores. */
export const contentKeysOf = (request: FastifyRequest): ContentKeys => callerKeys(ownerOf(request));

export function keyOf(request: FastifyRequest): KeyCaller {
  const { key } = callerOf(request);
  if (key === undefined) throw new ApiError('key_required');
  return key;
}

/**
 * Whether the credential is a sign-in token (JWT): base64 of a JSON object begins with `eyJ`, and
 * no API key does.
 */
function looksLikeToken(credential: string): boolean {
  return credential.startsWith('eyJ');
}

function credentialOf({ headers }: FastifyRequest): string | undefined {
  return bearerOf(headers.authorization) ?? apiKeyOf(headers['x-api-key']);
}

/** The API key in the header `x-api-key`, which Anthropic's clients send. */
function apiKeyOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && header !== '' ? header : undefined;
}

/** The token of an Authorization header. */
export function bearerOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const [scheme, token] = header.split(' ', 2);
  return scheme?.toLowerCase() === 'bearer' && token ? token : undefined;
}
