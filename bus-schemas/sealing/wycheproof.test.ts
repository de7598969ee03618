import { createHmac, createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sodium from 'libsodium-wrappers';
import { beforeAll, describe, expect, test } from 'vitest';
import { RelayRecipient } from './relay-recipient.ts';
import { RelaySenders } from './relay-senders.ts';
import { CONTEXT_INFO, contextSecret, suite } from './suite.ts';

interface Group<Case> {
  readonly result: 'valid' | 'acceptable' | 'invalid';
  readonly flags: readonly string[];
  readonly cases: readonly (Case & { readonly id: number })[];
}

interface Agreement {
  readonly public: string;
  readonly private: string;
  readonly shared: string;
}

interface Sealed {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly sealed: string;
}

function groupsOf<Case>(name: string): readonly Group<Case>[] {
  return JSON.parse(
    readFileSync(join(import.meta.dirname, `../vectors/wycheproof-${name}.json`), 'utf8'),
  ).groups;
}

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const PKCS8_OF_X25519 = '302e020100300506032b656e04220420';
const name = { job: 'job_0123456789abcdefghijkl', attempt: 1 };

async function keyPairOf(privateKey: string) {
  const key = createPrivateKey({
    key: Buffer.from(PKCS8_OF_X25519 + privateKey, 'hex'),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = new Uint8Array(
    Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url'),
  );
  return {
    publicKey,
    keys: {
      privateKey: await suite.DeserializePrivateKey(bytesOf(privateKey)),
      publicKey: await suite.DeserializePublicKey(publicKey),
    },
  };
}

/**
 * Sections 4, 4.1 and 5.1 of RFC 9180 without X25519: derives from a shared secret what the suite
 * must derive.
 */
function exportedFrom(
  agreed: { shared: string; enc: string; publicKey: Uint8Array },
  label: string,
): string {
  const hmac = (key: Uint8Array, ...parts: readonly (Uint8Array | string)[]) =>
    parts.reduce((mac, part) => mac.update(part), createHmac('sha256', key)).digest();
  const labeled = (suiteId: Buffer) => ({
    extract: (salt: Uint8Array, label: string, ikm: Uint8Array) =>
      hmac(salt, 'HPKE-v1', suiteId, label, ikm),
    expand: (prk: Uint8Array, label: string, info: Uint8Array) =>
      hmac(prk, Uint8Array.of(0, 32), 'HPKE-v1', suiteId, label, info, Uint8Array.of(1)),
  });
  const none = new Uint8Array();
  const kem = labeled(Buffer.concat([Buffer.from('KEM'), Uint8Array.of(0, 0x20)]));
  const hpke = labeled(Buffer.concat([Buffer.from('HPKE'), Uint8Array.of(0, 0x20, 0, 1, 0, 3)]));
  const ends = Buffer.concat([bytesOf(agreed.enc), agreed.publicKey]);
  const secret = kem.expand(
    kem.extract(none, 'eae_prk', bytesOf(agreed.shared)),
    'shared_secret',
    ends,
  );
  const schedule = Buffer.concat([
    Uint8Array.of(0),
    hpke.extract(none, 'psk_id_hash', none),
    hpke.extract(none, 'info_hash', CONTEXT_INFO),
  ]);
  const exporter = hpke.expand(hpke.extract(secret, 'secret', none), 'exp', schedule);
  return hpke.expand(exporter, 'sec', Buffer.from(label)).toString('hex');
}

beforeAll(() => sodium.ready);

describe('X25519 in the suite', () => {
  const groups = groupsOf<Agreement>('x25519').map((group) => ({
    ...group,
    named: `${group.result} ${group.flags.join(' ')}`,
  }));
  const isNothing = ({ flags }: { flags: readonly string[] }) => flags.includes('ZeroSharedSecret');

  test.each(groups.filter((group) => !isNothing(group)))(
    'derives the secret of every case of $named',
    async ({ cases }) => {
      const wrong: number[] = [];
      for (const { id, public: enc, private: privateKey, shared } of cases) {
        const { publicKey, keys } = await keyPairOf(privateKey);
        const secret = await contextSecret(
          await suite.SetupRecipient(keys, bytesOf(enc), { info: CONTEXT_INFO }),
        );
        if (hexOf(secret.export()) !== exportedFrom({ shared, enc, publicKey }, 'd-inference jobs'))
          wrong.push(id);
      }
      expect(wrong).toEqual([]);
    },
  );

  const nothing = groups.filter(isNothing);
  const lowOrder = [
    ...new Map(
      nothing.flatMap(({ cases }) => cases).map((agreement) => [agreement.public, agreement]),
    ).values(),
  ];

  test('every secret of zeros belongs to a point of low order, which the platform refuses', () => {
    for (const { cases } of nothing) {
      for (const { public: point, private: privateKey, shared } of cases) {
        expect(shared).toBe('00'.repeat(32));
        const keyOf = (d: string) =>
          createPrivateKey({
            key: Buffer.from(PKCS8_OF_X25519 + d, 'hex'),
            format: 'der',
            type: 'pkcs8',
          });
        const publicKey = createPublicKey({
          key: { kty: 'OKP', crv: 'X25519', x: Buffer.from(point, 'hex').toString('base64url') },
          format: 'jwk',
        });
        expect(() => diffieHellman({ privateKey: keyOf(privateKey), publicKey })).toThrow();
      }
    }
  });

  test.each(lowOrder)(
    'nothing is sealed to the point of low order $public',
    async ({ public: point }) => {
      await expect(
        new RelaySenders().sealFor({ ...name, recipient: bytesOf(point) }),
      ).rejects.toMatchObject({ name: 'EncapError' });
    },
  );

  test('a recipient derives no keys from such points, for any key of its own', async () => {
    for (const { cases } of nothing) {
      for (const { public: point, private: privateKey } of cases) {
        const recipient = new RelayRecipient(await keyPairOf(privateKey));
        await expect(recipient.sealsFor({ ...name, enc: bytesOf(point) })).rejects.toMatchObject({
          name: 'DecapError',
        });
        const { enc } = await new RelaySenders().sealFor({
          ...name,
          recipient: recipient.publicKey,
        });
        await expect(recipient.sealsFor({ ...name, enc })).resolves.toMatchObject({ enc });
      }
    }
  });
});

describe('ChaCha20-Poly1305 in frames', () => {
  const groups = groupsOf<Sealed>('chacha20-poly1305').map((group) => ({
    ...group,
    named: `${group.result} ${group.flags.join(' ')}`,
  }));
  const seal = ({ key, iv, aad, msg }: Sealed) =>
    hexOf(
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        bytesOf(msg),
        bytesOf(aad),
        null,
        bytesOf(iv),
        bytesOf(key),
      ),
    );
  const open = ({ key, iv, aad, sealed }: Sealed) => {
    try {
      return hexOf(
        sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
          null,
          bytesOf(sealed),
          bytesOf(aad),
          bytesOf(iv),
          bytesOf(key),
        ),
      );
    } catch {
      return 'unopenable';
    }
  };

  test.each(groups.filter(({ result }) => result === 'valid'))(
    'seals and opens every case of $named',
    ({ cases }) => {
      expect(
        cases
          .filter((vector) => seal(vector) !== vector.sealed || open(vector) !== vector.msg)
          .map(({ id }) => id),
      ).toEqual([]);
    },
  );

  test.each(groups.filter(({ result }) => result === 'invalid'))(
    'opens no case of $named',
    ({ cases }) => {
      expect(cases.filter((vector) => open(vector) !== 'unopenable').map(({ id }) => id)).toEqual(
        [],
      );
    },
  );
});
