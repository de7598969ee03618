import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { ApiError } from './errors.ts';

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

interface OwnNames {
  /** Host names, besides the addresses of loopback, by which callers may reach the server. */
  readonly hosts: readonly string[];
  /** A sentence that names how a refused host name is allowed. */
  readonly remedy: (host: string) => string;
}

/**
 * Refuses requests that a web page of another origin made through a browser on this machine: the
 * page could otherwise use what the server gives to its owner without a key. The check of `Host`
 * stops a page whose name resolves to this machine (DNS rebinding), the check of `Origin` stops all
 * other pages.
 */
export function refuseForeign(
  { host = '', origin }: IncomingHttpHeaders,
  { hosts, remedy }: OwnNames,
): void {
  const asked = hostnameOf(`http://${host}`);
  // An IP address as `Host` is safe: DNS rebinding needs a name.
  if (![...LOOPBACK, ...hosts].includes(asked) && isIP(asked.replace(/^\[|\]$/g, '')) === 0)
    throw new ApiError('forbidden', `This server refuses the name ${asked}. ${remedy(asked)}`);
  if (
    origin !== undefined &&
    hostnameOf(origin) !== asked &&
    !LOOPBACK.includes(hostnameOf(origin))
  )
    throw new ApiError('forbidden', `This server refuses pages of ${origin}.`);
}

const hostnameOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : '');
