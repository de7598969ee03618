import type { Logger } from 'pino';
import { isSame, isSignedReceipt, LruMap, type Receipt } from '#bus-schemas';
import { BusError } from '#coordinator/bus.ts';

/** A machine's key is requested from trust again after this time, in milliseconds. */
const FRESH_MS = 60_000;
const MAX_KNOWN = 20_000;

export interface SigningKeysOptions {
  /**
   * Returns the key that trust has seen the machine use; throws a BusError when trust does not
   * answer.
   */
  readonly requestKey: (provider: string) => Promise<Uint8Array | undefined>;
  readonly log: Logger;
  readonly now: () => number;
}

/** `unknown` means that trust did not answer, so the job is neither paid nor refunded yet. */
export type ReceiptProof = 'signed' | 'unsigned' | 'unknown';

/**
 * Checks receipts against the key that the machine showed to trust. Without this check, an attacker
 * could make a key and sign receipts in a machine's name.
 */
export class SigningKeys {
  readonly #options: SigningKeysOptions;
  readonly #known = new LruMap<
    string,
    { readonly key: Uint8Array | undefined; readonly askedAt: number }
  >(MAX_KNOWN);

  constructor(options: SigningKeysOptions) {
    this.#options = options;
  }

  async proofOf(provider: string, key: Uint8Array | undefined): Promise<ReceiptProof> {
    if (key === undefined) return 'unsigned';
    const { now, requestKey, log } = this.#options;
    const known = this.#known.get(provider);
    const isFresh = known !== undefined && now() - known.askedAt < FRESH_MS;
    if (isFresh && known.key !== undefined && isSame(known.key, key)) return 'signed';
    // A key that does not match may be new, because the machine was set up again.
    try {
      const shown = await requestKey(provider);
      this.#known.set(provider, { key: shown, askedAt: now() });
      return shown !== undefined && isSame(shown, key) ? 'signed' : 'unsigned';
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      if (known?.key !== undefined && isSame(known.key, key)) return 'signed';
      log.warn(
        { err: error, provider },
        'trust does not answer which key this machine signs with; its jobs wait to be settled',
      );
      return 'unknown';
    }
  }

  async proofOfReceipt(provider: string, receipt: Receipt): Promise<ReceiptProof> {
    return isSignedReceipt(receipt) ? this.proofOf(provider, receipt.signingKey) : 'unsigned';
  }
}
