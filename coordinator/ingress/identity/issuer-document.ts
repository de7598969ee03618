import { isLoopback } from '#bus-schemas';
import { ApiError } from '#http-api/errors.ts';

const TIMEOUT_MS = 5_000;

/** The addresses of an OpenID issuer, as its own document states them. */
export interface IssuerAddresses {
  readonly keys: URL;
  /** Undefined for an issuer at which people cannot sign in with a browser. */
  readonly authorization: URL | undefined;
  readonly token: URL | undefined;
}

/** Reads the document of one issuer at first use, and again after a failure. */
export class IssuerDocument {
  readonly issuer: string;
  #addresses: Promise<IssuerAddresses> | undefined;

  constructor(issuer: string) {
    this.issuer = issuer;
  }

  async addresses(): Promise<IssuerAddresses> {
    this.#addresses ??= this.#read();
    try {
      return await this.#addresses;
    } catch (cause) {
      this.#addresses = undefined;
      throw new ApiError(
        'service_unavailable',
        'The sign-in issuer is not reachable at the moment.',
        { cause },
      );
    }
  }

  async #read(): Promise<IssuerAddresses> {
    const url = `${this.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const document = (await response.json()) as Readonly<Record<string, unknown>>;
    const keys = addressOf(document['jwks_uri']);
    if (document['issuer'] !== this.issuer || keys === undefined)
      throw new Error(`${this.issuer} does not describe itself as an OpenID issuer`);
    return {
      keys,
      authorization: addressOf(document['authorization_endpoint']),
      token: addressOf(document['token_endpoint']),
    };
  }
}

/** Codes and tokens must not cross a network without TLS. */
function addressOf(value: unknown): URL | undefined {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url === null) return undefined;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
    ? url
    : undefined;
}
