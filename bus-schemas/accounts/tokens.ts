import type { ClaimsData } from '@nats-io/jwt';
import type { Authenticator } from '@nats-io/nats-core';
import { isNkeySigned, Nkey } from './nkey.ts';
import type { NkeyKind } from './nkey-text.ts';

/**
 * Tokens and credentials of NATS, read and used with the signatures of node:crypto. The library's own
 * ones are computed in JavaScript and take 30 to 100 ms in a process that has just started.
 */

/** The keys that may sign tokens, by the first letter of their public text. */
const ISSUERS: Readonly<Record<string, NkeyKind>> = { O: 'operator', A: 'account' };

/** Returns what a token states; throws if it is not signed by the key that it names as its issuer. */
export function decodeToken<Rights = unknown>(token: string): ClaimsData<Rights> {
  const [head = '', body = '', signature = '', ...more] = token.split('.');
  const { alg } = partOf<{ alg?: string }>(head);
  const claims = partOf<ClaimsData<Rights>>(body);
  const kind = ISSUERS[String(claims.iss)[0] ?? ''];
  if (alg !== 'ed25519-nkey' || kind === undefined || more.length > 0)
    throw new Error('this is not a token of NATS');
  const isSigned = isNkeySigned({
    kind,
    publicKey: claims.iss ?? '',
    input: Buffer.from(`${head}.${body}`),
    signature: Buffer.from(signature, 'base64url'),
  });
  if (!isSigned) throw new Error('the token is not signed by its issuer');
  return claims;
}

const partOf = <Part>(text: string): Part =>
  JSON.parse(Buffer.from(text, 'base64url').toString()) as Part;

/** The token in a credentials file. */
export function userTokenIn(credentials: string): string {
  const token = /-----BEGIN NATS USER JWT-----\s+(\S+)/.exec(credentials)?.[1];
  if (token === undefined) throw new Error('the credentials file contains no token');
  return token;
}

/** Proves to a hub that this process has the key of a credentials file. */
export function credentialsAuthenticator(credentials: string): Authenticator {
  const jwt = userTokenIn(credentials);
  const seed = /-----BEGIN USER NKEY SEED-----\s+(\S+)/.exec(credentials)?.[1];
  if (seed === undefined) throw new Error('the credentials file contains no key');
  const key = Nkey.fromSeed(seed);
  return (nonce = '') => ({
    jwt,
    nkey: key.getPublicKey(),
    sig: Buffer.from(key.sign(Buffer.from(nonce))).toString('base64'),
  });
}
