import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { core, services } from '#bus-schemas';
import { RawLeaf } from '#testcontainers';
import { readStream } from './read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from './test-network.ts';

/** Marks what must not pass, so that it is found wherever it got to. */
const ATTACK = 'ATTACK';
const SECRET = 'SECRET';
const CONTROL = 'CONTROL';
const JETSTREAM_CALLS = ['$JS.API.INFO', '$JS.API.STREAM.LIST', '$JS.API.STREAM.INFO.JOBS', '$JS.API.STREAM.PURGE.JOBS', '$JS.API.STREAM.DELETE.JOBS'];

interface Heard {
  readonly subject: string;
  readonly text: string;
}

interface Attacker {
  subscribe(subject: string): void;
  publish(subject: string, payload: string, reply?: string): void;
  /** The hub has taken in what was sent; whom it cut off for that is there again. */
  settle(): Promise<unknown>;
  heard(): readonly Heard[];
}

let network: TestNetwork;
let core_: NatsConnection;
let atCore: Heard[] = [];
let victimHeard: Heard[] = [];
let attackerId: string;
let victimId: string;

const listen = (connection: NatsConnection, subject: string, into: () => Heard[]) =>
  connection.subscribe(subject, { callback: (_error, message) => void into().push({ subject: message.subject, text: message.string() }) });

beforeAll(async () => {
  network = await startTestNetwork({ providers: 3, tokenMs: 2 });
  core_ = network.network.coordinator.bus.connection;
  const [attacker, victim] = network.providers;
  attackerId = String(attacker?.id);
  victimId = String(victim?.id);
  listen(core_, '>', () => atCore);
  if (victim) listen(victim.connection, '>', () => victimHeard);
  await core_.flush();
});
beforeEach(() => {
  atCore = [];
  victimHeard = [];
});
afterAll(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const credentialsFile = (index: number) => join(network.network.home, `fleet/provider-${index}/leaf.creds`);
const arrives = (heard: () => readonly Heard[], text: string, subject: string) =>
  vi.waitFor(() => expect(heard()).toContainEqual({ subject, text }), { timeout: 5_000, interval: 10 });

function honest(): Attacker {
  const connection = network.providers[0]?.connection as NatsConnection;
  const heard: Heard[] = [];
  return {
    subscribe: (subject) => void listen(connection, subject, () => heard),
    publish: (subject, payload, reply) => connection.publish(subject, payload, reply === undefined ? {} : { reply }),
    settle: () => connection.flush(),
    heard: () => heard,
  };
}

let raw: RawLeaf;

/** The hub lets the last connection go a moment after it has ended. */
async function connectRaw(): Promise<void> {
  raw = await vi.waitFor(
    async () => {
      const leaf = await RawLeaf.connect({ url: network.hub.leafUrl, credentialsFile: credentialsFile(0) });
      expect(leaf.isOpen).toBe(true);
      return leaf;
    },
    { timeout: 5_000, interval: 20 },
  );
}

function hostile(): Attacker {
  const heard: Heard[] = [];
  const keep = () => heard.push(...raw.received.splice(0).map(({ subject, payload }) => ({ subject, text: payload.toString() })));
  return {
    subscribe: (subject) => raw.subscribe(subject),
    publish: (subject, payload, reply) => raw.publish(subject, payload, reply),
    settle: async () => {
      await raw.flush();
      keep();
      if (raw.isOpen) return;
      await connectRaw();
      raw.subscribe('down.>');
      await raw.flush();
    },
    heard: () => {
      keep();
      return heard;
    },
  };
}

const foreign = () => [
  '>',
  '*',
  '*.>',
  'up.>',
  `up.${victimId}.>`,
  'up.*.>',
  `down.${victimId}.>`,
  'down.*.>',
  'evt.>',
  'svc.>',
  '$SRV.>',
  '_INBOX.>',
  '$JS.>',
  '$SYS.>',
  '$KV.>',
];

/** Everything that happens in the network and is not the attacker's. */
async function provokeSecrets(): Promise<void> {
  core_.publish(core.down(victimId, 'drain'), SECRET);
  core_.publish(core.up(victimId, 'beat'), SECRET);
  core_.publish('evt.telemetry.violation', SECRET);
  core_.publish('svc.settlement.credit', SECRET);
  core_.publish('_INBOX.somebody.1', SECRET);
  network.providers[1]?.connection.publish('up.hello', SECRET);
  await core_.flush();
}

const channels: [string, () => Attacker, () => Promise<void>][] = [
  ['through an honest leaf', honest, async () => undefined],
  [
    'through a leaf that ignores every permission',
    hostile,
    async () => {
      await network.providers[0]?.kill();
      await connectRaw();
    },
  ],
];

describe.each(channels)("a provider's credentials, %s", (_name, attackerOf, prepare) => {
  let attacker: Attacker;
  beforeAll(async () => {
    await prepare();
    attacker = attackerOf();
    attacker.subscribe('down.>');
    await attacker.settle();
    // Both ways work for what is its own: whatever is not heard below was stopped.
    await vi.waitFor(() => {
      core_.publish(core.down(attackerId, 'drain'), CONTROL);
      expect(attacker.heard()).toContainEqual({ subject: 'down.drain', text: CONTROL });
    });
    attacker.publish('up.hello', CONTROL);
    await arrives(() => atCore, CONTROL, core.up(attackerId, 'hello'));
  });

  test('hear nothing that is not their own, whatever they subscribe to', async () => {
    for (const subject of foreign()) {
      attacker.subscribe(subject);
      await attacker.settle();
      await provokeSecrets();
    }
    await attacker.settle();
    core_.publish(core.down(attackerId, 'cancel'), `${CONTROL} after`);
    await arrives(attacker.heard, `${CONTROL} after`, 'down.cancel');
    expect(attacker.heard().filter(({ text }) => text.includes(SECRET))).toEqual([]);
  });

  test('speak as nobody else, and to nobody but the coordinator', async () => {
    const subjects = [
      ...[`up.${victimId}.beat`, `up.${victimId}.out.in_000000000000.job_0000000000000000000000`, `down.${victimId}.cancel`, `down.${victimId}.job`],
      ...[
        'evt.job.ended',
        'evt.trust.revoked',
        'svc.settlement.credit',
        'svc.trust.createToken',
        '_INBOX.somebody.1',
        '$SRV.PING',
        '$SYS.REQ.SERVER.PING',
        '$KV.x.y',
      ],
      ...JETSTREAM_CALLS,
    ];
    for (const subject of subjects) {
      attacker.publish(subject, ATTACK, 'up.reply');
      await attacker.settle();
    }
    attacker.publish('up.beat', `${CONTROL} spoken`);
    await arrives(() => atCore, `${CONTROL} spoken`, core.up(attackerId, 'beat'));
    const escaped = atCore.filter(({ subject, text }) => text.includes(ATTACK) && !subject.startsWith(`up.${attackerId}.`));
    expect(escaped).toEqual([]);
    expect(victimHeard.filter(({ text }) => text.includes(ATTACK))).toEqual([]);
    // What it sent under another's name stands under its own, where no component listens.
    const streams = await network.network.coordinator.bus.manager().then((manager) => manager.streams.info('JOBS'));
    expect(streams.config.name).toBe('JOBS');
  });

  test('get no answer from JetStream, the system or a service', async () => {
    attacker.subscribe('_INBOX.mine.>');
    await attacker.settle();
    const questions = [...JETSTREAM_CALLS, '$SYS.REQ.SERVER.PING', '$SYS.REQ.ACCOUNT.PING.CONNZ', '$SRV.INFO', 'svc.routing.fleet'];
    for (const [index, subject] of questions.entries()) {
      attacker.publish(subject, '', `_INBOX.mine.${index}`);
      await attacker.settle();
      attacker.subscribe('_INBOX.mine.>');
      await attacker.settle();
    }
    core_.publish(core.down(attackerId, 'flow'), `${CONTROL} asked`);
    await arrives(attacker.heard, `${CONTROL} asked`, 'down.flow');
    // A leaf's own server may answer about itself, or say that nobody is there: that is no answer from beyond.
    const isFromBeyond = ({ text }: Heard) => text !== '' && (text.includes('"name":"hub"') || !text.includes('"server":{'));
    const answers = attacker.heard().filter((heard) => heard.subject.startsWith('_INBOX.mine.') && isFromBeyond(heard));
    expect(answers).toEqual([]);
  });

  test('flooding and nonsense cost the others nothing', async () => {
    for (let count = 0; count < 5_000; count += 1) attacker.publish('up.beat', `nonsense ${count}`);
    await attacker.settle();
    const messages = [{ role: 'user', content: 'Still there?' }];
    expect(await readStream(network, { model: 'sim-llama-8b', messages, max_tokens: 5 })).toMatchObject({
      status: 200,
      text: expectedText(messages, 5),
      done: 1,
    });
  });
});

describe('one leaf for one provider', () => {
  test('a second connection with the same credentials is refused, and the first goes on', async () => {
    using second = await RawLeaf.connect({ url: network.hub.leafUrl, credentialsFile: credentialsFile(1), server: 'clone' });
    await second.closed;
    network.providers[1]?.connection.publish('up.hello', `${CONTROL} still first`);
    await arrives(() => atCore, `${CONTROL} still first`, core.up(victimId, 'hello'));
  });

  test('a message larger than any of ours ends the connection and goes nowhere', async () => {
    raw.publish('up.beat', 'x'.repeat(2 * 1024 * 1024));
    await raw.closed;
    expect(atCore.filter(({ text }) => text.length > 1024 * 1024)).toEqual([]);
  });
});

describe('a provider that is revoked', () => {
  test('is off within a second, and stays off, over a restart of the hub too', async () => {
    const { bus } = network.network.coordinator;
    await connectRaw();
    const leaf = raw;
    leaf.publish('up.hello', `${CONTROL} before`);
    await arrives(() => atCore, `${CONTROL} before`, core.up(attackerId, 'hello'));

    const startedAt = performance.now();
    expect(await bus.call(services.trust.revoke, { provider: attackerId }, { timeoutMs: 5_000 })).toMatchObject({ revoked: true });
    await leaf.closed;
    const took = performance.now() - startedAt;
    console.log(`a revoked provider was off after ${took.toFixed(0)} ms`);
    expect(took).toBeLessThan(1_000);

    const comesIn = async () => {
      using again = await RawLeaf.connect({ url: network.hub.leafUrl, credentialsFile: credentialsFile(0) });
      again.publish('up.hello', `${ATTACK} revoked`);
      await again.closed;
    };
    await comesIn();
    await network.hub.kill();
    await network.hub.restart();
    await comesIn();
    // The others are back: had it been heard, it would have been heard before them.
    await vi.waitFor(
      () => {
        network.providers[1]?.connection.publish('up.hello', `${CONTROL} back`);
        expect(atCore).toContainEqual({ subject: core.up(victimId, 'hello'), text: `${CONTROL} back` });
      },
      { timeout: 10_000, interval: 100 },
    );
    expect(atCore.filter(({ text }) => text.includes('revoked') && text.includes(ATTACK))).toEqual([]);
  });
});

describe("the operators' credentials", () => {
  test('read facts and list services, and can say nothing', async () => {
    const errors: string[] = [];
    const ops = await connect({
      servers: network.hub.clientUrl,
      authenticator: credsAuthenticator(readFileSync(join(network.network.home, 'keys/ops.creds'))),
    });
    void (async () => {
      for await (const status of ops.status()) if (status.type === 'error') errors.push(String(status.error));
    })();
    const heard: Heard[] = [];
    listen(ops, 'evt.>', () => heard);
    await ops.flush();
    core_.publish('evt.telemetry.violation', CONTROL);
    await arrives(() => heard, CONTROL, 'evt.telemetry.violation');
    const service = await ops.request('$SRV.INFO.settlement', '', { timeout: 5_000 });
    expect(service.json()).toMatchObject({ name: 'settlement' });

    for (const subject of ['evt.job.ended', 'svc.settlement.credit', `up.${victimId}.beat`, `down.${victimId}.job`, '$JS.API.STREAM.DELETE.JOBS'])
      ops.publish(subject, ATTACK);
    for (const subject of ['up.>', 'down.>', 'svc.>', '$JS.>']) ops.subscribe(subject, { callback: () => undefined });
    await ops.flush();
    await vi.waitFor(() => expect(errors.length).toBeGreaterThanOrEqual(9));
    expect([...atCore, ...victimHeard].filter(({ text }) => text.includes(ATTACK))).toEqual([]);
    await ops.close();
  });
});
