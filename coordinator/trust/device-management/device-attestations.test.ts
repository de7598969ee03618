import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { FakeMicroMdm, TestAppleCa } from '#testcontainers';
import { appleVouching } from '../apple-attestation/apple-vouching.ts';
import { startTrustUnderTest, type Trust } from '../trust-under-test.ts';
import { DeviceAttestations } from './device-attestations.ts';
import { MacUnderTest } from './mac-under-test.ts';
import { MicroMdm } from './micro-mdm.ts';

/**
 * Tests when MDM is asked, with a clock that the test controls. The trust in these tests has no
 * MDM; it only enrols and verifies machines.
 */

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const apple = new TestAppleCa({
  from: new Date(Date.now() - DAY_MS),
  until: new Date(Date.now() + 3 * DAY_MS),
});
let folder: string;
let root: string;
let trust: Trust;
let fake: FakeMicroMdm;
let clock: number;
const vouched: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-mdm-'));
  root = join(folder, 'root.pem');
  await writeFile(
    root,
    `-----BEGIN CERTIFICATE-----\n${Buffer.from(apple.root.der).toString('base64')}\n-----END CERTIFICATE-----\n`,
  );
  trust = await startTrustUnderTest();
}, 60_000);
afterAll(async () => {
  await trust[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await trust.database.query('DELETE FROM device_attestations');
  await trust.database.query('DELETE FROM provider_devices');
  clock = Date.now();
  vouched.length = 0;
});

const startMdm = async (): Promise<FakeMicroMdm> => {
  fake = await FakeMicroMdm.start(apple);
  fake.now = () => clock;
  return fake;
};

function attestations(mdm: Pick<MicroMdm, 'udidOf' | 'ask' | 'push'>): DeviceAttestations {
  const now = () => clock;
  return new DeviceAttestations({
    database: trust.database,
    mdm,
    now,
    random: () => 0,
    log: pino({ level: 'silent' }),
    metrics: new Registry(),
    verify: appleVouching({ rootFiles: [root], revoked: [], now }).verify,
    attestor: { vouched: (provider) => void vouched.push(provider), refuted: () => undefined },
  });
}

/** By the clock of the test the machine never lapses. */
async function verifiedMac(serial: string): Promise<MacUnderTest> {
  const mac = await MacUnderTest.verified(trust, serial);
  // By the real clock it is due since it was assigned.
  clock = Math.max(clock, Date.now());
  await trust.database.query(
    'UPDATE verdicts SET fresh_until = $2, wake_at = NULL WHERE provider = $1',
    [mac.provider, clock + 365 * DAY_MS],
  );
  return mac;
}

/** The minutes from the first attempt to each of the others, by the requests to MDM. */
async function minutesOfAttempts(devices: DeviceAttestations, minutes: number): Promise<number[]> {
  const attempts: number[] = [];
  for (let minute = 0; minute <= minutes; minute += 1) {
    const before = fake.asked.length;
    await devices.wake();
    if (fake.asked.length > before) attempts.push(minute);
    clock += MINUTE_MS;
  }
  return attempts;
}

describe('MDM is asked for a device', () => {
  test('repeatedly while it fails, at growing intervals, and the machine stays self_signed', async () => {
    await using mdm = await startMdm();
    mdm.enrol('C02FAILING');
    mdm.trouble = 'failing';
    const mac = await verifiedMac('C02FAILING');
    await using devices = attestations(new MicroMdm(mdm));
    expect(await minutesOfAttempts(devices, 60)).toEqual([0, 2, 8, 23, 38, 53]);
    expect(mac.judgements.at(-1)).toMatchObject({ standing: 'verified', level: 'self_signed' });
    mdm.trouble = 'none';
    clock += 15 * MINUTE_MS;
    await devices.wake();
    expect(mdm.asked.slice(-2)).toEqual([
      'POST /v1/devices',
      expect.stringMatching(/^POST \/v1\/commands\//),
    ]);
  });

  test('again if it is unreachable, has no such device, or takes too long to answer', async () => {
    await using mdm = await startMdm();
    const mac = await verifiedMac('C02LATE');
    await using devices = attestations(new MicroMdm(mdm, 200));
    for (const trouble of ['down', 'none', 'slow', 'none'] as const) {
      mdm.trouble = trouble;
      if (trouble === 'slow') mdm.enrol('C02LATE').mood = 'asleep';
      await devices.wake();
      const { rows } = await trust.database.query(
        'SELECT command, due_at::float8 AS due FROM device_attestations WHERE provider = $1',
        [mac.provider],
      );
      expect(rows[0].due).toBeGreaterThan(clock);
      expect(rows[0].command === null).toBe(
        mdm.asked.every((asked) => !asked.startsWith('POST /v1/commands')),
      );
      clock = rows[0].due;
    }
  });

  test('once while the question is open; then the device is only woken up, until a day has passed', async () => {
    await using mdm = await startMdm();
    const device = mdm.enrol('C02ASLEEP');
    device.mood = 'asleep';
    await verifiedMac('C02ASLEEP');
    await using devices = attestations(new MicroMdm(mdm));
    await minutesOfAttempts(devices, 30);
    expect(device.queue).toHaveLength(1);
    expect(mdm.asked.filter((asked) => asked === `POST /v1/push/${device.udid}`)).toHaveLength(3);
    clock += DAY_MS;
    await devices.wake();
    expect(device.queue).toHaveLength(2);
  });

  test('only while its machine is verified, below the level hardware, and not revoked', async () => {
    await using mdm = await startMdm();
    mdm.enrol('C02GONE');
    const { provider } = await verifiedMac('C02GONE');
    await using devices = attestations(new MicroMdm(mdm));
    const when = async (change: string, undo: string) => {
      await trust.database.query(change, [provider]);
      await devices.wake();
      await trust.database.query(undo, [provider]);
      return mdm.asked.length;
    };
    const [set, of] = ['UPDATE verdicts SET', 'WHERE provider = $1'];
    expect(
      await when(`${set} standing = 'lapsed' ${of}`, `${set} standing = 'verified' ${of}`),
    ).toBe(0);
    expect(
      await when(`${set} level = 'hardware' ${of}`, `${set} level = 'self_signed' ${of}`),
    ).toBe(0);
    expect(
      await when(
        'UPDATE providers SET revoked_at = now() WHERE id = $1',
        'UPDATE providers SET revoked_at = NULL WHERE id = $1',
      ),
    ).toBe(0);
    await devices.wake();
    expect(mdm.asked.length).toBeGreaterThan(0);
  });

  test('not while the stored chain is valid, and again after its expiry', async () => {
    await using mdm = await startMdm();
    const device = mdm.enrol('C02KEPT');
    device.mood = 'asleep';
    const mac = await verifiedMac('C02KEPT');
    await using devices = attestations(new MicroMdm(mdm));
    await devices.wake();
    device.mood = 'answers';
    const heard: string[] = [];
    using _ = vi.spyOn(mdm, 'send').mockImplementation(async (body) => {
      heard.push(await devices.receive(Buffer.from(body)));
      return 200;
    });
    await mdm.wake(device);
    expect(heard).toEqual(['kept']);
    expect(vouched).toEqual([mac.provider]);
    const asked = mdm.asked.length;
    // The challenge after Apple's statement was lost, so the machine has not reached the level
    // hardware.
    clock += 30 * MINUTE_MS;
    await devices.wake();
    expect(vouched).toEqual([mac.provider, mac.provider]);
    expect(mdm.asked).toHaveLength(asked);
    clock += 4 * DAY_MS;
    await devices.wake();
    expect(mdm.asked.length).toBeGreaterThan(asked);
  });

  test('with at most twelve questions at a time', async () => {
    await using stack = new AsyncDisposableStack();
    const open: (() => void)[] = [];
    let most = 0;
    let running = 0;
    // Before the questions begin: their own timer would ask those that are there already.
    for (let each = 0; each < 15; each += 1) await verifiedMac(`C02MANY${each}`);
    const devices = stack.use(
      attestations({
        udidOf: async (serial) => serial,
        push: async () => undefined,
        ask: async () => {
          running += 1;
          most = Math.max(most, running);
          await new Promise<void>((resolve) => open.push(resolve));
          running -= 1;
        },
      }),
    );
    stack.defer(() => {
      for (const answer of open) answer();
    });
    const first = devices.wake();
    await vi.waitFor(() => expect(open).toHaveLength(12));
    for (const answer of open.splice(0)) answer();
    await first;
    const second = devices.wake();
    await vi.waitFor(() => expect(open).toHaveLength(3));
    for (const answer of open) answer();
    await second;
    expect(most).toBe(12);
  }, 60_000);
});
