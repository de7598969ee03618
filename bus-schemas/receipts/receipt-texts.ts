import { hex } from '../bytes.ts';
import type { Receipt } from '../messages/provider.ts';
import { textOf } from './lines-of-text.ts';
import { settledLines, workLines } from './receipt-lines.ts';
import { isSignedByP256 } from './signed-by.ts';

/**
 * Texts that are signed. They consist of plain lines, each with a name and its values, in exactly
 * this order. Everyone can rebuild them from a receipt, in any language, and check the signatures.
 */

/** The provider's statement about its work. */
export type WorkDone = Omit<Receipt, 'delivered' | 'signature' | 'signingKey'>;

/** The coordinator's additions: the provider, the model, and the price of the work. */
export interface Settled {
  readonly provider: string;
  readonly model: string;
  /** Micro-dollars for a million tokens. */
  readonly prices: { readonly input: number; readonly cacheRead: number; readonly output: number };
  readonly chargedMicroUsd: number;
  readonly settledAt: number;
}

export interface ProviderSignature {
  /** Uncompressed public key on the curve P-256. */
  readonly signingKey: Uint8Array;
  readonly signature: Uint8Array;
}

export function workText(work: WorkDone): Uint8Array {
  const { requestHash, responseHash } = work;
  return textOf(
    workLines({ ...work, requestHash: hex(requestHash), responseHash: hex(responseHash) }),
  );
}

/**
 * Returns true if the receipt is signed with the key that it names. The caller must check
 * separately to which provider this key belongs.
 */
export function isSignedReceipt({ signature, signingKey, ...work }: Receipt): boolean {
  return (
    signature !== undefined &&
    signingKey !== undefined &&
    isSignedByP256(signingKey, workText(work), signature)
  );
}

/** Returns the text that the coordinator signs. It includes the provider's text and signature. */
export function settledText(
  work: WorkDone,
  { signingKey, signature }: ProviderSignature,
  settled: Settled,
): Uint8Array {
  const lines = settledLines({
    ...settled,
    signingKey: hex(signingKey),
    signature: hex(signature),
  });
  return Buffer.concat([workText(work), textOf(lines)]);
}
