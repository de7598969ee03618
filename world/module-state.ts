import { Decoder } from '@msgpack/msgpack';
import { nuid } from '@nats-io/nats-core';
import { randomToken } from '#bus-schemas';

/** No id takes more random bytes at once than this, which is a whole pool of them. */
const POOL_BYTES = 4_096;

/**
 * Resets what modules keep from one life to the next in a process: random bytes of the earlier
 * world that were not used yet, and the counter of the NATS client.
 */
export function forgetEarlierLives(): void {
  nuid.reset();
  randomToken(POOL_BYTES);
}

/**
 * Has MessagePack decode without its cache of names. A full cache draws a random number for each
 * new name, and how full it is depends on the earlier lives of the process.
 */
export function decodeWithoutCache(): void {
  const { decode } = Decoder.prototype;
  Decoder.prototype.decode = function (this: Decoder, ...parameters) {
    Object.assign(this, { keyDecoder: undefined });
    return decode.apply(this, parameters);
  };
}
