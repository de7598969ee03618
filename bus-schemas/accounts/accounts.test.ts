import { decode } from '@nats-io/jwt';
import { createAccount, createOperator, createUser, fromPublic, fromSeed } from '@nats-io/nkeys';
import { describe, expect, test } from 'vitest';
import {
  isSigningKey,
  mintOperator,
  mintOwnAccounts,
  mintProviderAccount,
  mintProviderUser,
  type OperatorKeys,
  signingKeysOf,
} from './jwts.ts';
import { isNkeySigned, Nkey } from './nkey.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (seed: Uint8Array) => new TextDecoder().decode(seed);

describe.each([
  ['operator', createOperator],
  ['account', createAccount],
  ['user', createUser],
] as const)("an %s's nkey", (kind, createByLibrary) => {
  test('that the library made is parsed as the same key and makes the same signatures', () => {
    const theirs = createByLibrary();
    const ours = Nkey.fromSeed(text(theirs.getSeed()));
    expect(ours.seed).toBe(text(theirs.getSeed()));
    expect(ours.getPublicKey()).toBe(theirs.getPublicKey());
    const message = bytes('a nonce');
    expect([...ours.sign(message)]).toEqual([...theirs.sign(message)]);
    expect(ours.verify(message, theirs.sign(message))).toBe(true);
  });

  test('that is made here is parsed by the library, which verifies its signatures', () => {
    const ours = Nkey.create(kind);
    const theirs = fromSeed(bytes(ours.seed));
    expect(theirs.getPublicKey()).toBe(ours.getPublicKey());
    const signature = ours.sign(bytes('a nonce'));
    const verifier = fromPublic(ours.getPublicKey());
    expect(verifier.verify(bytes('a nonce'), signature)).toBe(true);
    expect(verifier.verify(bytes('another'), signature)).toBe(false);
    expect(ours.verify(bytes('another'), signature)).toBe(false);
  });

  test('is restored from its seed and derived from 32 bytes', () => {
    const raw = Uint8Array.from({ length: 32 }, (_, index) => index * 7);
    const key = new Nkey(kind, raw);
    expect(Nkey.fromSeed(key.seed).getPublicKey()).toBe(key.getPublicKey());
    expect(Nkey.fromSeed(`${key.seed}\n`).seed).toBe(key.seed);
    expect(new Nkey(kind, raw.with(0, 1)).getPublicKey()).not.toBe(key.getPublicKey());
  });

  test('with one changed letter in its seed is refused', () => {
    const { seed } = Nkey.create(kind);
    for (let at = 0; at < seed.length; at += 1) {
      for (const letter of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.replace(seed.charAt(at), '')) {
        const changed = seed.slice(0, at) + letter + seed.slice(at + 1);
        expect(() => Nkey.fromSeed(changed), `letter ${at}`).toThrow(/nkey/);
      }
    }
  });
});

test.each([
  '',
  'S',
  'SU',
  'not a seed',
  'SUAA',
  Nkey.create('user').getPublicKey(),
  Nkey.create('user').seed.slice(0, -4),
  Nkey.create('user').seed.toLowerCase(),
])('a text that is not a seed is refused: %j', (seed) =>
  expect(() => Nkey.fromSeed(seed)).toThrow(/nkey/),
);

describe('the signature of a machine', () => {
  const key = Nkey.create('user');
  const input = bytes('a text');
  const signed = {
    kind: 'user',
    publicKey: key.getPublicKey(),
    input,
    signature: key.sign(input),
  } as const;

  test('is verified only with its own public key', () => {
    expect(isNkeySigned(signed)).toBe(true);
    expect(isNkeySigned({ ...signed, input: bytes('another text') })).toBe(false);
    expect(isNkeySigned({ ...signed, publicKey: Nkey.create('user').getPublicKey() })).toBe(false);
    expect(isNkeySigned({ ...signed, signature: new Uint8Array(64) })).toBe(false);
  });

  test.each([
    '',
    'U',
    key.seed,
    Nkey.create('account').getPublicKey(),
    `${key.getPublicKey().slice(0, -1)}${key.getPublicKey().endsWith('A') ? 'B' : 'A'}`,
    `U${'A'.repeat(55)}`,
  ])('is not verified with a text that is not the key of a machine: %s', (publicKey) =>
    expect(isNkeySigned({ ...signed, publicKey })).toBe(false),
  );
});

describe('the operator', () => {
  const keys: OperatorKeys = {
    signing: Nkey.create('operator'),
    system: Nkey.create('account'),
    core: Nkey.create('account'),
    ops: Nkey.create('account'),
  };
  const account = Nkey.create('account');
  const provider = account.getPublicKey();

  test('gives a provider its own pair of subjects, one leaf, and no JetStream', async () => {
    const claims = decode<{
      imports: { subject: string }[];
      exports?: unknown[];
      limits: Record<string, unknown>;
    }>(await mintProviderAccount(keys, provider));
    expect(claims).toMatchObject({ sub: provider, iss: keys.signing.getPublicKey() });
    expect(claims.nats.imports?.map(({ subject }) => subject)).toEqual([
      `up.${provider}.>`,
      `down.${provider}.>`,
    ]);
    expect(claims.nats.exports ?? []).toEqual([]);
    expect(claims.nats.limits).toMatchObject({ leaf: 1, exports: 0, wildcards: false });
    for (const limit of ['mem_storage', 'disk_storage', 'streams', 'consumer'])
      expect(claims.nats.limits?.[limit] ?? 0).toBe(0);
  });

  test("allows a provider's user only up and down, and only as a leaf", async () => {
    const user = Nkey.create('user').getPublicKey();
    const claims = decode<Record<string, unknown>>(
      await mintProviderUser(account, user, 1_800_000_000_999),
    );
    expect(claims).toMatchObject({ sub: user, iss: provider, exp: 1_800_000_000 });
    expect(claims.nats).toMatchObject({
      pub: { allow: ['up.>'] },
      sub: { allow: ['down.>'] },
      allowed_connection_types: ['LEAFNODE'],
    });
  });

  test("exports no subject with a provider's name that another account could use", async () => {
    const { core } = await mintOwnAccounts(keys);
    const { exports } = decode<{ exports: { subject: string; account_token_position?: number }[] }>(
      core,
    ).nats;
    const named = (exports ?? []).filter(({ subject }) => /^(up|down)\./.test(subject));
    expect(named).toHaveLength(2);
    for (const { account_token_position } of named) expect(account_token_position).toBe(2);
  });

  test('lets the identity key of the operator name one signing key', async () => {
    const identity = Nkey.create('operator');
    const signingKeys = [keys.signing.getPublicKey()];
    const jwt = await mintOperator(identity, { signingKeys, system: keys.system });
    expect(signingKeysOf(jwt)).toEqual(signingKeys);
    expect(isSigningKey(jwt, keys.signing)).toBe(true);
    expect(isSigningKey(jwt, identity)).toBe(true);
    expect(isSigningKey(jwt, Nkey.create('operator'))).toBe(false);
  });
});
