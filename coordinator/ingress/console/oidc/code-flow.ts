import { createHash, randomBytes } from 'node:crypto';
import { ApiError } from '#http-api/errors.ts';
import type { IssuerDocument } from '../../identity/issuer-document.ts';

const TIMEOUT_MS = 10_000;
const RANDOM_BYTES = 32;
/** Larger answers of the issuer are refused, in characters. */
const MAX_ANSWER = 64 * 1_024;

/** What one sign-in keeps in the browser until the issuer sends the person back. */
export interface PendingSignIn {
  /** Comes back in the URL, and shows that this browser began the sign-in. */
  readonly state: string;
  /** Comes back in the token, and shows that it was made for this sign-in. */
  readonly nonce: string;
  /** Proves to the issuer that the program which began the sign-in also ends it (PKCE). */
  readonly verifier: string;
}

interface CodeFlowOptions {
  readonly document: IssuerDocument;
  /** The client at the issuer, which is also the audience of its tokens. */
  readonly clientId: string;
  /** Undefined for a public client, which PKCE alone protects. */
  readonly clientSecret: string | undefined;
}

/** OpenID's authorization code flow with PKCE (RFC 6749, RFC 7636). */
export class CodeFlow {
  readonly #options: CodeFlowOptions;

  constructor(options: CodeFlowOptions) {
    this.#options = options;
  }

  begin(): PendingSignIn {
    const random = () => randomBytes(RANDOM_BYTES).toString('base64url');
    return { state: random(), nonce: random(), verifier: random() };
  }

  /** The address to which the browser goes. */
  async authorizationUrl(pending: PendingSignIn, redirectUri: string): Promise<string> {
    const { document, clientId } = this.#options;
    const { authorization } = await document.addresses();
    if (authorization === undefined) throw noCodeFlow(document.issuer);
    const url = new URL(authorization);
    const parameters = {
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: 'openid email',
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: createHash('sha256').update(pending.verifier).digest('base64url'),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  /** Exchanges the code for the token of the person, which is not verified yet. */
  async idToken(code: string, verifier: string, redirectUri: string): Promise<string> {
    const { document, clientId, clientSecret } = this.#options;
    const { token } = await document.addresses();
    if (token === undefined) throw noCodeFlow(document.issuer);
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      client_id: clientId,
      code_verifier: verifier,
    });
    const answer = await answerOf(token, body, clientSecret && basic(clientId, clientSecret));
    if (typeof answer['id_token'] !== 'string')
      throw new ApiError('invalid_token', 'The sign-in issuer refused the code.');
    return answer['id_token'];
  }
}

async function answerOf(
  url: URL,
  body: URLSearchParams,
  authorization: string | undefined,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: { accept: 'application/json', ...(authorization && { authorization }) },
      // A redirect would send the code and the secret to an address that nobody configured.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (response.status >= 500 || text.length > MAX_ANSWER)
      throw new Error(`${url.origin} answered ${response.status} with ${text.length} characters`);
    const answer: unknown = JSON.parse(text);
    return typeof answer === 'object' && answer !== null ? { ...answer } : {};
  } catch (cause) {
    throw new ApiError('service_unavailable', 'The sign-in issuer did not answer.', { cause });
  }
}

/** RFC 6749, section 2.3.1: both parts are encoded as in a form. */
function basic(clientId: string, secret: string): string {
  const pair = [clientId, secret].map((part) => encodeURIComponent(part)).join(':');
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

const noCodeFlow = (issuer: string) =>
  new ApiError('not_configured', `${issuer} offers no sign-in for browsers.`);
