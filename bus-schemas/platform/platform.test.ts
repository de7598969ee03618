import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Bytes } from '../codec.ts';
import { ed25519Signer, newEd25519Key, newP256Key, p256Signer } from '../receipts/signatures.ts';
import { Type } from '../type.ts';
import * as browser from './browser.ts';
import * as node from './node.ts';

// Both platforms must compute the same: a machine seals with one of them, a page opens with the other.

const SIZES = [0, 1, 15, 16, 17, 63, 64, 65, 1_000, 16_383, 16_384, 70_000];
const bytes = (size: number): Uint8Array => new Uint8Array(node.randomBytes(size));
const plainBytes = (value: Uint8Array): number[] => [...value];
const vectorsOf = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../vectors', name), 'utf8'));

test('both platforms have the same exports', () => {
  expect(Object.keys(browser).toSorted()).toEqual(Object.keys(node).toSorted());
});

describe.each(SIZES)('data of %i bytes', (size) => {
  test('has the same hashes and codes', () => {
    const [data, key] = [bytes(size), bytes(32)];
    const half = data.subarray(0, size >> 1);
    const rest = data.subarray(size >> 1);
    expect(node.toHex(browser.sha256(half, rest))).toBe(node.toHex(node.sha256(data)));
    const running = browser.newSha256();
    running.update(half);
    running.update(rest);
    expect(node.toHex(running.digest())).toBe(node.toHex(node.sha256(data)));
    expect(node.toHex(browser.hmacSha256(browser.secretKey(key), half, rest))).toBe(
      node.toHex(node.hmacSha256(node.secretKey(key), data)),
    );
  });

  test('has the same encodings', () => {
    const data = bytes(size);
    expect(browser.toHex(data)).toBe(node.toHex(data));
    expect(plainBytes(browser.fromHex(node.toHex(data)))).toEqual(plainBytes(data));
    const base64 = Buffer.from(data).toString('base64');
    expect(plainBytes(browser.fromBase64(base64))).toEqual(plainBytes(data));
    expect(browser.isSame(data, Uint8Array.from(data))).toBe(true);
    expect(browser.isSame(data, Uint8Array.of(...data.subarray(0, 20), 1))).toBe(false);
  });

  test('is sealed by one platform and opened by the other, unless a bit was changed', async () => {
    await node.aeadReady();
    const input = { key: bytes(32), nonce: bytes(12), bound: bytes(size % 40) };
    const plain = bytes(size);
    const sealed = node.chacha20Poly1305.seal(plain, input);
    expect(node.toHex(browser.chacha20Poly1305.seal(plain, input))).toBe(node.toHex(sealed));
    expect(plainBytes(browser.chacha20Poly1305.open(sealed, input))).toEqual(plainBytes(plain));
    const changed = Uint8Array.from(sealed);
    changed[size] = (changed[size] ?? 0) ^ 1;
    expect(() => browser.chacha20Poly1305.open(changed, input)).toThrow();
    expect(() =>
      browser.chacha20Poly1305.open(sealed, { ...input, bound: Uint8Array.of(9) }),
    ).toThrow();
  });
});

describe('signatures', () => {
  test.each([
    { name: 'P-256', signer: p256Signer(newP256Key()), verifies: browser.verifiesP256 },
    { name: 'Ed25519', signer: ed25519Signer(newEd25519Key()), verifies: browser.verifiesEd25519 },
  ])('of Node with $name are valid in the browser, and no others', ({ signer, verifies }) => {
    for (const size of SIZES) {
      const text = bytes(size);
      const signature = signer.sign(text);
      expect(verifies(signer.publicKey, text, signature)).toBe(true);
      expect(verifies(signer.publicKey, Uint8Array.of(...text.subarray(0, 9), 7), signature)).toBe(
        false,
      );
    }
  });

  test.each([
    {
      file: 'wycheproof-ecdsa-p256.json',
      verifies: browser.verifiesP256,
      reference: node.verifiesP256,
    },
    {
      file: 'wycheproof-ed25519.json',
      verifies: browser.verifiesEd25519,
      reference: node.verifiesEd25519,
    },
  ])('of $file have the same result on both platforms', ({ file, verifies, reference }) => {
    const result = (
      check: typeof verifies,
      parts: readonly [Uint8Array, Uint8Array, Uint8Array],
    ) => {
      try {
        return check(...parts);
      } catch {
        return false;
      }
    };
    let compared = 0;
    for (const { cases } of vectorsOf(file).groups)
      for (const { id, key, msg, sig } of cases) {
        const parts = [node.fromHex(key), node.fromHex(msg), node.fromHex(sig)] as const;
        compared += 1;
        expect({ id, valid: result(verifies, parts) }).toEqual({
          id,
          valid: result(reference, parts),
        });
      }
    expect(compared).toBeGreaterThan(50);
  });
});

test('ChaCha20-Poly1305 of the browser agrees with the Wycheproof vectors', () => {
  let opened = 0;
  for (const { result, cases } of vectorsOf('wycheproof-chacha20-poly1305.json').groups)
    for (const { id, key, iv, aad, msg, sealed } of cases) {
      const input = {
        key: browser.fromHex(key),
        nonce: browser.fromHex(iv),
        bound: browser.fromHex(aad),
      };
      const open = () =>
        browser.toHex(browser.chacha20Poly1305.open(browser.fromHex(sealed), input));
      if (result === 'valid') {
        expect({ id, msg: open() }).toEqual({ id, msg });
        opened += 1;
      } else expect(open, `vector ${id}`).toThrow();
    }
  expect(opened).toBeGreaterThan(50);
});

test('both platforms accept and reject the same values', () => {
  const schema = Type.Object({
    name: Type.String({ pattern: '^[a-z]+$', maxLength: 4 }),
    size: Type.Optional(Type.Integer({ minimum: 1 })),
    data: Bytes({ min: 2, max: 3 }),
  });
  const data = Uint8Array.of(1, 2);
  const values = [
    { name: 'abc', data },
    { name: 'abc', size: 1, data },
    { name: 'abc', size: 0, data },
    { name: 'abcde', data },
    { name: 'A', data },
    { name: 'abc', data: Uint8Array.of(1) },
    { name: 'abc', data: [1, 2] },
    { data },
    null,
  ];
  const results = values.map((value) => browser.checkerOf(schema).Check(value));
  expect(results).toEqual(values.map((value) => node.checkerOf(schema).Check(value)));
  expect(results).toEqual([true, true, false, false, false, false, false, false, false]);
});
