import { joined } from '#bus-schemas/platform.ts';
import { hex } from '../bytes.ts';
import type { Receipt } from '../messages/provider.ts';
import { unpackPlace } from './group-place.ts';
import { textOf } from './lines-of-text.ts';
import { groupLines, settledLines, workLines } from './receipt-lines.ts';

/**
 * Texts that are signed. They consist of plain lines, each with a name and its values, in exactly
 * this order. Everyone can rebuild them from a receipt, in any language, and check the signatures.
 */

/** The provider's statement about its work. */
export type WorkDone = Omit<Receipt, 'delivered' | 'signature' | 'signingKey' | 'group'>;

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
  /** The place in the group that the signature covers; absent if it covers this receipt alone. */
  readonly group?: Uint8Array;
}

export function workText(work: WorkDone): Uint8Array {
  const { requestHash, responseHash } = work;
  return textOf(
    workLines({ ...work, requestHash: hex(requestHash), responseHash: hex(responseHash) }),
  );
}

/** What the provider signs for a group of receipts. */
export const groupText = ({ size, root }: { size: number; root: Uint8Array }): Uint8Array =>
  textOf(groupLines({ size, root: hex(root) }));

/** Returns the text that the coordinator signs. It includes the provider's text and signature. */
export function settledText(
  work: WorkDone,
  { signingKey, signature, group }: ProviderSignature,
  settled: Settled,
): Uint8Array {
  const place = group && unpackPlace(group);
  const lines = settledLines({
    ...settled,
    ...(place && { group: { ...place, proof: place.proof.map(hex) } }),
    signingKey: hex(signingKey),
    signature: hex(signature),
  });
  return joined([workText(work), textOf(lines)]);
}
