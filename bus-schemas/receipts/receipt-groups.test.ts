import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { leafHash, nodeHash } from '../transparency/merkle.ts';
import { MAX_GROUP, MAX_GROUP_PROOF, packPlace, unpackPlace } from './group-place.ts';
import {
  faultOfReceipt,
  isReceiptFor,
  type PrintedReceipt,
  printReceipt,
} from './printed-receipt.ts';
import { isSignedReceipt, isWorkSigned, signTogether } from './receipt-signature.ts';
import { groupText, settledText, workText } from './receipt-texts.ts';
import { ed25519Signer, newEd25519Key, newP256Key, p256Signer } from './signatures.ts';
import type { Signer } from './signed-by.ts';

const [machine, coordinator] = [p256Signer(newP256Key()), ed25519Signer(newEd25519Key())];

const work = (index: number) =>
  ({
    version: 2,
    job: `job_${String(index).padStart(22, '0')}`,
    attempt: 1,
    build: 'sim-q4',
    finish: 'stop',
    usage: { promptTokens: 30, cachedTokens: 10, completionTokens: index },
    requestHash: new Uint8Array(32).fill(index),
    responseHash: new Uint8Array(32).fill(index + 1),
  }) as const;
const group = (size: number, signer: Signer = machine) =>
  signTogether(
    Array.from({ length: size }, (_, index) => work(index)),
    signer,
  );
type Signed = ReturnType<typeof group>[number];

/** The same machine, and how often it has signed. */
function counting(): { readonly signer: Signer; count: number } {
  const counted = {
    count: 0,
    signer: {
      publicKey: machine.publicKey,
      sign: (text: Uint8Array) => {
        counted.count += 1;
        return machine.sign(text);
      },
    },
  };
  return counted;
}

function printed(receipt: Signed): PrintedReceipt {
  const settled = {
    provider: `A${'B'.repeat(55)}`,
    model: 'sim',
    prices: { input: 3, cacheRead: 1, output: 4 },
    chargedMicroUsd: 100,
    settledAt: 5,
  };
  return printReceipt({
    work: receipt,
    by: receipt,
    settled,
    coordinatorKey: coordinator.publicKey,
    countersignature: coordinator.sign(settledText(receipt, receipt, settled)),
  });
}

const flipped = (bytes: Uint8Array, bit: number) =>
  bytes.map((byte, place) => (place === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));

describe('receipts that are signed together', () => {
  test('are valid one by one in a group of any size, with one signature for all of them', () => {
    for (let size = 2; size <= MAX_GROUP; size += 1) {
      const counted = counting();
      const receipts = group(size, counted.signer);
      expect(counted.count).toBe(1);
      expect(receipts.map(isSignedReceipt)).toEqual(receipts.map(() => true));
      const sizes = receipts.map(({ group: place }) => unpackPlace(place as Uint8Array)?.size);
      expect(sizes).toEqual(receipts.map(() => size));
    }
  });

  test('have the plain form if there is only one', () => {
    const [alone] = group(1) as [Signed];
    expect(alone.group).toBeUndefined();
    expect(isWorkSigned(work(0), alone)).toBe(true);
    expect(faultOfReceipt(printed(alone))).toBeUndefined();
    expect(printed(alone)).not.toHaveProperty('group');
  });

  test('are valid alone after they were printed as JSON and parsed again', () => {
    for (const receipt of group(5)) {
      const file = JSON.parse(JSON.stringify(printed(receipt)));
      expect(file.group.size).toBe(5);
      expect(faultOfReceipt(file)).toBeUndefined();
      expect(isReceiptFor(file, Buffer.from('an answer'), new Uint8Array(32))).toBe(false);
    }
  });

  test('are invalid with any other number of tokens, also if the group was found valid before', () => {
    const receipts = group(6);
    for (const receipt of receipts) {
      expect(isSignedReceipt(receipt)).toBe(true);
      const usage = { ...receipt.usage, completionTokens: 1_000 };
      expect(isSignedReceipt({ ...receipt, usage })).toBe(false);
    }
  });

  test('are invalid with one bit changed in the place, the signature or the key', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: MAX_GROUP }),
        fc.nat(),
        fc.constantFrom('group', 'signature', 'signingKey'),
        fc.nat(),
        (size, which, field, bit) => {
          const receipt = group(size)[which % size] as Signed;
          const bytes = receipt[field] as Uint8Array;
          const changed = { ...receipt, [field]: flipped(bytes, bit % (8 * bytes.length)) };
          expect(isSignedReceipt(changed)).toBe(false);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('are invalid with the place of another receipt, without a place, or with a place in a plain one', () => {
    const [one, other] = group(2) as [Signed, Signed];
    const [alone] = group(1) as [Signed];
    const { group: _, ...placeless } = one;
    expect(isSignedReceipt({ ...one, group: other.group as Uint8Array })).toBe(false);
    expect(isSignedReceipt(placeless)).toBe(false);
    expect(isSignedReceipt({ ...alone, group: one.group as Uint8Array })).toBe(false);
  });

  test('that are not in the tree are invalid, and do not make the others invalid', () => {
    const receipts = group(8);
    const forged = { ...work(99), ...receipts[3], job: work(99).job };
    expect(isSignedReceipt(forged)).toBe(false);
    expect(receipts.map(isSignedReceipt)).toEqual(receipts.map(() => true));
  });
});

describe('a signed root', () => {
  const leaves = [0, 1, 2, 3].map((index) => leafHash(workText(work(index))));
  const [a, b, c, d] = leaves as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const root = nodeHash(nodeHash(a, b), nodeHash(c, d));
  const by = (size: number, place: { index: number; size: number; proof: Uint8Array[] }) => ({
    signature: machine.sign(groupText({ size, root })),
    signingKey: machine.publicKey,
    group: packPlace(place),
  });

  test('covers the size of its group', () => {
    const place = { index: 0, size: 4, proof: [b, nodeHash(c, d)] };
    expect(isWorkSigned(work(0), by(4, place))).toBe(true);
    // In a tree of three, the first leaf has a proof of the same length.
    expect(isWorkSigned(work(0), by(4, { ...place, size: 3 }))).toBe(false);
    expect(isWorkSigned(work(0), by(3, place))).toBe(false);
  });

  test('is no signature of a receipt alone, and a receipt alone is none of a root', () => {
    const { group: _, ...alone } = by(4, { index: 0, size: 4, proof: [b, nodeHash(c, d)] });
    expect(isWorkSigned(work(0), alone)).toBe(false);
    const [plain] = group(1) as [Signed];
    expect(
      isWorkSigned(work(0), { ...plain, group: packPlace({ index: 0, size: 2, proof: [b] }) }),
    ).toBe(false);
  });

  test('does not make an inner node a receipt', () => {
    const inner = nodeHash(a, b);
    expect(leafHash(Buffer.concat([a, b]))).not.toEqual(inner);
  });
});

test.each<[string, Uint8Array]>([
  ['of no bytes', new Uint8Array(0)],
  ['without a hash', Uint8Array.of(0, 2)],
  ['with half a hash', new Uint8Array(2 + 16).fill(1)],
  ['in a group of one', packPlace({ index: 0, size: 1, proof: [new Uint8Array(32)] })],
  ['behind the end of its group', packPlace({ index: 4, size: 4, proof: [new Uint8Array(32)] })],
  ['in a group that is too large', packPlace({ index: 64, size: 65, proof: [new Uint8Array(32)] })],
  [
    'with a proof that is too long',
    packPlace({
      index: 0,
      size: MAX_GROUP,
      proof: Array.from({ length: MAX_GROUP_PROOF + 1 }, () => new Uint8Array(32)),
    }),
  ],
])('a place %s is none', (_, bytes) => {
  expect(unpackPlace(bytes)).toBeUndefined();
  expect(isSignedReceipt({ ...(group(2)[0] as Signed), group: bytes })).toBe(false);
});

test('the text that is signed for a group, and its line in the countersigned text, can be rebuilt', () => {
  expect(Buffer.from(groupText({ size: 2, root: new Uint8Array(32).fill(7) })).toString()).toBe(
    `d-inference receipt group 1\nreceipts 2\nroot ${'07'.repeat(32)}\n`,
  );
  const receipt = printed(group(2)[1] as Signed);
  const proof = [...leafHash(workText(work(0)))];
  expect(receipt.group).toEqual({ index: 1, size: 2, proof: [Buffer.from(proof).toString('hex')] });
  for (const changed of [
    { ...receipt, group: { ...receipt.group, index: 0 } },
    { ...receipt, group: { ...receipt.group, size: 3 } },
    { ...receipt, group: undefined },
  ])
    expect(faultOfReceipt(changed)).toMatch(/the signature of the provider does not match/);
});
