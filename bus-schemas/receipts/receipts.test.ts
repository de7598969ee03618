import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RECEIPT_SALT_BYTES } from '../bytes.ts';
import { ContentHash } from './content-hash.ts';
import {
  faultOfReceipt,
  isReceiptFor,
  type PrintedReceipt,
  printReceipt,
} from './printed-receipt.ts';
import { settledText, type WorkDone, workText } from './receipt-texts.ts';
import { ed25519Signer, newEd25519Key, newP256Key, p256Signer } from './signatures.ts';
import { isSignedByEd25519, isSignedByP256 } from './signed-by.ts';

const [provider, coordinator] = [p256Signer(newP256Key()), ed25519Signer(newEd25519Key())];
const work: WorkDone = {
  version: 2,
  job: 'job_0123456789abcdefghijkl',
  attempt: 1,
  build: 'sim-q4',
  finish: 'stop',
  usage: { promptTokens: 30, cachedTokens: 10, completionTokens: 20 },
  requestHash: new Uint8Array(32).fill(1),
  responseHash: new Uint8Array(32).fill(2),
};
const settled = {
  provider: `A${'B'.repeat(55)}`,
  model: 'sim',
  prices: { input: 3, cacheRead: 1, output: 4 },
  chargedMicroUsd: 100,
  settledAt: 5,
};

const { version: _, ...firstVersion } = work;

function receiptOf({
  signer = provider,
  countersigner = coordinator,
  work: done = work,
} = {}): PrintedReceipt {
  const by = { signingKey: signer.publicKey, signature: signer.sign(workText(done)) };
  const countersignature = countersigner.sign(settledText(done, by, settled));
  return printReceipt({
    work: done,
    by,
    settled,
    coordinatorKey: countersigner.publicKey,
    countersignature,
  });
}

test('tokens that another machine wrote are a line of the signed text, and of the receipt', () => {
  const receipt = receiptOf({ work: { ...work, continuedTokens: 12 } });
  expect(receipt.continued_tokens).toBe(12);
  expect(faultOfReceipt(receipt)).toBeUndefined();
  const { continued_tokens: __, ...alone } = receipt;
  for (const changed of [alone, { ...receipt, continued_tokens: 11 }])
    expect(faultOfReceipt(changed)).toMatch(/the signature of the provider does not match/);
});

test('the signed text can be rebuilt from the fields of a receipt', () => {
  const by = { signingKey: new Uint8Array(65).fill(3), signature: new Uint8Array(64).fill(4) };
  expect(Buffer.from(settledText(work, by, settled)).toString()).toBe(
    [
      'd-inference receipt 2',
      'job job_0123456789abcdefghijkl',
      'attempt 1',
      'build sim-q4',
      'tokens 30 10 20',
      'finish stop',
      `request ${'01'.repeat(32)}`,
      `response ${'02'.repeat(32)}`,
      'd-inference settled receipt 1',
      `provider A${'B'.repeat(55)}`,
      `key ${'03'.repeat(65)}`,
      `signature ${'04'.repeat(64)}`,
      'model sim',
      'prices 3 1 4',
      'charged 100',
      'at 5',
      '',
    ].join('\n'),
  );
});

describe('a receipt', () => {
  test('is valid after it was printed as JSON and parsed again', () => {
    expect(faultOfReceipt(JSON.parse(JSON.stringify(receiptOf())))).toBeUndefined();
  });

  test('of the first version is valid, and with a changed version it is not', () => {
    const first = receiptOf({ work: firstVersion });
    expect(first).not.toHaveProperty('version');
    expect(faultOfReceipt(first)).toBeUndefined();
    expect(faultOfReceipt({ ...first, version: 2 })).toMatch(
      /signature of the (provider|coordinator) does not match/,
    );
    const { version: __, ...stripped } = receiptOf();
    expect(faultOfReceipt(stripped)).toMatch(
      /signature of the (provider|coordinator) does not match/,
    );
  });

  test('is for an answer only with the salt of that answer', () => {
    const [salt, other] = [
      new Uint8Array(RECEIPT_SALT_BYTES).fill(3),
      new Uint8Array(RECEIPT_SALT_BYTES).fill(4),
    ];
    const [answer, guess] = [Buffer.from('Yes.'), Buffer.from('No.')];
    const { plain, keyed } = new ContentHash(salt).update('Ye').update('s.').digest();
    const receipt = receiptOf({ work: { ...work, responseHash: keyed } });
    expect([isReceiptFor(receipt, answer, salt), isReceiptFor(receipt, guess, salt)]).toEqual([
      true,
      false,
    ]);
    expect([isReceiptFor(receipt, answer), isReceiptFor(receipt, answer, other)]).toEqual([
      false,
      false,
    ]);
    const first = receiptOf({ work: { ...firstVersion, responseHash: plain } });
    expect([isReceiptFor(first, answer), isReceiptFor(first, guess)]).toEqual([true, false]);
  });

  test('is invalid with one bit changed in a hash, a key or a signature', () => {
    const receipt = receiptOf();
    const fields = [
      'request_hash',
      'response_hash',
      'signing_key',
      'signature',
      'coordinator_key',
      'countersignature',
    ] as const;
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.nat(), (field, bit) => {
        const bytes = Buffer.from(receipt[field], 'hex');
        const place = bit % (8 * bytes.length);
        bytes[place >> 3] = (bytes[place >> 3] as number) ^ (1 << (place & 7));
        expect(faultOfReceipt({ ...receipt, [field]: bytes.toString('hex') })).toMatch(
          /signature of the (provider|coordinator) does not match/,
        );
      }),
      { numRuns: 300 },
    );
  });

  test.each<[string, (receipt: PrintedReceipt) => object]>([
    ['another job', () => ({ job: 'job_1123456789abcdefghijkl' })],
    ['another attempt', () => ({ attempt: 2 })],
    ['another build', () => ({ build: 'sim-q8' })],
    ['another model', () => ({ model: 'sim-large' })],
    ['another provider', () => ({ provider: `A${'C'.repeat(55)}` })],
    ['more tokens', ({ usage }) => ({ usage: { ...usage, completion_tokens: 21 } })],
    ['another end', () => ({ finish: 'length' })],
    ['another price', ({ prices }) => ({ prices: { ...prices, output: 5 } })],
    ['another cost', () => ({ charged_micro_usd: 101 })],
    ['another time', () => ({ settled_at: 6 })],
    [
      'another provider’s signature',
      () => ({ signature: receiptOf({ signer: p256Signer(newP256Key()) }).signature }),
    ],
    [
      'another coordinator’s key',
      () => ({
        coordinator_key: receiptOf({ countersigner: ed25519Signer(newEd25519Key()) })
          .coordinator_key,
      }),
    ],
  ])('with %s is invalid', (_, change) => {
    const receipt = receiptOf();
    expect(faultOfReceipt({ ...receipt, ...change(receipt) })).toMatch(
      /signature of the (provider|coordinator) does not match/,
    );
  });

  test('in another shape is reported as not a receipt', () => {
    const { signature: _, ...cut } = receiptOf();
    for (const none of [
      undefined,
      null,
      'receipt',
      {},
      cut,
      { ...receiptOf(), signature: 'AB'.repeat(64) },
    ])
      expect(faultOfReceipt(none)).toBe('the file is not a receipt');
  });
});

test('keys of another kind or length, and invalid points, verify no signature', () => {
  const text = Buffer.from('text');
  const signature = provider.sign(text);
  expect(isSignedByP256(provider.publicKey, text, signature)).toBe(true);
  expect(isSignedByP256(coordinator.publicKey, text, signature)).toBe(false);
  expect(
    isSignedByP256(Buffer.concat([Uint8Array.of(4), new Uint8Array(64)]), text, signature),
  ).toBe(false);
  expect(isSignedByP256(provider.publicKey, text, signature.subarray(1))).toBe(false);
  expect(isSignedByEd25519(provider.publicKey, text, coordinator.sign(text))).toBe(false);
  expect(() => p256Signer(newEd25519Key())).toThrow(TypeError);
  expect(() => ed25519Signer(newP256Key())).toThrow(TypeError);
});
