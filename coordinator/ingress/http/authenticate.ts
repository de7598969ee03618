import type { FastifyRequest } from 'fastify';
import { ApiError } from '../errors.ts';
import type { KeyCache, KeyCaller } from '../identity/key-cache.ts';
import type { Users } from '../identity/users.ts';
import type { AddressLimiter } from '../limits/address-limiter.ts';

/**
 * Whoever asks: with an API key, which stands for itself, or signed in, which stands for the whole
 * account.
 */
export interface Caller {
  readonly account: string;
  readonly key: KeyCaller | undefined;
  readonly user: string | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller?: Caller;
  }
}

interface AuthDeps {
  readonly keys: KeyCache;
  readonly users: Users;
  /** Counts credentials that were wrong. */
  readonly wrong: AddressLimiter;
}

type Hook = (request: FastifyRequest) => Promise<void>;

/**
 * Who may call a route; each is a hook that runs before the body is read: a stranger cannot make us
 * take in 16 MiB.
 */
export interface Auth {
  /** An API key. */
  readonly key: Hook;
  /** A person: keys, machines and money are managed by people. */
  readonly user: Hook;
  readonly keyOrUser: Hook;
}

export function createAuth({ keys, users, wrong }: AuthDeps): Auth {
  const byKey = async (text: string, address: string): Promise<Caller> => {
    const key = keys.known(text) ?? (await wrong.verify(address, () => keys.caller(text)));
    return { account: key.account, key, user: undefined };
  };
  const byToken = async (token: string, address: string): Promise<Caller> => {
    const { account, user } = await wrong.verify(address, () => users.user(token));
    return { account, key: undefined, user };
  };
  const hook =
    (allowed: { key?: ApiError; user?: ApiError }): Hook =>
    async (request) => {
      const credential = credentialOf(request);
      if (credential === undefined) throw new ApiError('missing_key');
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
  };
}

export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) throw new ApiError('missing_key');
  return request.caller;
}

/** The credential itself: only its owner and this request have it. */
export function secretOf(request: FastifyRequest): string {
  return credentialOf(request) ?? '';
}

export function keyOf(request: FastifyRequest): KeyCaller {
  const { key } = callerOf(request);
  if (key === undefined) throw new ApiError('key_required');
  return key;
}

/** A JSON object in base64 begins so; no key of ours does. */
function looksLikeToken(credential: string): boolean {
  return credential.startsWith('eyJ');
}

function credentialOf({ headers }: FastifyRequest): string | undefined {
  return bearerOf(headers.authorization) ?? apiKeyOf(headers['x-api-key']);
}

/** How Anthropic's clients send it. */
function apiKeyOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && header !== '' ? header : undefined;
}

/** The token of an Authorization header. */
export function bearerOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const [scheme, token] = header.split(' ', 2);
  return scheme?.toLowerCase() === 'bearer' && token ? token : undefined;
}
