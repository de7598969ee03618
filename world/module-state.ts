import { createRequire } from 'node:module';
import { Decoder } from '@msgpack/msgpack';
import { nuid } from '@nats-io/nats-core';
import { randomToken } from '#bus-schemas';

/** No id takes more random bytes at once than this, which is a whole pool of them. */
const POOL_BYTES = 4_096;

/** Node's own list of HTTP parsers for the next connections. Each keeps its last connection, and so its world. */
const { parsers } = createRequire(import.meta.url)('node:_http_common') as {
  parsers: { list: unknown[] };
};

/**
 * Resets what modules keep from one life to the next in a process: random bytes of the earlier
 * world that were not used yet, the counter of the NATS client, and parsers of HTTP.
 */
export function forgetEarlierLives(): void {
  nuid.reset();
  randomToken(POOL_BYTES);
  parsers.list.length = 0;
}

/** The names that a decoder of MessagePack has read already, by their length. */
interface KeyCache {
  readonly caches: readonly { readonly bytes: Uint8Array; readonly str: string }[][];
  readonly maxLengthPerKey: number;
}

/**
 * Has MessagePack replace the oldest name of a full cache, not one by chance: a random number would
 * be drawn from the present world, and how full a cache is depends on the earlier lives.
 */
export function decodeWithoutChance(): void {
  const { keyDecoder } = new Decoder() as unknown as { keyDecoder: KeyCache };
  Object.assign(Object.getPrototypeOf(keyDecoder), {
    store(this: KeyCache, bytes: Uint8Array, str: string): void {
      const known = this.caches[bytes.length - 1];
      if (known === undefined) return;
      known.push({ bytes, str });
      if (known.length > this.maxLengthPerKey) known.shift();
    },
  });
}
