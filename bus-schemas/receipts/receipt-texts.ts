import { hex } from '../bytes.ts';
import type { Receipt } from '../messages/provider.ts';
import { isSignedByP256 } from './signatures.ts';

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

export function workText({
  version,
  job,
  attempt,
  build,
  usage,
  finish,
  requestHash,
  responseHash,
}: WorkDone): Uint8Array {
  const { promptTokens, cachedTokens, completionTokens } = usage;
  return textOf([
    `d-inference receipt ${version ?? 1}`,
    `job ${job}`,
    `attempt ${attempt}`,
    `build ${build}`,
    `tokens ${promptTokens} ${cachedTokens} ${completionTokens}`,
    `finish ${finish}`,
    `request ${hex(requestHash)}`,
    `response ${hex(responseHash)}`,
  ]);
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
  by: ProviderSignature,
  { provider, model, prices, chargedMicroUsd, settledAt }: Settled,
): Uint8Array {
  const lines = textOf([
    'd-inference settled receipt 1',
    `provider ${provider}`,
    `key ${hex(by.signingKey)}`,
    `signature ${hex(by.signature)}`,
    `model ${model}`,
    `prices ${prices.input} ${prices.cacheRead} ${prices.output}`,
    `charged ${chargedMicroUsd}`,
    `at ${settledAt}`,
  ]);
  return Buffer.concat([workText(work), lines]);
}

export const textOf = (lines: readonly string[]): Uint8Array =>
  Buffer.from(lines.map((line) => `${line}\n`).join(''));
