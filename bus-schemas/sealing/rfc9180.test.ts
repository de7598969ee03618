import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sodium from 'libsodium-wrappers';
import { beforeAll, expect, test } from 'vitest';
import { suite } from './suite.ts';

interface Vector {
  readonly info: string;
  readonly ikmR: string;
  readonly skR: string;
  readonly pkR: string;
  readonly enc: string;
  readonly key: string;
  readonly baseNonce: string;
  readonly plain: string;
  readonly sealed: readonly {
    readonly seq: number;
    readonly aad: string;
    readonly bytes: string;
  }[];
  readonly exported: readonly { readonly context: string; readonly bytes: string }[];
}

const vector: Vector = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/rfc9180-a2.json'), 'utf8'),
);
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

beforeAll(() => sodium.ready);

async function recipientContext() {
  const privateKey = await suite.DeserializePrivateKey(bytesOf(vector.skR));
  const keys = { privateKey, publicKey: await suite.DeserializePublicKey(bytesOf(vector.pkR)) };
  return suite.SetupRecipient(keys, bytesOf(vector.enc), { info: bytesOf(vector.info) });
}

test('the suite derives the key pair of RFC 9180 A.2.1', async () => {
  const { publicKey } = await suite.DeriveKeyPair(bytesOf(vector.ikmR));
  expect(hexOf(await suite.SerializePublicKey(publicKey))).toBe(vector.pkR);
});

test('its exporter, from which all keys of a job are derived, gives the values of A.2.1.2', async () => {
  const context = await recipientContext();
  for (const { context: label, bytes } of vector.exported)
    expect(hexOf(await context.Export(bytesOf(label), 32))).toBe(bytes);
});

test('it opens the first messages of A.2.1.1 in order', async () => {
  const context = await recipientContext();
  for (const { aad, bytes } of vector.sealed.filter(({ seq }) => seq <= 2)) {
    expect(hexOf(await context.Open(bytesOf(bytes), bytesOf(aad)))).toBe(vector.plain);
  }
});

test.each(vector.sealed)(
  'the AEAD of the frames seals and opens message $seq of A.2.1.1',
  ({ seq, aad, bytes }) => {
    const nonce = bytesOf(vector.baseNonce);
    const numbers = new DataView(nonce.buffer);
    numbers.setUint32(8, numbers.getUint32(8) ^ seq);
    const sealed = sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
      bytesOf(vector.plain),
      bytesOf(aad),
      null,
      nonce,
      bytesOf(vector.key),
    );
    expect(hexOf(sealed)).toBe(bytes);
    expect(
      hexOf(
        sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
          null,
          sealed,
          bytesOf(aad),
          nonce,
          bytesOf(vector.key),
        ),
      ),
    ).toBe(vector.plain);
  },
);
