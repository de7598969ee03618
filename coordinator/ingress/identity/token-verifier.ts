import type { createRemoteJWKSet, JWTPayload } from 'jose';
import type { Logger } from 'pino';
import type { OidcConfig } from '#coordinator/config.ts';
import { ApiError } from '#http-api/errors.ts';
import type { IssuerDocument } from './issuer-document.ts';

export interface Person {
  readonly issuer: string;
  readonly subject: string;
  readonly email: string | undefined;
  readonly expiresAt: number;
}

const MAX_TOKEN_LENGTH = 8_192;
const CLOCK_TOLERANCE_S = 5;
const KEYS_TIMEOUT_MS = 5_000;

/**
 * Verifies the sign-in tokens of one OpenID issuer. The issuer's keys are fetched at first use, and
 * again when a token is signed with an unknown key.
 */
export class TokenVerifier {
  readonly #config: OidcConfig;
  readonly #log: Logger;
  readonly #document: IssuerDocument;
  #keys: ReturnType<typeof createRemoteJWKSet> | undefined;

  constructor(config: OidcConfig, document: IssuerDocument, log: Logger) {
    this.#config = config;
    this.#document = document;
    this.#log = log;
  }

  /** With a nonce, only the token of the sign-in that began with it is accepted. */
  async verify(token: string, nonce?: string): Promise<Person> {
    if (token.length > MAX_TOKEN_LENGTH) throw new ApiError('invalid_token');
    const { errors, jwtVerify } = await import('jose');
    const { issuer, audience, algorithms } = this.#config;
    let payload: JWTPayload;
    try {
      // This server chooses the algorithms, not the token. Otherwise an attacker could send a token
      // with the algorithm "none", or one signed with the issuer's public key as a shared secret
      // (HMAC).
      ({ payload } = await jwtVerify(token, await this.#keySet(), {
        issuer,
        audience,
        algorithms: [...algorithms],
        requiredClaims: ['sub', 'exp'],
        clockTolerance: CLOCK_TOLERANCE_S,
      }));
    } catch (cause) {
      if (cause instanceof ApiError) throw cause;
      if (
        cause instanceof errors.JWKSTimeout ||
        !(cause instanceof errors.JOSEError) ||
        cause.code === 'ERR_JOSE_GENERIC'
      ) {
        this.#log.warn({ err: cause }, 'the keys of the sign-in issuer could not be fetched');
        throw new ApiError(
          'service_unavailable',
          'Sign-in tokens cannot be checked at the moment.',
          { cause },
        );
      }
      throw new ApiError('invalid_token', undefined, { cause });
    }
    const { sub = '', exp = 0, email } = payload;
    if (nonce !== undefined && payload['nonce'] !== nonce) throw new ApiError('invalid_token');
    if (sub === '' || sub.length > 255) throw new ApiError('invalid_token');
    const verified =
      payload['email_verified'] !== false && typeof email === 'string' && email.length <= 320;
    return {
      issuer,
      subject: sub,
      email: verified ? (email as string) : undefined,
      expiresAt: exp * 1_000,
    };
  }

  async #keySet(): Promise<ReturnType<typeof createRemoteJWKSet>> {
    const { keys } = await this.#document.addresses();
    const { createRemoteJWKSet } = await import('jose');
    this.#keys ??= createRemoteJWKSet(keys, {
      timeoutDuration: KEYS_TIMEOUT_MS,
      cooldownDuration: 1_000,
    });
    return this.#keys;
  }
}
