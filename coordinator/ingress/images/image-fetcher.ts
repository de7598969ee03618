import { lookup as systemLookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { allowedAddress, ImageError } from './image-address.ts';
import { isPublicAddress } from './public-address.ts';

/** Time for one image with its redirects, in milliseconds. */
const FETCH_MS = 10_000;
const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** The types of images of the chat contract, with the first bytes of each. */
const TYPES = [
  ['image/png', (bytes: Buffer) => bytes.subarray(0, 8).equals(PNG)],
  ['image/jpeg', (bytes: Buffer) => bytes.subarray(0, 3).equals(JPEG)],
  ['image/gif', (bytes: Buffer) => /^GIF8[79]a/.test(bytes.toString('latin1', 0, 6))],
  ['image/webp', (bytes: Buffer) => /^RIFF.{4}WEBP/s.test(bytes.toString('latin1', 0, 12))],
] as const;
const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
const JPEG = Buffer.from('ffd8ff', 'hex');

export interface ImageRules {
  /** Hosts from which images are fetched; `*.example.org` stands for all hosts below that one. */
  readonly hosts: readonly string[];
  readonly maxBytes: number;
}

/** What a test replaces, because its server is on loopback. */
export interface ImageNetwork {
  /** All IP addresses of a host. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  readonly isPublic: (address: string) => boolean;
  readonly port: number;
  /** Certificates to trust besides those of the system. */
  readonly ca?: string;
}

const publicNetwork: ImageNetwork = {
  resolve: async (host) => (await systemLookup(host, { all: true })).map(({ address }) => address),
  isPublic: isPublicAddress,
  port: 443,
};

/**
 * Fetches the image at an address, and returns it as a data: URI. Throws an ImageError with the
 * reason if it is not fetched.
 *
 * A caller chooses the address, so the fetch must not reach services that trust the ingress: each
 * address, also of a redirect, must be allowed, all IP addresses of its host must be public, and the
 * connection goes to one of the addresses that were checked. A second look at the DNS could return
 * another one (DNS rebinding). The request has no cookies, no credentials and no data of the caller.
 */
export async function fetchImage(
  text: string,
  { hosts, maxBytes }: ImageRules,
  network: ImageNetwork = publicNetwork,
): Promise<string> {
  const signal = AbortSignal.timeout(FETCH_MS);
  let address = allowedAddress(text, hosts);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const response = await get(address, network, signal);
    const { statusCode = 0, headers } = response;
    if (!REDIRECTS.has(statusCode)) return dataUri(response, maxBytes);
    response.destroy();
    if (headers.location === undefined)
      throw new ImageError('unsuitable', 'its redirect has no address');
    const next = URL.parse(headers.location, address.href);
    address = allowedAddress(next?.href ?? '', hosts);
  }
  throw new ImageError('not_allowed', `it redirects more than ${MAX_REDIRECTS} times`);
}

async function get(
  address: URL,
  network: ImageNetwork,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const lookup = await checkedLookup(address.hostname, network);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request(
    address,
    {
      port: network.port,
      // A connection of its own, which goes to the addresses that were just checked.
      agent: new Agent({ keepAlive: false }),
      lookup,
      signal,
      headers: {
        accept: TYPES.map(([type]) => type).join(', '),
        'accept-encoding': 'identity',
        'user-agent': 'd-inference',
      },
      ...(network.ca !== undefined && { ca: network.ca }),
    },
    resolve,
  );
  sent.on('error', (cause) => reject(unreachable(signal, cause)));
  sent.end();
  return promise;
}

/** A lookup that returns the addresses of the host, once all of them have been checked. */
async function checkedLookup(
  host: string,
  { resolve, isPublic }: ImageNetwork,
): Promise<LookupFunction> {
  const addresses = await resolve(host).catch((cause: unknown) => {
    throw new ImageError('unreachable', 'its host has no address', { cause });
  });
  if (addresses.length === 0) throw new ImageError('unreachable', 'its host has no address');
  if (!addresses.every(isPublic))
    throw new ImageError('not_allowed', 'its host has an address that is not public');
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all }, callback) => {
    const [first] = found;
    if (all === true) callback(null, found);
    else callback(null, first?.address ?? '', first?.family);
  };
}

/** Reads an image, and nothing beyond the largest size that is allowed. */
async function dataUri(response: IncomingMessage, maxBytes: number): Promise<string> {
  const { statusCode, headers } = response;
  try {
    if (statusCode !== 200)
      throw new ImageError('unreachable', `its server answered ${statusCode}`);
    const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
    const known = TYPES.find(([name]) => name === type);
    if (known === undefined) throw new ImageError('unsuitable', 'it is no PNG, JPEG, WebP or GIF');
    if ((headers['content-encoding'] ?? 'identity') !== 'identity')
      throw new ImageError('unsuitable', 'its server compressed it');
    if (Number(headers['content-length']) > maxBytes) throw tooLarge(maxBytes);
    const bytes = await readAtMost(response, maxBytes);
    const [name, isOfType] = known;
    if (!isOfType(bytes)) throw new ImageError('unsuitable', `its content is not ${name}`);
    return `data:${name};base64,${bytes.toString('base64')}`;
  } finally {
    response.destroy();
  }
}

async function readAtMost(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new ImageError('unreachable', 'it was not received completely', { cause });
  }
  return Buffer.concat(chunks);
}

const tooLarge = (maxBytes: number) =>
  new ImageError('unsuitable', `it is larger than ${maxBytes} bytes, the limit of this network`);

const unreachable = (signal: AbortSignal, cause: Error) =>
  new ImageError(
    'unreachable',
    signal.aborted
      ? `it was not received within ${FETCH_MS / 1_000} s`
      : 'its server cannot be reached over TLS',
    { cause },
  );
