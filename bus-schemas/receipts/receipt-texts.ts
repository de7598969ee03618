import { hex } from '../bytes.ts';
import type { Receipt } from '../messages/provider.ts';
import { isSignedByP256 } from './signatures.ts';

/**
 * What is signed. Lines of plain text, each a name and its values, in this order and no other:
 * anybody can write them down again from
 * what a receipt says, in any language, and hold the signatures against them.
 */

/** What the provider says the work was. */
export type WorkDone = Omit<Receipt, 'delivered' | 'signature' | 'signingKey'>;

/** What the coordinator says beside it: whose work it was, and what it cost. */
export interface Settled {
  readonly provider: string;
  readonly model: string;
  /** Micro-dollars for a million tokens. */
  readonly prices: { readonly input: number; readonly cacheRead: number; readonly output: number };
  readonly chargedMicroUsd: number;
  readonly settledAt: number;
}

export interface ProviderSignature {
  /** Uncompressed P-256. */
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
 * Whether the receipt is signed with the key that it names. Whose key that is, the caller has to
 * know.
 */
export function isSignedReceipt({ signature, signingKey, ...work }: Receipt): boolean {
  return (
    signature !== undefined &&
    signingKey !== undefined &&
    isSignedByP256(signingKey, workText(work), signature)
  );
}

/** The provider's lines and signature are a part of it. */
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
