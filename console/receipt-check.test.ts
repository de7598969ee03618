import { expect, test } from 'vitest';
import {
  ed25519Signer,
  hex,
  newEd25519Key,
  newP256Key,
  p256Signer,
  printReceipt,
  settledText,
  signTogether,
} from '#bus-schemas';
import { type ReceiptFile, verifyReceipt } from './web/receipts/verify.ts';

const network = ed25519Signer(newEd25519Key());
const keys = [hex(network.publicKey)];
const settled = {
  provider: `A${'B'.repeat(55)}`,
  model: 'sim',
  prices: { input: 3, cacheRead: 1, output: 4 },
  chargedMicroUsd: 100,
  settledAt: 5,
};

function receiptsOf(size: number): ReceiptFile[] {
  const works = Array.from({ length: size }, (_, index) => ({
    version: 2 as const,
    job: `job_${String(index).padStart(22, '0')}`,
    attempt: 1,
    build: 'sim-q4',
    finish: 'stop' as const,
    usage: { promptTokens: 30, cachedTokens: 10, completionTokens: 20 },
    requestHash: new Uint8Array(32).fill(index),
    responseHash: new Uint8Array(32).fill(2),
  }));
  return signTogether(works, p256Signer(newP256Key())).map((work) =>
    printReceipt({
      work,
      by: work,
      settled,
      coordinatorKey: network.publicKey,
      countersignature: network.sign(settledText(work, work, settled)),
    }),
  );
}

test('the console verifies a receipt that was signed alone, and each one of a group', async () => {
  for (const size of [1, 2, 5])
    for (const receipt of receiptsOf(size))
      expect(await verifyReceipt(receipt, keys)).toBe('valid');
});

test('the console refuses a receipt of a group whose tokens, place or price was changed', async () => {
  const [one, other] = receiptsOf(3) as [ReceiptFile, ReceiptFile];
  const { group, usage } = one;
  const changes: [Partial<ReceiptFile>, string][] = [
    [{ usage: { ...usage, completion_tokens: 21 } }, 'wrong_machine_signature'],
    [{ group: other.group as NonNullable<typeof group> }, 'wrong_machine_signature'],
    [{ group: { index: 2, size: 2, proof: group?.proof ?? [] } }, 'wrong_machine_signature'],
    [{ charged_micro_usd: 1 }, 'wrong_network_signature'],
  ];
  for (const [change, verdict] of changes)
    expect(await verifyReceipt({ ...one, ...change }, keys)).toBe(verdict);
  expect(await verifyReceipt(one, [])).toBe('unknown_network_key');
});
