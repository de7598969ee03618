import { isIP } from 'node:net';

/** Longest address of an image, in characters. */
const MAX_ADDRESS = 2_048;

/** Why an address is not fetched, as the end of a sentence. */
export class AddressRefused extends Error {}

/**
 * Reads the address of an image that an operator allows: HTTPS on its usual port at one of the hosts.
 * `*.example.org` allows all hosts below `example.org`. The URL parser has turned numbers such as
 * 2130706433 or 0x7f.1 into IP addresses before they are refused here.
 */
export function allowedAddress(text: string, hosts: readonly string[]): URL {
  const address = text.length <= MAX_ADDRESS ? URL.parse(text) : null;
  if (address === null)
    throw new AddressRefused(`it is not a URL of at most ${MAX_ADDRESS} characters`);
  const { protocol, port, username, password, hostname } = address;
  if (protocol !== 'https:') throw new AddressRefused('only https: addresses are fetched');
  if (port !== '') throw new AddressRefused('only port 443 is fetched from');
  if (username !== '' || password !== '')
    throw new AddressRefused('addresses with a name and a password are not fetched');
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0)
    throw new AddressRefused('hosts must have a name');
  if (!hosts.some((allowed) => isOf(hostname, allowed.toLowerCase())))
    throw new AddressRefused('the operator of this network does not allow its host');
  return address;
}

const isOf = (hostname: string, allowed: string): boolean =>
  allowed.startsWith('*.') ? hostname.endsWith(allowed.slice(1)) : hostname === allowed;
