import { WindowCounts } from '#coordinator/window-counts.ts';
import { ApiError } from '#http-api/errors.ts';
import type { AddressLimiter } from './address-limiter.ts';

interface GuessLimiterOptions {
  readonly addresses: AddressLimiter;
  /** Wrong codes that an account may send within a minute, from all its addresses together. */
  readonly limit: number;
  readonly clock: () => number;
}

interface Guesser {
  readonly address: string;
  readonly account: string;
}

/**
 * Limits the wrong codes that a signed-in person sends, by address and by account: one account may
 * have many addresses, and one address many accounts.
 * It stops an attacker from finding the codes of machines and invites by trying them.
 */
export class GuessLimiter {
  readonly #addresses: AddressLimiter;
  readonly #accounts: WindowCounts;
  readonly #limit: number;

  constructor({ addresses, limit, clock }: GuessLimiterOptions) {
    this.#addresses = addresses;
    this.#accounts = new WindowCounts({ windowMs: 60_000, now: clock });
    this.#limit = limit;
  }

  /**
   * A guess counts as wrong until the answer arrives: otherwise an attacker could send many guesses
   * at once, before the first one is counted.
   */
  async guess<Answer extends { readonly ok: boolean }>(
    { address, account }: Guesser,
    ask: () => Promise<Answer>,
  ): Promise<Answer> {
    this.#addresses.check(address);
    if (this.#accounts.of(account) >= this.#limit)
      throw new ApiError(
        'rate_limit_exceeded',
        'This account sent too many wrong codes within a minute.',
        { retryAfterMs: this.#accounts.leftMs },
      );
    this.#addresses.count(address);
    this.#accounts.add(account);
    let isWrong = false;
    try {
      const answer = await ask();
      isWrong = !answer.ok;
      return answer;
    } finally {
      if (!isWrong) {
        this.#addresses.takeBack(address);
        this.#accounts.takeBack(account);
      }
    }
  }
}
