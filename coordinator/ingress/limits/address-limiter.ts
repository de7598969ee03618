import { isIPv6 } from 'node:net';
import { ApiError } from '../errors.ts';

const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 100_000;
/** Verifications at once for an address with too many wrong credentials. */
const MAX_VERIFYING = 8;

/**
 * Counts what strangers do, by the address that they do it from: in this process only, because it
 * guards this process.
 */
export class AddressLimiter {
  readonly #limit: number;
  readonly #clock: () => number;
  #counts = new Map<string, number>();
  /** Credentials that are being verified: one entry for each address with a request that runs. */
  readonly #verifying = new Map<string, number>();
  #windowEnds: number;

  constructor(limit: number, clock: () => number) {
    this.#limit = limit;
    this.#clock = clock;
    this.#windowEnds = clock() + WINDOW_MS;
  }

  /** Throws when the address has used up its minute. */
  check(address: string): void {
    if (this.#isOver(networkOf(address))) throw this.#refusal();
  }

  /**
   * Verifies a credential. The address never decides about a credential that is good: otherwise one
   * caller with wrong keys would shut out everybody
   * behind the same proxy. It decides about wrong ones, and bounds how many of them are verified at
   * once when there were too many.
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
    this.#turn();
    const network = networkOf(address);
    // Whoever has this many addresses is not stopped by a list of them; the list must not stop us.
    if (this.#counts.size >= MAX_ADDRESSES) this.#counts.clear();
    this.#counts.set(network, (this.#counts.get(network) ?? 0) + 1);
  }

  /** For what was counted too early: it was allowed after all. */
  takeBack(address: string): void {
    const network = networkOf(address);
    const count = this.#counts.get(network);
    if (count !== undefined && count > 0) this.#counts.set(network, count - 1);
  }

  #isOver(network: string): boolean {
    this.#turn();
    return (this.#counts.get(network) ?? 0) >= this.#limit;
  }

  #refusal(): ApiError {
    return new ApiError('rate_limit_exceeded', 'Too many requests from this address.', {
      retryAfterMs: this.#windowEnds - this.#clock(),
    });
  }

  #verified(network: string): void {
    const left = (this.#verifying.get(network) ?? 1) - 1;
    if (left > 0) this.#verifying.set(network, left);
    else this.#verifying.delete(network);
  }

  #turn(): void {
    const now = this.#clock();
    if (now < this.#windowEnds) return;
    this.#windowEnds = now + WINDOW_MS;
    this.#counts.clear();
  }
}

/** One household has a /64 of the newer addresses, and one of the older. */
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
