import { isIP } from 'node:net';
import { CodedError } from '#bus-schemas/coded-error.ts';

/** Longest address of an image, in characters. */
const MAX_ADDRESS = 2_048;

/**
 * An image was not fetched: its address is not allowed, its server did not answer, or the answer is
 * no image that a request may have. The message is the end of a sentence.
 */
export class ImageError extends CodedError<'not_allowed' | 'unreachable' | 'unsuitable'> {}

const notAllowed = (reason: string) => new ImageError('not_allowed', reason);

/**
 * Reads the address of an image that an operator allows: HTTPS on its usual port at one of the hosts.
 * `*.example.org` allows all hosts below `example.org`. The URL parser has turned numbers such as
 * 2130706433 or 0x7f.1 into IP addresses before they are refused here.
 */
export function allowedAddress(text: string, hosts: readonly string[]): URL {
  const address = text.length <= MAX_ADDRESS ? URL.parse(text) : null;
  if (address === null) throw notAllowed(`it is not a URL of at most ${MAX_ADDRESS} characters`);
  const { protocol, port, username, password, hostname } = address;
  if (protocol !== 'https:') throw notAllowed('only https: addresses are fetched');
  if (port !== '') throw notAllowed('only port 443 is fetched from');
  if (username !== '' || password !== '')
    throw notAllowed('addresses with a name and a password are not fetched');
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) throw notAllowed('hosts must have a name');
  if (!hosts.some((allowed) => isOf(hostname, allowed.toLowerCase())))
    throw notAllowed('the operator of this network does not allow its host');
  return address;
}

const isOf = (hostname: string, allowed: string): boolean =>
  allowed.startsWith('*.') ? hostname.endsWith(allowed.slice(1)) : hostname === allowed;
