import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { addMdmRoute } from '#coordinator/ingress/admin/mdm-route.ts';
import { createServer } from '#http-api/server.ts';
import { type FakeDevice, FakeMicroMdm, TestAppleCa } from '#testcontainers';
import { startTrustUnderTest, type Trust } from '../trust-under-test.ts';
import { MacUnderTest } from './mac-under-test.ts';

/**
 * Tests the whole path: trust sends requests to a MicroMDM over HTTP, and its devices answer
 * through the operators' listener and the bus.
 */

const CALL = { timeoutMs: 10_000 };
const SECRET = 'a secret of the webhook';
const WAIT = { timeout: 15_000 };
const DAY_MS = 86_400_000;
const apple = new TestAppleCa({
  from: new Date(Date.now() - DAY_MS),
  until: new Date(Date.now() + DAY_MS),
});

let folder: string;
let trust: Trust;
let fake: FakeMicroMdm;
let listener: FastifyInstance;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-mdm-'));
  const root = join(folder, 'root.pem');
  await writeFile(
    root,
    `-----BEGIN CERTIFICATE-----\n${Buffer.from(apple.root.der).toString('base64')}\n-----END CERTIFICATE-----\n`,
  );
  fake = await FakeMicroMdm.start(apple);
  trust = await startTrustUnderTest({
    appleRootFiles: [root],
    mdm: { url: fake.url, apiKey: fake.apiKey, webhookSecret: SECRET },
  });
  listener = createServer({
    log: pino({ level: 'silent' }),
    trustedProxies: [],
    headersTimeoutMs: 10_000,
    requestTimeoutMs: 10_000,
  });
  addMdmRoute(listener, trust.bus);
  address = await listener.listen({ host: '127.0.0.1', port: 0 });
}, 60_000);
afterAll(async () => {
  await fake[Symbol.asyncDispose]();
  await listener.close();
  await trust[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  fake.trouble = 'none';
  fake.webhook = webhookWith(SECRET);
});

const webhookWith = (secret: string): string =>
  `${address.replace('://', `://mdm:${encodeURIComponent(secret)}@`)}/admin/mdm/webhook`;
const serialNumber = (): string => `C02${randomUUID().slice(0, 8).toUpperCase()}`;
const rowOf = async ({ provider }: MacUnderTest) => {
  const { rows } = await trust.database.query(
    'SELECT command, udid, chain FROM device_attestations WHERE provider = $1',
    [provider],
  );
  return rows[0] as { command: string | null; udid: string | null; chain: Buffer[] | null };
};
const openQuestion = (mac: MacUnderTest): Promise<string> =>
  vi.waitFor(async () => {
    const { command } = await rowOf(mac);
    if (command === null) throw new Error('the device was not asked');
    return command;
  }, WAIT);
const answered = (device: FakeDevice): Promise<void> =>
  vi.waitFor(() => {
    const events = fake.sent.filter(({ body }) => body.includes(device.udid));
    if (!events.some(({ status }) => status === 200))
      throw new Error('the device has not answered yet');
  }, WAIT);
const tell = async (body: string, secret = SECRET) =>
  trust.bus.call(services.trust.mdmEvent, { body: Buffer.from(body), secret }, CALL);

describe('a machine that the operator assigned to a device', () => {
  test('reaches the level hardware by Apple’s answer alone, and its serial number is not published', async () => {
    const device = fake.enrol(serialNumber());
    const mac = await MacUnderTest.verified(trust, device.serial);
    await mac.becomes({ standing: 'verified', level: 'hardware' });
    expect(device.attested?.nonce).toEqual(
      createHash('sha256').update(mac.signer.publicKey).digest(),
    );
    const told = await trust.bus.call(services.trust.evidence, { provider: mac.provider }, CALL);
    if (!told.ok) throw new Error(told.code);
    expect(told).toMatchObject({ level: 'hardware' });
    expect(told.evidence.certificates).toBeUndefined();
    expect(JSON.stringify(told)).not.toContain(device.serial);
  });

  test('keeps its level without MDM after a restart of trust, because the answer is stored', async () => {
    const device = fake.enrol(serialNumber());
    const mac = await MacUnderTest.verified(trust, device.serial);
    await mac.becomes({ level: 'hardware' });
    fake.trouble = 'down';
    const asked = fake.asked.length;
    await trust.stop();
    await trust.start();
    expect(await mac.shownAgain()).toMatchObject({ standing: 'verified', level: 'hardware' });
    expect(fake.asked).toHaveLength(asked);
  }, 30_000);

  test('is not asked for an attestation without a Secure Enclave key, or if it is simulated', async () => {
    const [soft, made] = [fake.enrol(serialNumber()), fake.enrol(serialNumber())];
    const macs = [
      await MacUnderTest.verified(trust, soft.serial, { keyStore: 'software' }),
      await MacUnderTest.verified(trust, made.serial, { simulated: true }),
    ];
    const real = fake.enrol(serialNumber());
    await (await MacUnderTest.verified(trust, real.serial)).becomes({ level: 'hardware' });
    for (const mac of macs) expect(await rowOf(mac)).toMatchObject({ command: null, udid: null });
  }, 30_000);

  test('loses its level when the operator assigns another device', async () => {
    const [device, other] = [fake.enrol(serialNumber()), fake.enrol(serialNumber())];
    other.mood = 'asleep';
    const mac = await MacUnderTest.verified(trust, device.serial);
    await mac.becomes({ level: 'hardware' });
    expect(
      await trust.bus.call(
        services.trust.assignDevice,
        { provider: mac.provider, serial: other.serial },
        CALL,
      ),
    ).toEqual({ v: 1, assigned: true });
    expect(await mac.shownAgain()).toMatchObject({ standing: 'verified', level: 'self_signed' });
  }, 30_000);

  test('cannot be one that was never enrolled', async () => {
    const assigned = await trust.bus.call(
      services.trust.assignDevice,
      { provider: `A${'B'.repeat(55)}`, serial: 'C02NOBODY' },
      CALL,
    );
    expect(assigned).toMatchObject({ assigned: false });
  });

  test('becomes untrusted when Apple reports that its protections are off', async () => {
    const device = fake.enrol(serialNumber(), { sip: 1 });
    const mac = await MacUnderTest.verified(trust, device.serial);
    await mac.becomes({ standing: 'untrusted', level: 'none', fault: 'posture_off' });
    expect((await rowOf(mac)).chain).toBeNull();
  });

  test('becomes untrusted when it was started with reduced security', async () => {
    const device = fake.enrol(serialNumber(), { secureBoot: 'Reduced Security' });
    const mac = await MacUnderTest.verified(trust, device.serial);
    await mac.becomes({ standing: 'untrusted', fault: 'posture_off' });
  });
});

describe('a machine stays self_signed when its device', () => {
  test.each<[string, (device: FakeDevice) => unknown]>([
    [
      'sends an attestation of another key',
      (device) => fake.attest(device, createHash('sha256').update('another key').digest()),
    ],
    [
      'sends the certificates of another device',
      (device) => Object.assign(device, { says: { ...device.says, serialNumber: 'C02OTHER' } }),
    ],
    ['sends bytes that are no certificate', (device) => Object.assign(device, { mood: 'forged' })],
    ['reports a failure', (device) => Object.assign(device, { mood: 'errs' })],
    ['leaves out the attestation', (device) => Object.assign(device, { mood: 'forbidden' })],
    ['cannot answer now', (device) => Object.assign(device, { mood: 'busy' })],
  ])(
    '%s',
    async (_, spoil) => {
      const device = fake.enrol(serialNumber());
      spoil(device);
      const mac = await MacUnderTest.verified(trust, device.serial);
      await answered(device);
      expect(await mac.shownAgain()).toMatchObject({ standing: 'verified', level: 'self_signed' });
      expect((await rowOf(mac)).chain).toBeNull();
    },
    30_000,
  );

  test('answers later, and then it reaches the level hardware', async () => {
    const device = fake.enrol(serialNumber());
    device.mood = 'busy';
    const mac = await MacUnderTest.verified(trust, device.serial);
    await answered(device);
    device.mood = 'answers';
    await fake.wake(device);
    await mac.becomes({ level: 'hardware' });
  }, 30_000);
});

describe('a webhook', () => {
  /** The answer of a good device, which MDM has not sent yet. */
  async function pending() {
    const device = fake.enrol(serialNumber());
    device.mood = 'asleep';
    const mac = await MacUnderTest.verified(trust, device.serial);
    const command = await openQuestion(mac);
    // Trust remembers the question before it sends it.
    await vi.waitFor(() => expect(device.queue).toHaveLength(1), WAIT);
    fake.webhook = undefined;
    device.mood = 'answers';
    const sent: string[] = [];
    using spy = vi.spyOn(fake, 'send').mockImplementation(async (body) => {
      sent.push(body);
      return 0;
    });
    await fake.wake(device);
    expect(spy).toHaveBeenCalledOnce();
    return { device, mac, command, body: sent[0] as string };
  }

  test('without the right secret is refused', async () => {
    const { mac, body } = await pending();
    for (const webhook of [
      webhookWith('another secret of it'),
      `${address}/admin/mdm/webhook`,
      `${address}/admin/mdm/webhook?secret=wrong`,
    ]) {
      fake.webhook = webhook;
      expect(await fake.send(body)).toBe(401);
    }
    expect(await tell(body, 'another secret of it')).toMatchObject({
      ok: false,
      code: 'bad_secret',
    });
    expect(await mac.shownAgain()).toMatchObject({ level: 'self_signed' });
    fake.webhook = `${address}/admin/mdm/webhook?secret=${encodeURIComponent(SECRET)}`;
    expect(await fake.send(body)).toBe(200);
    await mac.becomes({ level: 'hardware' });
  }, 30_000);

  test('for an unknown command, or from a device that was not asked, has no effect', async () => {
    const { device, mac, command, body } = await pending();
    expect(await tell(body.replaceAll(command, randomUUID()))).toMatchObject({
      ok: true,
      outcome: 'not_asked',
    });
    expect(await tell(body.replaceAll(device.udid, randomUUID()))).toMatchObject({
      ok: true,
      outcome: 'not_asked',
    });
    expect(await mac.shownAgain()).toMatchObject({ level: 'self_signed' });
    expect(await tell(body)).toMatchObject({ ok: true, outcome: 'kept' });
    await mac.becomes({ level: 'hardware' });
  }, 30_000);

  test('that is replayed has no effect, not even on a machine that became untrusted since', async () => {
    const { mac, body } = await pending();
    expect(await tell(body)).toMatchObject({ outcome: 'kept' });
    await mac.becomes({ level: 'hardware' });
    const judged = mac.judgements.length;
    expect(await tell(body)).toMatchObject({ outcome: 'not_asked' });
    await trust.database.query('UPDATE device_attestations SET chain = NULL WHERE provider = $1', [
      mac.provider,
    ]);
    expect(await tell(body)).toMatchObject({ outcome: 'not_asked' });
    expect((await rowOf(mac)).chain).toBeNull();
    expect(mac.judgements).toHaveLength(judged);
  }, 30_000);

  test.each([
    ['no JSON', '<plist/>'],
    ['JSON of something else', '{"hello":"world"}'],
    [
      'a body of the wrong types',
      '{"topic":"mdm.Connect","acknowledge_event":{"status":1,"raw_payload":[]}}',
    ],
  ])('with %s is refused', async (_, body) => {
    expect(await tell(body)).toMatchObject({ ok: false, code: 'bad_event' });
    expect(await fake.send(body)).toBe(400);
  });

  test('of another topic is accepted without effect, and a too large one is not read', async () => {
    expect(
      await tell(
        '{"topic":"mdm.TokenUpdate","event_id":"1","checkin_event":{"udid":"1","raw_payload":""}}',
      ),
    ).toMatchObject({ outcome: 'no_answer' });
    expect(await fake.tell({ udid: randomUUID() }, randomUUID(), { status: 'Acknowledged' })).toBe(
      200,
    );
    expect(await fake.send(JSON.stringify({ topic: 'x'.repeat(300_000) }))).toBe(413);
  });
});
