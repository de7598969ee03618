import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Config } from '#coordinator/config.ts';

export interface PublicOptions {
  /** Host name or address of this machine for other machines, with a port if it is not the usual. */
  readonly public?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly behindProxy?: boolean;
  readonly insecure?: boolean;
}

/** The addresses of this network for other machines, and the settings that they need. */
export interface PublicAccess {
  readonly host: string;
  /** URL of the API for other machines. */
  readonly url: string;
  readonly config: Partial<Config>;
}

const HTTPS_PORT = 443;
const EVERY_ADDRESS = '0.0.0.0';

/**
 * Returns how other machines reach the API, or undefined if only this machine does. Prompts and API
 * keys must not cross a network without TLS, so the operator has to choose where TLS ends.
 */
export function publicAccess(
  { public: name, tlsCert, tlsKey, behindProxy = false, insecure = false }: PublicOptions,
  http: Config['http'],
): PublicAccess | undefined {
  const hasCertificate = tlsCert !== undefined || tlsKey !== undefined;
  if (name === undefined) {
    if (hasCertificate || behindProxy || insecure)
      throw wrong('--tls-cert, --tls-key, --behind-proxy and --insecure need --public <name>');
    return undefined;
  }
  if ([hasCertificate, behindProxy, insecure].filter(Boolean).length !== 1)
    throw wrong(
      [
        '--public needs one of these, because prompts and API keys must not cross a network in the clear:',
        '  --tls-cert FILE --tls-key FILE   the API has this certificate for the name',
        '  --behind-proxy                   a proxy on this machine has the certificate, for example Caddy',
        '  --insecure                       no TLS, for a network that you trust',
      ].join('\n'),
    );
  const { host, port } = parse(name);
  if (behindProxy)
    return access(
      { host, port, scheme: 'https', usual: HTTPS_PORT },
      {
        // Without this, all callers would share the address of the proxy and its limits.
        trustedProxies: ['127.0.0.1', '::1'],
      },
    );
  if (insecure) {
    const own = port ?? http.port;
    return access(
      { host, port: own, scheme: 'http', usual: 80 },
      {
        http: { host: EVERY_ADDRESS, port: own },
      },
    );
  }
  if (tlsCert === undefined || tlsKey === undefined)
    throw wrong('--tls-cert and --tls-key belong together');
  const own = port ?? HTTPS_PORT;
  return access(
    { host, port: own, scheme: 'https', usual: HTTPS_PORT },
    {
      https: { host: EVERY_ADDRESS, port: own, certificateFile: tlsCert, keyFile: tlsKey },
    },
  );
}

function access(
  {
    host,
    port,
    scheme,
    usual,
  }: { host: string; port: number | undefined; scheme: string; usual: number },
  config: Partial<Config>,
): PublicAccess {
  const inUrl = host.includes(':') ? `[${host}]` : host;
  const url = `${scheme}://${inUrl}${port === undefined || port === usual ? '' : `:${port}`}`;
  return { host, url, config: { ...config, publicUrl: url, linkUrl: `${url}/link` } };
}

/** Accepts `name`, `name:port`, and the same as a URL. */
function parse(name: string): { host: string; port: number | undefined } {
  const text = /^https?:\/\//.test(name) ? name : `https://${name}`;
  if (!URL.canParse(text)) throw wrong(`--public ${name} is not a host name or address`);
  const { hostname, port } = new URL(text);
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? undefined : Number(port),
  };
}

const wrong = (message: string) => new CommandError(EXIT.usage, message);
