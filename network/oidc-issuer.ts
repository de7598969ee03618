import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { CryptoKey, JWK } from 'jose';
import { BrowserSignIn, type SignInPage } from './browser-sign-in.ts';

/**
 * An OpenID issuer on the loopback address, for a network without an external sign-in service. It
 * issues a token for any name to a caller that presents its secret. It implements the real protocol
 * (discovery, published keys, ES256), so that the coordinator verifies its tokens with the same
 * code as in production.
 */
export interface OidcIssuer extends AsyncDisposable {
  readonly url: string;
  readonly audience: string;
  /**
   * Bearer token that the token endpoint demands. Without it, every program on this machine and
   * every web page in its browser could sign in as any user of the network.
   */
  readonly secret: string;
  /** Returns the token that the person would get by signing in. */
  signIn(person: { subject: string; email?: string; lifetimeS?: number }): Promise<string>;
  /** Signs with a new key from now on. The old keys stay published unless `forget` is true. */
  rotate(options?: { forget?: boolean }): Promise<void>;
}

interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly published: JWK;
}

export interface OidcIssuerOptions {
  /** Port to listen on; 0, the default, takes a free one. */
  readonly port?: number;
  readonly audience?: string;
}

const ALGORITHM = 'ES256';
const LIFETIME_S = 12 * 3_600;
const MAX_NAME = 255;
/** Largest form, in characters. */
const MAX_FORM = 16_384;

export async function startOidcIssuer({
  port = 0,
  audience = 'd-inference',
}: OidcIssuerOptions = {}): Promise<OidcIssuer> {
  // The first key is made when it is needed: few starts of a network sign anyone in.
  let keys: Promise<SigningKey[]> | undefined;
  const allKeys = () => {
    keys ??= newKey().then((key) => [key]);
    return keys;
  };
  const secret = randomBytes(24).toString('base64url');
  const browsers = new BrowserSignIn({ audience, secret, now: Date.now });
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((listening, failed) =>
    server.once('error', failed).listen(port, '127.0.0.1', listening),
  );
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : port}`;

  const signedToken = async (
    { subject, email, lifetimeS = LIFETIME_S }: Parameters<OidcIssuer['signIn']>[0],
    claims: { readonly nonce?: string } = {},
  ): Promise<string> => {
    const { SignJWT } = await import('jose');
    const { kid, privateKey } = (await allKeys()).at(-1) as SigningKey;
    const known = { ...claims, ...(email !== undefined && { email, email_verified: true }) };
    return new SignJWT(known)
      .setProtectedHeader({ alg: ALGORITHM, kid })
      .setIssuer(url)
      .setAudience(audience)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1_000) + lifetimeS)
      .sign(privateKey);
  };
  const signIn: OidcIssuer['signIn'] = (person) => signedToken(person);
  const tokenOf = async (name: string, claims: { nonce?: string } = {}): Promise<object> => ({
    id_token: await signedToken({ subject: name, email: `${name}@localhost` }, claims),
    token_type: 'Bearer',
    expires_in: LIFETIME_S,
  });

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', url);
    const send = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const show = ({ status, headers, body }: SignInPage) =>
      response.writeHead(status, headers).end(body);
    switch (`${request.method} ${pathname}`) {
      case 'GET /.well-known/openid-configuration':
        return void send(200, {
          issuer: url,
          jwks_uri: `${url}/keys`,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: `${url}/token`,
          response_types_supported: ['code'],
          code_challenge_methods_supported: ['S256'],
          id_token_signing_alg_values_supported: [ALGORITHM],
        });
      case 'GET /keys':
        return void send(200, { keys: (await allKeys()).map(({ published }) => published) });
      case 'GET /authorize':
        return void show(browsers.show(searchParams));
      case 'POST /authorize':
        return void show(browsers.submit(searchParams, await formIn(request)));
      case 'POST /token': {
        // A command presents the secret and names a person; the console presents a code.
        if (request.headers.authorization === `Bearer ${secret}`) {
          const name = searchParams.get('name') ?? 'you';
          if (name.length > MAX_NAME) return void send(400, { error: 'invalid_request' });
          return void send(200, await tokenOf(name));
        }
        const fields = await formIn(request);
        if (fields.get('grant_type') !== 'authorization_code')
          return void send(401, { error: 'invalid_client' });
        const person = browsers.redeem(fields);
        if (person === undefined) return void send(400, { error: 'invalid_grant' });
        return void send(200, await tokenOf(person.name, { nonce: person.nonce }));
      }
      default:
        send(404, { error: 'not_found' });
    }
  };

  return {
    url,
    audience,
    secret,
    signIn,
    rotate: async ({ forget = false } = {}) => {
      const [earlier, key] = [await allKeys(), await newKey()];
      keys = Promise.resolve(forget ? [key] : [...earlier, key]);
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((closed) => server.close(() => closed()));
    },
  };
}

/** The fields of a form, from a body of limited size. */
async function formIn(request: IncomingMessage): Promise<URLSearchParams> {
  let body = '';
  for await (const part of request.setEncoding('utf8')) {
    body += String(part);
    if (body.length > MAX_FORM) throw new Error('the form is too large');
  }
  return new URLSearchParams(body);
}

async function newKey(): Promise<SigningKey> {
  const { exportJWK, generateKeyPair } = await import('jose');
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM);
  const kid = crypto.randomUUID();
  return {
    kid,
    privateKey,
    published: { ...(await exportJWK(publicKey)), kid, alg: ALGORITHM, use: 'sig' },
  };
}
