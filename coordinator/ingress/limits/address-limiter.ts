import { isIPv6 } from 'node:net';
import { WindowCounts } from '#coordinator/window-counts.ts';
import { ApiError } from '#http-api/errors.ts';

/** Verifications that may run at once for an address with too many wrong credentials. */
const MAX_VERIFYING = 8;

/**
 * Counts requests without a valid credential, by address. Each process has its own counts, because
 * the limit protects the process.
 */
export class AddressLimiter {
  readonly #limit: number;
  readonly #counts: WindowCounts;
  /** Number of running verifications for each address that has any. */
  readonly #verifying = new Map<string, number>();

  constructor(limit: number, clock: () => number) {
    this.#limit = limit;
    this.#counts = new WindowCounts({ windowMs: 60_000, now: clock });
  }

  /** Throws if the address has reached its limit for this minute. */
  check(address: string): void {
    if (this.#isOver(networkOf(address))) throw this.#refusal();
  }

  /**
   * Verifies a credential. A valid credential is accepted from any address: otherwise an attacker
   * with wrong keys could lock out all callers behind the same proxy. The limit of an address
   * applies to wrong credentials, and bounds how many verifications run at once after too many of
   * them.
   */
  async verify<Result>(address: string, verify: () => Promise<Result>): Promise<Result> {
    const network = networkOf(address);
    const isOver = this.#isOver(network);
    const running = this.#verifying.get(network) ?? 0;
    if (isOver && running >= MAX_VERIFYING) throw this.#refusal();
    this.#verifying.set(network, running + 1);
    try {
      return await verify();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      this.count(address);
      throw isOver ? this.#refusal() : error;
    } finally {
      this.#verified(network);
    }
  }

  count(address: string): void {
    this.#counts.add(networkOf(address));
  }

  /** Removes one count of a request that proved to be allowed. */
  takeBack(address: string): void {
    this.#counts.takeBack(networkOf(address));
  }

  #isOver(network: string): boolean {
    return this.#counts.of(network) >= this.#limit;
  }

  #refusal(): ApiError {
    return new ApiError('rate_limit_exceeded', 'Too many requests from this address.', {
      retryAfterMs: this.#counts.leftMs,
    });
  }

  #verified(network: string): void {
    const left = (this.#verifying.get(network) ?? 1) - 1;
    if (left > 0) this.#verifying.set(network, left);
    else this.#verifying.delete(network);
  }
}

/**
 * The network of an address: a /64 for IPv6, which one household has to itself, and the single
 * address for IPv4.
 */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail?.split(':').filter(Boolean) ?? [];
  return [
    ...left,
    ...Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0'),
    ...right,
  ]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
