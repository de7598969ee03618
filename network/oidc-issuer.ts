import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

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

export async function startOidcIssuer({
  port = 0,
  audience = 'd-inference',
}: OidcIssuerOptions = {}): Promise<OidcIssuer> {
  let keys = [await newKey()];
  const secret = randomBytes(24).toString('base64url');
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((listening, failed) =>
    server.once('error', failed).listen(port, '127.0.0.1', listening),
  );
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : port}`;

  const signIn: OidcIssuer['signIn'] = ({ subject, email, lifetimeS = LIFETIME_S }) => {
    const { kid, privateKey } = keys.at(-1) as SigningKey;
    return new SignJWT({ ...(email !== undefined && { email, email_verified: true }) })
      .setProtectedHeader({ alg: ALGORITHM, kid })
      .setIssuer(url)
      .setAudience(audience)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1_000) + lifetimeS)
      .sign(privateKey);
  };

  const answer = async (
    { method, url: path, headers }: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> => {
    const { pathname, searchParams } = new URL(path ?? '/', url);
    const send = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (pathname === '/.well-known/openid-configuration')
      return void send(200, {
        issuer: url,
        jwks_uri: `${url}/keys`,
        token_endpoint: `${url}/token`,
        id_token_signing_alg_values_supported: [ALGORITHM],
      });
    if (pathname === '/keys')
      return void send(200, { keys: keys.map(({ published }) => published) });
    const name = searchParams.get('name') ?? 'you';
    if (pathname !== '/token' || method !== 'POST' || name.length > MAX_NAME)
      return void send(404, { error: 'not_found' });
    if (headers.authorization !== `Bearer ${secret}`)
      return void send(401, { error: 'invalid_client' });
    send(200, {
      id_token: await signIn({ subject: name, email: `${name}@localhost` }),
      token_type: 'Bearer',
      expires_in: LIFETIME_S,
    });
  };

  return {
    url,
    audience,
    secret,
    signIn,
    rotate: async ({ forget = false } = {}) => {
      const key = await newKey();
      keys = forget ? [key] : [...keys, key];
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((closed) => server.close(() => closed()));
    },
  };
}

async function newKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM);
  const kid = crypto.randomUUID();
  return {
    kid,
    privateKey,
    published: { ...(await exportJWK(publicKey)), kid, alg: ALGORITHM, use: 'sig' },
  };
}
