import {
  groupLines,
  settledLines,
  type WorkFields,
  workLines,
} from '#bus-schemas/receipt-lines.ts';
import type { Routes } from '../api/routes.ts';

export type ReceiptFile = Routes['GET /v1/receipts/{job}']['answer'];

/** What a check of a receipt found. */
export type ReceiptVerdict =
  | 'valid'
  | 'wrong_machine_signature'
  | 'wrong_network_signature'
  | 'unknown_network_key';

const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/**
 * Checks the two signatures of a receipt with the cryptography of the browser, as
 * `dinf verify receipt` does it, and that the network's key is one of those that it publishes.
 * `networkKeys` are in hexadecimal.
 */
export async function verifyReceipt(
  receipt: ReceiptFile,
  networkKeys: readonly string[],
): Promise<ReceiptVerdict> {
  const work = workLines(workOf(receipt));
  const machine = await crypto.subtle.importKey('raw', bytesOf(receipt.signing_key), P256, false, [
    'verify',
  ]);
  const isWork = await crypto.subtle.verify(
    { name: 'ECDSA', hash: 'SHA-256' },
    machine,
    bytesOf(receipt.signature),
    await signedText(receipt, textOf(work)),
  );
  if (!isWork) return 'wrong_machine_signature';
  const settled = textOf([...work, ...settledLines(settledOf(receipt))]);
  const network = await crypto.subtle.importKey(
    'raw',
    bytesOf(receipt.coordinator_key),
    'Ed25519',
    false,
    ['verify'],
  );
  const isSettled = await crypto.subtle.verify(
    'Ed25519',
    network,
    bytesOf(receipt.countersignature),
    settled,
  );
  if (!isSettled) return 'wrong_network_signature';
  return networkKeys.includes(receipt.coordinator_key) ? 'valid' : 'unknown_network_key';
}

/**
 * The text that the machine has signed: the work, or the root of the group that the receipt names.
 * A false place gives another root, so its signature does not match.
 */
async function signedText(
  { group }: ReceiptFile,
  work: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  if (group === undefined) return work;
  const { fromHex, hex, leafHash, rootOfInclusion } = await import('#bus-schemas/customer.ts');
  const root = rootOfInclusion(leafHash(work), group, group.proof.map(fromHex));
  return textOf(groupLines({ size: group.size, root: root === undefined ? '' : hex(root) }));
}

const workOf = (receipt: ReceiptFile): WorkFields => ({
  version: receipt.version,
  job: receipt.job,
  attempt: receipt.attempt,
  build: receipt.build,
  usage: {
    promptTokens: receipt.usage.prompt_tokens,
    cachedTokens: receipt.usage.cached_tokens,
    completionTokens: receipt.usage.completion_tokens,
  },
  continuedTokens: receipt.continued_tokens,
  finish: receipt.finish,
  requestHash: receipt.request_hash,
  responseHash: receipt.response_hash,
});

const settledOf = (receipt: ReceiptFile) => ({
  provider: receipt.provider,
  signingKey: receipt.signing_key,
  signature: receipt.signature,
  group: receipt.group,
  model: receipt.model,
  prices: {
    input: receipt.prices.input,
    cacheRead: receipt.prices.cache_read,
    output: receipt.prices.output,
  },
  chargedMicroUsd: receipt.charged_micro_usd,
  settledAt: receipt.settled_at,
});

const textOf = (lines: readonly string[]): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''));

const bytesOf = (hex: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
