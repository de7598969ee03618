import type { Logger } from 'pino';
import { isSame, isSignedReceipt, type Receipt } from '#bus-schemas';
import { BusError } from '#coordinator/bus.ts';

/** A key that a machine has shown is asked for again after this long. */
const FRESH_MS = 60_000;
const MAX_KNOWN = 20_000;

export interface SigningKeysOptions {
  /** The key that trust has seen the machine use; throws a BusError when trust cannot be asked. */
  readonly ask: (provider: string) => Promise<Uint8Array | undefined>;
  readonly log: Logger;
  readonly now: () => number;
}

/** `unknown`: trust could not be asked, so nobody may be paid and nobody refunded yet. */
export type Proof = 'signed' | 'unsigned' | 'unknown';

/**
 * Which key each machine signs its receipts with. A receipt with any other key is worth nothing:
 * anybody can make a key and sign.
 */
export class SigningKeys {
  readonly #options: SigningKeysOptions;
  readonly #known = new Map<
    string,
    { readonly key: Uint8Array | undefined; readonly askedAt: number }
  >();

  constructor(options: SigningKeysOptions) {
    this.#options = options;
  }

  async proofOf(provider: string, key: Uint8Array | undefined): Promise<Proof> {
    if (key === undefined) return 'unsigned';
    const { now, ask, log } = this.#options;
    const known = this.#known.get(provider);
    const isFresh = known !== undefined && now() - known.askedAt < FRESH_MS;
    if (isFresh && known.key !== undefined && isSame(known.key, key)) return 'signed';
    // A key that does not match may be new: the machine was set up again since it was last asked
    // for.
    try {
      const shown = await ask(provider);
      this.#remember(provider, shown);
      return shown !== undefined && isSame(shown, key) ? 'signed' : 'unsigned';
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      if (known?.key !== undefined && isSame(known.key, key)) return 'signed';
      log.warn(
        { err: error, provider },
        'trust cannot say with which key this machine signs: its jobs wait to be settled',
      );
      return 'unknown';
    }
  }

  async proofOfReceipt(provider: string, receipt: Receipt): Promise<Proof> {
    return isSignedReceipt(receipt) ? this.proofOf(provider, receipt.signingKey) : 'unsigned';
  }

  #remember(provider: string, key: Uint8Array | undefined): void {
    this.#known.delete(provider);
    this.#known.set(provider, { key, askedAt: this.#options.now() });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }
}
