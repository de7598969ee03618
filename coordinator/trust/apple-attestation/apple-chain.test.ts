import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type {
  CertificateOptions,
  IssuedCertificate,
} from '#coordinator/founding/issue-certificate.ts';
import { deviceExtensions, TestAppleCa, type TestDevice } from '#testcontainers';
import { type AppleChain, type AppleChainFault, verifyAppleChain } from './apple-chain.ts';

const HOUR = 3_600_000;
const AT = new Date('2026-06-01T12:00:00Z');
const WHILE = { from: new Date(AT.getTime() - HOUR), until: new Date(AT.getTime() + HOUR) };
const FUTURE = { from: new Date(AT.getTime() + 1_000), until: WHILE.until };
const PAST = { from: WHILE.from, until: new Date(AT.getTime() - 1_000) };

const freshness = createHash('sha256').update('the key of this machine').digest();
const device = {
  serialNumber: 'C02XL3FHJG5J',
  udid: '00006041-001C04C13AD8801E',
  osVersion: '26.4.1',
  freshness,
  sip: 0,
  secureBoot: 'Full Security',
};
const attested = {
  serialNumber: device.serialNumber,
  udid: device.udid,
  osVersion: device.osVersion,
  sipEnabled: true,
  secureBoot: 'full',
};

const ca = new TestAppleCa(WHILE);
const chain = ca.attest(device);
const [leaf, intermediate] = chain;

const verified = (given: Partial<AppleChain>) =>
  verifyAppleChain({
    chain,
    roots: [ca.root.der],
    at: AT,
    freshness,
    revoked: () => false,
    ...given,
  });
const faultOf = (given: Partial<AppleChain>): AppleChainFault | 'posture' | undefined => {
  const attestation = verified(given);
  return attestation.ok ? undefined : attestation.fault;
};
const faultOfLeaf = (said: TestDevice) => faultOf({ chain: ca.attest(said) });
const leafOf = (issuer: IssuedCertificate) =>
  ca.issue({ name: 'a machine', issuer, extensions: deviceExtensions(device) }).der;
/** Builds a chain through an intermediate with these properties. */
const through = (options: Partial<CertificateOptions>) => {
  const made = ca.issue({
    name: 'another intermediate',
    issuer: ca.root,
    authority: {},
    ...options,
  });
  return [leafOf(made), made.der];
};

test('returns the attested properties, whether or not the chain includes the root', () => {
  expect(verified({})).toEqual({ ok: true, device: attested });
  expect(verified({ chain: [...chain, ca.root.der] })).toEqual({ ok: true, device: attested });
  expect(verified({ roots: [new TestAppleCa(WHILE).root.der, ca.root.der] })).toEqual({
    ok: true,
    device: attested,
  });
  expect(
    verified({
      chain: ca.attest({ ...device, serialNumber: 'C02' }, { keys: 'P-256', hash: 'sha256' }),
    }),
  ).toMatchObject({ ok: true });
});

test('a missing OS version stays undefined', () => {
  const { osVersion: _, ...others } = device;
  expect(verified({ chain: ca.attest(others) })).toEqual({
    ok: true,
    device: { ...attested, osVersion: undefined },
  });
});

test('a chain of another root is refused, even if it has the same names', () => {
  const self = new TestAppleCa(WHILE);
  const made = self.attest(device);
  expect(faultOf({ chain: made })).toBe('unknown_root');
  expect(faultOf({ chain: [...made, self.root.der] })).toBe('unknown_root');
  expect(faultOf({ chain: [...chain, self.root.der] })).toBe('unknown_root');
  expect(faultOf({ roots: [] })).toBe('unknown_root');
  expect(faultOf({ chain: [made[0], self.intermediate.der, ca.root.der] })).toBe('bad_signature');
});

test('leaf, intermediate and root must all be valid at the time', () => {
  expect(faultOf({ chain: ca.attest(device, PAST) })).toBe('expired');
  expect(faultOf({ chain: ca.attest(device, FUTURE) })).toBe('not_yet_valid');
  expect(faultOf({ chain: through(PAST) })).toBe('expired');
  expect(faultOf({ chain: through(FUTURE) })).toBe('not_yet_valid');
  const old = new TestAppleCa(PAST);
  const signedByOld = old.issue({
    ...WHILE,
    name: 'a young intermediate',
    issuer: old.root,
    authority: {},
  });
  expect(faultOf({ chain: [leafOf(signedByOld), signedByOld.der], roots: [old.root.der] })).toBe(
    'expired',
  );
  expect(faultOf({ at: WHILE.from })).toBeUndefined();
  expect(faultOf({ at: WHILE.until })).toBeUndefined();
  expect(faultOf({ at: new Date(Number.NaN) })).toBe('not_yet_valid');
});

test('only an authority may sign, within its path length', () => {
  const DIGITAL_SIGNATURE = 1;
  const signsByMistake = ca.issue({ name: 'a machine that signs' });
  expect(faultOf({ chain: [leafOf(signsByMistake), signsByMistake.der, intermediate] })).toBe(
    'not_a_ca',
  );
  expect(faultOf({ chain: through({ keyUsage: DIGITAL_SIGNATURE }) })).toBe('not_a_ca');
  expect(faultOf({ chain: through({ keyUsage: null }) })).toBeUndefined();
  const saysThatItIsNone = ca.issue({
    name: 'no authority',
    issuer: ca.root,
    extensions: [{ id: '2.5.29.19', value: Buffer.of(0x30, 0), critical: true }],
  });
  expect(faultOf({ chain: [leafOf(saysThatItIsNone), saysThatItIsNone.der] })).toBe('not_a_ca');
  const below = ca.issue({ name: 'below the intermediate', authority: {} });
  expect(faultOf({ chain: [leafOf(below), below.der, intermediate] })).toBe('too_long');
  const above = ca.issue({
    name: 'may have one below',
    issuer: ca.root,
    authority: { pathLength: 1 },
  });
  const one = ca.issue({ name: 'one below', issuer: above, authority: {} });
  expect(faultOf({ chain: [leafOf(one), one.der, above.der] })).toBeUndefined();
  expect(faultOf({ chain: [intermediate] })).toBe('not_a_leaf');
  expect(faultOf({ chain: [ca.root.der] })).toBe('not_a_leaf');
});

test('a leaf must be signed by the next certificate of the chain', () => {
  const other = ca.issue({ name: 'another intermediate', issuer: ca.root, authority: {} });
  const sameName = ca.issue({
    name: TestAppleCa.INTERMEDIATE_NAME,
    issuer: ca.root,
    authority: {},
  });
  expect(faultOf({ chain: [leaf, other.der] })).toBe('wrong_issuer');
  expect(faultOf({ chain: [leaf, sameName.der] })).toBe('bad_signature');
  expect(faultOf({ chain: [leafOf(other), intermediate] })).toBe('wrong_issuer');
  expect(faultOf({ chain: [leaf] })).toBe('unknown_root');
  expect(faultOf({ chain: [leaf, ca.root.der] })).toBe('wrong_issuer');
  expect(faultOf({ chain: [intermediate, leaf] })).toBe('unknown_root');
});

test('the freshness of another machine, an earlier, a shortened and a lengthened one are stale', () => {
  const others = createHash('sha256').update('another machine').digest();
  expect(faultOf({ freshness: others })).toBe('stale');
  expect(faultOfLeaf({ ...device, freshness: others })).toBe('stale');
  expect(faultOf({ freshness: freshness.subarray(0, 31) })).toBe('stale');
  expect(faultOf({ freshness: new Uint8Array() })).toBe('stale');
  expect(faultOfLeaf({ ...device, freshness: Buffer.concat([freshness, Buffer.alloc(1)]) })).toBe(
    'stale',
  );
  expect(faultOfLeaf({ ...device, freshness: Buffer.concat([Buffer.of(4, 32), freshness]) })).toBe(
    'stale',
  );
});

test('a missing property, or one in an unknown encoding, is never guessed', () => {
  for (const claim of ['serialNumber', 'udid', 'freshness', 'sip', 'secureBoot'] as const) {
    const { [claim]: _, ...others } = device;
    expect([claim, faultOfLeaf(others)]).toEqual([claim, 'missing_claim']);
  }
  expect(faultOf({ chain: [ca.issue({ name: 'a machine' }).der, intermediate] })).toBe(
    'missing_claim',
  );
  for (const secureBoot of [
    'full security',
    'toString',
    '\u000c\u000dFull Security',
    'Full Security\0',
  ]) {
    expect([secureBoot, faultOfLeaf({ ...device, secureBoot })]).toEqual([
      secureBoot,
      'missing_claim',
    ]);
  }
  for (const serialNumber of ['C02\n', 'Ç02', 'x'.repeat(65)])
    expect(faultOfLeaf({ ...device, serialNumber })).toBe('missing_claim');
  const { sip: _, ...others } = device;
  const saysOfSip = (written: string) => [
    ...deviceExtensions(others),
    { id: '1.2.840.113635.100.8.13.1', value: Buffer.from(written, 'hex') },
  ];
  for (const written of ['0101ff', '010100', '0200', '30', '00', '02010000']) {
    expect([
      written,
      faultOf({ chain: ca.attest(others, { extensions: saysOfSip(written) }) }),
    ]).toEqual([written, 'missing_claim']);
  }
  expect(faultOf({ chain: ca.attest(others, { extensions: saysOfSip('02020080') }) })).toBe(
    'posture',
  );
});

test('an attested machine that may not serve is returned with its fault', () => {
  expect(verified({ chain: ca.attest({ ...device, sip: 1 }) })).toEqual({
    ok: false,
    fault: 'posture',
    device: { ...attested, sipEnabled: false },
  });
  expect(verified({ chain: ca.attest({ ...device, sip: 0x77 }) })).toMatchObject({
    fault: 'posture',
    device: { sipEnabled: false },
  });
  expect(
    verified({ chain: ca.attest({ ...device, secureBoot: 'Reduced Security' }) }),
  ).toMatchObject({ fault: 'posture', device: { secureBoot: 'reduced' } });
  expect(
    verified({ chain: ca.attest({ ...device, secureBoot: 'Permissive Security' }) }),
  ).toMatchObject({
    fault: 'posture',
    device: { secureBoot: 'permissive' },
  });
});

test('a revoked serial number is refused, in a leaf and above it', () => {
  const asked: string[] = [];
  const serial = Buffer.from('70c1ab00', 'hex');
  const given = { chain: ca.attest(device, { serial }) };
  expect(faultOf({ ...given, revoked: (number) => asked.push(number) < 0 })).toBeUndefined();
  expect(asked).toEqual(['01', '01', '70c1ab00']);
  expect(faultOf({ ...given, revoked: (number) => number === '70c1ab00' })).toBe('revoked');
  expect(faultOf({ chain: through({ serial }), revoked: (number) => number === '70c1ab00' })).toBe(
    'revoked',
  );
});

test('more or larger certificates than Apple sends are not parsed', () => {
  expect(faultOf({ chain: [...chain, intermediate, intermediate, ca.root.der] })).toBe('too_large');
  expect(faultOf({ chain: Array.from({ length: 100_000 }, () => new Uint8Array()) })).toBe(
    'too_large',
  );
  expect(
    faultOf({
      chain: ca.attest(device, { extensions: [{ id: '1.2.3', value: randomBytes(4096) }] }),
    }),
  ).toBe('too_large');
});

test('bytes that are no certificate, a part of one, or more than one are malformed', () => {
  expect(faultOf({ chain: [] })).toBe('malformed');
  expect(faultOf({ chain: [new Uint8Array(), intermediate] })).toBe('malformed');
  expect(faultOf({ chain: [Buffer.concat([leaf, Buffer.alloc(1)]), intermediate] })).toBe(
    'malformed',
  );
  expect(faultOf({ chain: [leaf, Buffer.concat([intermediate, ca.root.der])] })).toBe('malformed');
  expect(faultOf({ chain: ca.attest(device, { version: 0 }) })).toBe('malformed');
  expect(
    faultOf({ chain: [Buffer.from(new X509Certificate(leaf).toString()), intermediate] }),
  ).toBe('malformed');
  const deep = Buffer.concat(
    Array.from({ length: 1_000 }, (_, level) =>
      Buffer.of(0x30, 0x82, (4 * (999 - level)) >> 8, (4 * (999 - level)) & 255),
    ),
  );
  expect(faultOf({ chain: [deep, intermediate] })).toBe('malformed');
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: leaf.length - 1 }),
      (end) => faultOf({ chain: [leaf.subarray(0, end), intermediate] }) === 'malformed',
    ),
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 500 }),
      (bytes) => faultOf({ chain: [bytes, intermediate] }) === 'malformed',
    ),
  );
  expect(() => verified({ roots: [new Uint8Array(3)] })).toThrow(TypeError);
});

test('a changed bit in the leaf or the intermediate never yields another machine', () => {
  const changed = (der: Uint8Array, bit: number) =>
    der.map((byte, place) => (place === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
  const holds = (given: Uint8Array[]) => {
    const attestation = verified({ chain: given });
    if (attestation.ok) expect(attestation.device).toEqual(attested);
    else expect(attestation).not.toHaveProperty('device');
  };
  fc.assert(
    fc.property(fc.nat(leaf.length * 8 - 1), (bit) => holds([changed(leaf, bit), intermediate])),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(fc.nat(intermediate.length * 8 - 1), (bit) =>
      holds([leaf, changed(intermediate, bit)]),
    ),
    { numRuns: 1_000 },
  );
});

test('a critical extension that is unknown, or one that occurs twice, is refused', () => {
  const critical = { id: '1.2.3.4', value: Buffer.of(5, 0), critical: true };
  const extensions = deviceExtensions(device);
  expect(faultOf({ chain: ca.attest(device, { extensions: [...extensions, critical] }) })).toBe(
    'unknown_extension',
  );
  expect(
    faultOf({
      chain: ca.attest(device, { extensions: [...extensions, { ...critical, critical: false }] }),
    }),
  ).toBeUndefined();
  expect(
    faultOf({
      chain: ca.attest(device, {
        extensions: extensions.map((said) => ({ ...said, critical: true })),
      }),
    }),
  ).toBeUndefined();
  expect(faultOf({ chain: through({ extensions: [critical] }) })).toBe('unknown_extension');
  const otherSerial = deviceExtensions({ serialNumber: 'C02ANOTHER' });
  expect(
    faultOf({ chain: ca.attest(device, { extensions: [...extensions, ...otherSerial] }) }),
  ).toBe('malformed');
});

test('only ECDSA with SHA-256 or SHA-384, on P-256 or P-384, is accepted', () => {
  expect(faultOf({ chain: ca.attest(device, { hash: 'sha1' }) })).toBe('unknown_algorithm');
  expect(faultOf({ chain: ca.attest(device, { keys: 'RSA' }) })).toBe('unknown_algorithm');
  expect(faultOf({ chain: through({ keys: 'RSA' }) })).toBe('unknown_algorithm');
  expect(faultOf({ chain: through({ hash: 'sha1' }) })).toBe('unknown_algorithm');
  expect(faultOf({ chain: through({ keys: 'P-256' }) })).toBeUndefined();
});
