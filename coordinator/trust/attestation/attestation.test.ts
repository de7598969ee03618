import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  Challenge,
  codeHash,
  core,
  type Evidence,
  events,
  isConsistent,
  isHeadSigned,
  isSame,
  Judgement,
  leafHash,
  Nkey,
  newP256Key,
  type Posture,
  p256Signer,
  rootOfInclusion,
  SUITE_ID,
  services,
  signEvidence,
  type TreeHead,
  TrustHead,
  TrustMessage,
  TrustVerdict,
  type Verdict,
  verdictEntry,
} from '#bus-schemas';
import { transaction } from '#coordinator/sql.ts';
import { lockWaits, TestAppleCa } from '#testcontainers';
import { ON } from '../device-management/mac-under-test.ts';
import { enrolMachine, startTrustUnderTest, type Trust } from '../trust-under-test.ts';

const CALL = { timeoutMs: 10_000 };
const UNKNOWN: Posture = {
  systemIntegrity: 'unknown',
  secureBoot: 'unknown',
  authenticatedRoot: 'unknown',
  debuggersDenied: 'unknown',
};

const apple = new TestAppleCa({
  from: new Date(Date.now() - 86_400_000),
  until: new Date(Date.now() + 86_400_000),
});
const elsewhere = new TestAppleCa({
  from: new Date(Date.now() - 86_400_000),
  until: new Date(Date.now() + 86_400_000),
});
let folder: string;
let trust: Trust;
const verdicts: Verdict[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-apple-'));
  const root = join(folder, 'root.pem');
  await writeFile(
    root,
    `-----BEGIN CERTIFICATE-----\n${Buffer.from(apple.root.der).toString('base64')}\n-----END CERTIFICATE-----\n`,
  );
  trust = await startTrustUnderTest({ appleRootFiles: [root] });
  trust.bus.subscribe({
    subject: events.trustVerdict,
    kind: TrustVerdict,
    handle: (verdict) => void verdicts.push(verdict),
  });
  await trust.bus.connection.flush();
}, 60_000);
afterAll(async () => {
  await trust[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

type Claims = Parameters<typeof signEvidence>[1];

/**
 * A machine as the hub presents it: its messages arrive under its own name, whatever they contain.
 */
class Machine {
  readonly signer = p256Signer(newP256Key());
  sealingKey: Uint8Array = randomBytes(32);
  readonly judgements: Judgement[] = [];
  readonly nonces: Uint8Array[] = [];
  readonly provider: string;
  readonly busKey: string;

  private constructor(provider: string, busKey: string) {
    this.provider = provider;
    this.busKey = busKey;
    trust.bus.subscribe({
      subject: core.down(provider, 'challenge'),
      kind: Challenge,
      handle: ({ nonce }) => void this.nonces.push(nonce),
    });
    trust.bus.subscribe({
      subject: core.down(provider, 'judgement'),
      kind: Judgement,
      handle: (judgement) => void this.judgements.push(judgement),
    });
  }

  static async enrol(): Promise<Machine> {
    const { provider, key } = await enrolMachine(trust);
    const machine = new Machine(provider, key.getPublicKey());
    await trust.bus.connection.flush();
    return machine;
  }

  say(message: TrustMessage): void {
    trust.bus.publish(core.up(this.provider, 'trust'), TrustMessage, message);
  }

  async challenge(): Promise<Uint8Array> {
    const before = this.nonces.length;
    this.say({ t: 'ask', sealingKey: this.sealingKey });
    return vi.waitFor(() => {
      const nonce = this.nonces.at(-1);
      if (nonce === undefined || this.nonces.length === before) throw new Error('not challenged');
      return nonce;
    });
  }

  evidence(nonce: Uint8Array, changes: Partial<Claims> = {}): Evidence {
    return signEvidence(this.signer, {
      provider: this.provider,
      keyStore: 'software',
      suite: SUITE_ID,
      sealingKey: this.sealingKey,
      busKey: this.busKey,
      agentVersion: '0.1.0',
      codeHash: codeHash(),
      simulated: false,
      posture: UNKNOWN,
      at: Date.now(),
      nonce,
      ...changes,
    });
  }

  /** Sends this message and returns the judgement that follows. */
  async judged(evidence: Evidence): Promise<Judgement> {
    const before = this.judgements.length;
    this.say({ t: 'evidence', evidence });
    return vi.waitFor(() => {
      const judgement = this.judgements[before];
      if (judgement === undefined) throw new Error('not judged');
      return judgement;
    });
  }

  async show(changes: Partial<Claims> = {}): Promise<Judgement> {
    return this.judged(this.evidence(await this.challenge(), changes));
  }

  /** Sends evidence that must have no effect: a message that is sent after it is answered first. */
  async unheard(evidence: Evidence): Promise<void> {
    const before = this.judgements.length;
    this.say({ t: 'evidence', evidence });
    await this.challenge();
    expect(this.judgements).toHaveLength(before);
  }

  /** Certificates with which Apple vouches for its key. */
  certificates(ca = apple, key: Uint8Array = this.signer.publicKey): Uint8Array[] {
    const freshness = createHash('sha256').update(key).digest();
    return ca
      .attest({
        serialNumber: 'C02TEST',
        udid: '00008103-000000000000001E',
        freshness,
        sip: 0,
        secureBoot: 'Full Security',
      })
      .map((der) => new Uint8Array(der));
  }
}

describe('a machine that answers its challenge', () => {
  test('is verified, and its verdict is published with its keys', async () => {
    const machine = await Machine.enrol();
    expect(await machine.show()).toMatchObject({ standing: 'verified', level: 'self_signed' });
    const verdict = await vi.waitFor(() => {
      const heard = verdicts.findLast(({ provider }) => provider === machine.provider);
      if (heard === undefined) throw new Error('no verdict was published');
      return heard;
    });
    expect(verdict).toMatchObject({
      standing: 'verified',
      level: 'self_signed',
      codeHash: codeHash(),
    });
    expect(Buffer.from(verdict.sealingKey ?? [])).toEqual(Buffer.from(machine.sealingKey));
    expect(verdict.freshUntil - Date.now()).toBeGreaterThan(15 * 60_000);
    expect(
      await trust.bus.call(services.trust.evidence, { provider: machine.provider }, CALL),
    ).toMatchObject({ ok: true, level: 'self_signed' });
  });

  test('reaches the level hardware by Apple’s certificates, and is untrusted with those of another device', async () => {
    const hardware = { keyStore: 'secure_enclave', posture: ON } as const;
    const mac = await Machine.enrol();
    const evidence = mac.evidence(await mac.challenge(), hardware);
    expect(await mac.judged({ ...evidence, certificates: mac.certificates() })).toMatchObject({
      standing: 'verified',
      level: 'hardware',
    });
    const thief = await Machine.enrol();
    const stolen = {
      ...thief.evidence(await thief.challenge(), hardware),
      certificates: mac.certificates(),
    };
    expect(await thief.judged(stolen)).toMatchObject({
      standing: 'untrusted',
      fault: 'bad_certificates',
    });
    const fake = await Machine.enrol();
    const other = {
      ...fake.evidence(await fake.challenge(), hardware),
      certificates: fake.certificates(elsewhere),
    };
    expect(await fake.judged(other)).toMatchObject({
      standing: 'untrusted',
      fault: 'bad_certificates',
    });
  });

  test.each([
    ['is simulated', { keyStore: 'secure_enclave', posture: ON, simulated: true }],
    ['keeps its key in software', { keyStore: 'software', posture: ON, simulated: false }],
  ] as const)(
    'and %s never reaches the level hardware, whatever certificates it has',
    async (_, changes) => {
      const machine = await Machine.enrol();
      const evidence = machine.evidence(await machine.challenge(), changes);
      expect(
        await machine.judged({ ...evidence, certificates: machine.certificates() }),
      ).toMatchObject({ standing: 'verified', level: 'self_signed' });
    },
  );

  test('may serve with a renewed sealing key after the next judgement', async () => {
    const machine = await Machine.enrol();
    await machine.show();
    machine.sealingKey = randomBytes(32);
    const judgement = await machine.show();
    expect(Buffer.from(judgement.sealingKey ?? [])).toEqual(machine.sealingKey);
  });

  test('gets its judgement again when it asks again, because the first may be lost', async () => {
    const machine = await Machine.enrol();
    await machine.show();
    const [before, challenges] = [machine.judgements.length, machine.nonces.length];
    machine.say({ t: 'ask', sealingKey: machine.sealingKey });
    await vi.waitFor(() => expect(machine.judgements).toHaveLength(before + 1));
    expect(machine.judgements.at(-1)).toMatchObject({ standing: 'verified' });
    expect(machine.nonces).toHaveLength(challenges);
  });
});

/** Waits until this many transactions of trust wait for one another. */
const waiting = (count: number) =>
  expect.poll(() => lockWaits(trust.database), { timeout: 20_000 }).toBe(count);

describe('evidence that is', () => {
  test.each<[string, (machine: Machine, nonce: Uint8Array) => Evidence, object]>([
    [
      'forged',
      (machine, nonce) => ({ ...machine.evidence(nonce), signature: randomBytes(64) }),
      { standing: 'untrusted', fault: 'bad_signature' },
    ],
    [
      'changed after it was signed',
      (machine, nonce) => ({ ...machine.evidence(nonce), sealingKey: randomBytes(32) }),
      { standing: 'untrusted', fault: 'bad_signature' },
    ],
    [
      'combined from two',
      (machine, nonce) => ({
        ...machine.evidence(nonce, { posture: ON }),
        signature: machine.evidence(nonce).signature,
      }),
      { standing: 'untrusted', fault: 'bad_signature' },
    ],
    [
      'of another machine',
      (machine, nonce) => machine.evidence(nonce, { provider: `A${'Z'.repeat(55)}` }),
      { standing: 'untrusted', fault: 'wrong_provider' },
    ],
    [
      'of another key on the bus',
      (machine, nonce) => machine.evidence(nonce, { busKey: Nkey.create('user').getPublicKey() }),
      { standing: 'untrusted', fault: 'wrong_bus_key' },
    ],
    [
      'signed by another key on the bus',
      (machine, nonce) =>
        signEvidence(machine.signer, machine.evidence(nonce), Nkey.create('user')),
      { standing: 'pending', fault: 'unproven_bus_key' },
    ],
    [
      'of a machine with protections off',
      (machine, nonce) => machine.evidence(nonce, { posture: { ...ON, systemIntegrity: 'off' } }),
      { standing: 'untrusted', fault: 'posture_off' },
    ],
    [
      'of a Mac that does not report how it was started',
      (machine, nonce) => machine.evidence(nonce, { keyStore: 'secure_enclave' }),
      { standing: 'pending', fault: 'posture_unknown' },
    ],
    [
      'of other code',
      (machine, nonce) => machine.evidence(nonce, { codeHash: randomBytes(32) }),
      { standing: 'pending', fault: 'unknown_code' },
    ],
    [
      'for a weaker suite',
      (machine, nonce) => machine.evidence(nonce, { suite: 'x25519-sha256-none' }),
      { standing: 'pending', fault: 'unsupported_suite' },
    ],
    [
      'from tomorrow',
      (machine, nonce) => machine.evidence(nonce, { at: Date.now() + 86_400_000 }),
      { standing: 'pending', fault: 'clock_off' },
    ],
    [
      'from yesterday',
      (machine, nonce) => machine.evidence(nonce, { at: Date.now() - 86_400_000 }),
      { standing: 'pending', fault: 'clock_off' },
    ],
  ])('%s is refused with its reason', async (_, forge, judgement) => {
    const machine = await Machine.enrol();
    expect(await machine.judged(forge(machine, await machine.challenge()))).toMatchObject({
      ...judgement,
      level: 'none',
    });
    expect(
      await trust.bus.call(services.trust.evidence, { provider: machine.provider }, CALL),
    ).toMatchObject({ ok: false, code: 'none' });
  });

  test('that is replayed has no effect: a nonce is accepted once', async () => {
    const machine = await Machine.enrol();
    const evidence = machine.evidence(await machine.challenge());
    await machine.judged(evidence);
    machine.sealingKey = randomBytes(32);
    await machine.unheard(evidence);
  });

  test('with an invented nonce, or one drawn for another machine, has no effect', async () => {
    const [machine, other] = [await Machine.enrol(), await Machine.enrol()];
    const foreign = await other.challenge();
    await machine.challenge();
    await machine.unheard(machine.evidence(randomBytes(32)));
    await machine.unheard(machine.evidence(foreign));
  });

  test('signed with another key than before makes the machine untrusted', async () => {
    const machine = await Machine.enrol();
    await machine.show();
    machine.sealingKey = randomBytes(32);
    const evidence = signEvidence(
      p256Signer(newP256Key()),
      machine.evidence(await machine.challenge()),
    );
    expect(await machine.judged(evidence)).toMatchObject({
      standing: 'untrusted',
      fault: 'other_signing_key',
    });
  });

  test('valid again does not help an untrusted machine until an operator pardons it', async () => {
    const machine = await Machine.enrol();
    await machine.show({ posture: { ...ON, secureBoot: 'off' } });
    const before = machine.judgements.length;
    machine.say({ t: 'ask', sealingKey: machine.sealingKey });
    await vi.waitFor(() => expect(machine.judgements.length).toBeGreaterThan(before));
    expect(machine.judgements.at(-1)).toMatchObject({ standing: 'untrusted' });
    expect(
      await trust.bus.call(services.trust.pardon, { provider: machine.provider }, CALL),
    ).toMatchObject({ pardoned: true });
    expect(await machine.show()).toMatchObject({ standing: 'verified' });
  });

  test('and that waits while the machine is accused does not undo it', async () => {
    const machine = await Machine.enrol();
    const evidence = machine.evidence(await machine.challenge());
    const { accusation } = await transaction(trust.database, async (client) => {
      await client.query('SELECT 1 FROM providers WHERE id = $1 FOR UPDATE', [machine.provider]);
      const accused = trust.bus.call(services.trust.accuse, { provider: machine.provider }, CALL);
      await waiting(1);
      machine.say({ t: 'evidence', evidence });
      await waiting(2);
      return { accusation: accused };
    });
    expect(await accusation).toMatchObject({ accused: true });
    await vi.waitFor(() => expect(machine.judgements).toHaveLength(2));
    expect(machine.judgements).toMatchObject([
      { standing: 'untrusted', fault: 'wrong_model' },
      { standing: 'untrusted', fault: 'wrong_model' },
    ]);
  });

  test('of a revoked machine is not examined', async () => {
    const machine = await Machine.enrol();
    const nonce = await machine.challenge();
    await trust.bus.call(services.trust.revoke, { provider: machine.provider }, CALL);
    machine.say({ t: 'evidence', evidence: machine.evidence(nonce) });
    const other = await Machine.enrol();
    await other.show();
    expect(machine.judgements).toEqual([]);
    expect(
      await trust.bus.call(services.trust.pardon, { provider: machine.provider }, CALL),
    ).toMatchObject({ pardoned: false });
  });
});

describe('a release', () => {
  const withdraw = (hash: Uint8Array, force: boolean) =>
    trust.bus.call(services.releases.withdraw, { codeHash: hash, force }, CALL);

  test('that is withdrawn takes its machines out at once, and readmits them when it is restored', async () => {
    const [old, current] = [randomBytes(32), await Machine.enrol()];
    await trust.bus.call(services.releases.add, { version: '0.0.9', codeHash: old }, CALL);
    const machine = await Machine.enrol();
    expect(await machine.show({ codeHash: old })).toMatchObject({ standing: 'verified' });
    await current.show();
    expect(await withdraw(old, true)).toMatchObject({ ok: true });
    await vi.waitFor(() =>
      expect(machine.judgements.at(-1)).toMatchObject({
        standing: 'pending',
        fault: 'unknown_code',
      }),
    );
    expect(current.judgements.at(-1)).toMatchObject({ standing: 'verified' });
    expect(await machine.show({ codeHash: old })).toMatchObject({
      standing: 'pending',
      fault: 'unknown_code',
    });
    expect(await trust.bus.call(services.releases.restore, { codeHash: old }, CALL)).toMatchObject({
      ok: true,
    });
    expect(await machine.show({ codeHash: old })).toMatchObject({ standing: 'verified' });
  });

  test('that most of the fleet runs is withdrawn only with force', async () => {
    const machine = await Machine.enrol();
    await machine.show();
    expect(await withdraw(codeHash(), false)).toMatchObject({
      ok: false,
      code: 'would_stop_fleet',
    });
    expect(await withdraw(randomBytes(32), false)).toMatchObject({ ok: false, code: 'unknown' });
  });
});

describe('the log', () => {
  const { head, inclusion, consistency } = services.transparency;

  test('has every change of a verdict, with a proof for a reader who stored an earlier head', async () => {
    const earlier = await trust.bus.call(head, {}, CALL);
    const machine = await Machine.enrol();
    await machine.show();
    const later = await trust.bus.call(head, {}, CALL);
    expect([isHeadSigned(earlier), isHeadSigned(later), later.size > earlier.size]).toEqual([
      true,
      true,
      true,
    ]);
    const grown = await trust.bus.call(
      consistency,
      { earlier: earlier.size, later: later.size },
      CALL,
    );
    expect(grown.ok && isConsistent(earlier, later, grown.proof)).toBe(true);
    const leaf = leafHash(
      verdictEntry({
        provider: machine.provider,
        standing: 'verified',
        level: 'self_signed',
        signingKey: machine.signer.publicKey,
      }),
    );
    const included = await trust.bus.call(inclusion, { leaf, size: later.size }, CALL);
    if (!included.ok) throw new Error(included.code);
    expect(
      Buffer.from(
        rootOfInclusion(leaf, { index: included.index, size: later.size }, included.proof) ?? [],
      ),
    ).toEqual(Buffer.from(later.root));
    expect(await trust.bus.call(inclusion, { leaf, size: earlier.size }, CALL)).toMatchObject({
      ok: false,
      code: 'not_in_log',
    });
  });

  test('publishes its head on the bus when it has grown', async () => {
    const heads: TreeHead[] = [];
    trust.bus.subscribe({
      subject: events.trustHead,
      kind: TrustHead,
      handle: (told) => void heads.push(told),
    });
    const machine = await Machine.enrol();
    await machine.show();
    const { size } = await trust.bus.call(head, {}, CALL);
    await vi.waitFor(() => expect(heads.at(-1)?.size).toBeGreaterThanOrEqual(size), {
      timeout: 10_000,
    });
    expect(heads.every(isHeadSigned)).toBe(true);
  });

  test('cannot be changed, not even by the coordinator', async () => {
    for (const statement of [
      "UPDATE log_entries SET entry = 'x'",
      'DELETE FROM log_entries',
      'DELETE FROM log_nodes',
    ])
      await expect(trust.database.query(statement)).rejects.toThrow(/permission denied/);
  });
});

test('a machine that misses three challenges lapses, and is not challenged again until it asks', async () => {
  const machine = await Machine.enrol();
  await machine.show();
  const misses = async () =>
    (
      await trust.database.query('SELECT misses FROM verdicts WHERE provider = $1', [
        machine.provider,
      ])
    ).rows[0].misses;
  for (let strike = 1; strike <= 3; strike += 1) {
    // After the five minutes between challenges, or the minute after a missed one.
    trust.advance(6 * 60_000);
    await vi.waitFor(() => expect(machine.nonces).toHaveLength(1 + strike));
    // After the 30 s in which an answer counts.
    trust.advance(31_000);
    if (strike < 3) await vi.waitFor(async () => expect(await misses()).toBe(strike));
  }
  await vi.waitFor(() =>
    expect(machine.judgements.at(-1)).toMatchObject({ standing: 'lapsed', fault: 'no_answer' }),
  );
  trust.advance(6 * 60_000);
  expect(await machine.show({ at: trust.now() })).toMatchObject({ standing: 'verified' });
  expect(machine.nonces).toHaveLength(5);
});

describe('a clock of trust that is wrong', () => {
  const problems = async () => (await trust.bus.call(services.trust.clocks, {}, CALL)).problems;

  test.each([10, -10, -30])(
    'by %s minutes shuts out no machine, and is reported',
    async (minutes) => {
      const machine = await Machine.enrol();
      expect(await machine.show({ at: trust.now() })).toMatchObject({ standing: 'verified' });
      trust.setClockOff(minutes * 60_000);
      machine.sealingKey = randomBytes(32);
      expect(await machine.show({ at: trust.now() })).toMatchObject({ standing: 'verified' });
      const ofMachine = () =>
        verdicts.findLast(
          ({ provider, sealingKey }) =>
            provider === machine.provider && sealingKey && isSame(sealingKey, machine.sealingKey),
        );
      await vi.waitFor(() => expect(ofMachine()).toBeDefined());
      expect(Math.abs((ofMachine()?.freshUntil ?? 0) - trust.now() - 16 * 60_000)).toBeLessThan(
        60_000,
      );
      expect((await problems()).join()).toContain(
        `The clock of trust is wrong by ${Math.abs(minutes) * 60} s according to hub, database`,
      );
      trust.setClockOff(0);
      machine.sealingKey = randomBytes(32);
      expect(await machine.show({ at: trust.now() })).toMatchObject({ standing: 'verified' });
      expect(await problems()).toEqual([]);
    },
  );
});
