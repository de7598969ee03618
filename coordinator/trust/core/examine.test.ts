import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  isEvidenceSigned,
  Nkey,
  newP256Key,
  p256Signer,
  printEvidence,
  readPrintedEvidence,
  SUITE_ID,
  signEvidence,
} from '#bus-schemas';
import { examine, type MachineFacts } from './examine.ts';

const NOW = 1_700_000_000_000;
const provider = `A${'B'.repeat(55)}`;
const busKey = Nkey.create('user');
const claims: Parameters<typeof signEvidence>[1] = {
  provider,
  busKey: busKey.getPublicKey(),
  keyStore: 'software',
  suite: SUITE_ID,
  sealingKey: randomBytes(32),
  agentVersion: '0.2.0',
  codeHash: randomBytes(32),
  simulated: false,
  posture: {
    systemIntegrity: 'unknown',
    secureBoot: 'unknown',
    authenticatedRoot: 'unknown',
    debuggersDenied: 'unknown',
  },
  at: NOW,
  nonce: randomBytes(32),
};
const signer = p256Signer(newP256Key());
const firstContact: MachineFacts = {
  provider,
  busKey: busKey.getPublicKey(),
  demandsBusSignature: false,
  signingKey: undefined,
  now: NOW,
  runsActiveCode: true,
  vouched: () => undefined,
};
const demanding = { ...firstContact, demandsBusSignature: true };
const SHOWN = { is: 'shown', level: 'self_signed' };
const UNPROVEN = { is: 'barred', fault: 'unproven_bus_key' };

describe('at the first contact of a machine, evidence', () => {
  test('that its key on the bus has signed too is accepted, whether or not that is demanded', () => {
    const evidence = signEvidence(signer, claims, busKey);
    expect(examine(evidence, firstContact)).toEqual(SHOWN);
    expect(examine(evidence, demanding)).toEqual(SHOWN);
  });

  test('of a machine that presents the key on the bus of another machine is refused', () => {
    const attacker = Nkey.create('user');
    const evidence = signEvidence(p256Signer(newP256Key()), claims, attacker);
    expect(examine(evidence, firstContact)).toEqual(UNPROVEN);
    expect(examine(evidence, demanding)).toEqual(UNPROVEN);
  });

  test('that an attacker signs again with a signing key of their own is refused', () => {
    const honest = signEvidence(signer, claims, busKey);
    const { busSignature } = honest;
    const resigned = { ...signEvidence(p256Signer(newP256Key()), claims), busSignature };
    expect(examine(resigned as typeof honest, firstContact)).toEqual(UNPROVEN);
  });

  test('of an older version, without that signature, is refused only if it is demanded', () => {
    const evidence = signEvidence(signer, claims);
    expect(examine(evidence, firstContact)).toEqual(SHOWN);
    expect(examine(evidence, demanding)).toEqual(UNPROVEN);
  });

  test('whose bytes in place of that signature are no signature is refused', () => {
    const evidence = { ...signEvidence(signer, claims), busSignature: new Uint8Array(64) };
    expect(examine(evidence, firstContact)).toEqual(UNPROVEN);
  });
});

describe('a machine whose models run in a program of another project', () => {
  const attested: typeof claims = {
    ...claims,
    keyStore: 'secure_enclave',
    posture: {
      systemIntegrity: 'on',
      secureBoot: 'on',
      authenticatedRoot: 'on',
      debuggersDenied: 'on',
    },
  };
  const vouched: MachineFacts = { ...firstContact, vouched: () => true };

  test('is not of the level hardware, although Apple vouches for its key', () => {
    const own = signEvidence(signer, attested, busKey);
    const external = signEvidence(signer, { ...attested, engine: 'external' }, busKey);
    expect(examine(own, vouched)).toEqual({ is: 'shown', level: 'hardware' });
    expect(examine(external, vouched)).toEqual(SHOWN);
  });

  test('cannot have that statement removed from its evidence, or added to it', () => {
    const external = signEvidence(signer, { ...attested, engine: 'external' }, busKey);
    const { engine, ...without } = external;
    expect(engine).toBe('external');
    expect(isEvidenceSigned(without)).toBe(false);
    const own = signEvidence(signer, attested, busKey);
    expect(isEvidenceSigned({ ...own, engine: 'external' })).toBe(false);
  });

  test('shows the statement to blind clients, who can check its signature', () => {
    const external = signEvidence(signer, { ...attested, engine: 'external' }, busKey);
    const read = readPrintedEvidence(JSON.parse(JSON.stringify(printEvidence(external))));
    expect(read?.engine).toBe('external');
    expect(read && isEvidenceSigned(read)).toBe(true);
  });
});
