import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { core, services } from '#bus-schemas';
import { RawLeaf } from '#testcontainers';
import { arrives, credentialsOf, type Heard, listen, rawLeaf } from './attackers.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const ATTACK = 'ATTACK';
const CONTROL = 'CONTROL';
const KILLED = 0;
const STAYS = 1;
const HONEST = 2;

let network: TestNetwork;
let core_: NatsConnection;
let atCore: Heard[] = [];

beforeAll(async () => {
  network = await startTestNetwork({ providers: 3, tokenMs: 2 });
  core_ = network.network.coordinator.bus.connection;
  listen(core_, '>', (each) => atCore.push(each));
  await core_.flush();
});
beforeEach(() => {
  atCore = [];
});
afterAll(() => network[Symbol.asyncDispose]());

const idOf = (index: number) => String(network.providers[index]?.id);
const say = (index: number, text: string) =>
  network.providers[index]?.connection.publish('up.hello', text);
const attacksHeard = () => atCore.filter(({ text }) => text.includes(ATTACK));

/** Takes the answer for a yes, and measures until the hub has told of the end. */
async function revoke(index: number, ended: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  const { bus } = network.network.coordinator;
  expect(
    await bus.call(services.trust.revoke, { provider: idOf(index) }, { timeoutMs: 5_000 }),
  ).toMatchObject({ revoked: true });
  await ended();
  return performance.now() - startedAt;
}

/** Tries to come in, and is shut out again. */
async function expectShutOut(index: number): Promise<void> {
  using leaf = await RawLeaf.connect({
    url: network.hub.leafUrl,
    credentialsFile: credentialsOf(network, index),
  });
  leaf.publish('up.hello', `${ATTACK} shut out`);
  await leaf.closed;
}

test('one leaf for one provider: a second connection with the same credentials is refused, and the first goes on', async () => {
  using second = await RawLeaf.connect({
    url: network.hub.leafUrl,
    credentialsFile: credentialsOf(network, STAYS),
    server: 'clone',
  });
  second.publish('up.hello', `${ATTACK} clone`);
  await second.closed;
  expect(second.errors.join()).toMatch(/maximum/i);
  say(STAYS, `${CONTROL} still first`);
  await arrives(() => atCore, `${CONTROL} still first`, core.up(idOf(STAYS), 'hello'));
  expect(attacksHeard()).toEqual([]);
  // The hub reports the end of the refused connection under the name of the machine.
  await vi.waitFor(() => expect(network.logs()).toContain('refused a second connection'));
  await core_.flush();
  expect(atCore.filter(({ subject }) => subject === 'evt.trust.disconnected')).toEqual([]);
});

describe('a provider that is revoked', () => {
  test('is off within a second, behind an honest leaf and without one, and stays off over a restart of the hub', async () => {
    await network.providers[KILLED]?.kill();
    const raw = await rawLeaf(network, KILLED);
    raw.publish('up.hello', `${CONTROL} raw`);
    await arrives(() => atCore, `${CONTROL} raw`, core.up(idOf(KILLED), 'hello'));
    say(HONEST, `${CONTROL} honest`);
    await arrives(() => atCore, `${CONTROL} honest`, core.up(idOf(HONEST), 'hello'));

    const rawMs = await revoke(KILLED, () => raw.closed);
    const isGone = ({ subject, text }: Heard) =>
      subject === 'evt.trust.disconnected' && text.includes(idOf(HONEST));
    const honestMs = await revoke(HONEST, () =>
      vi.waitFor(() => expect(atCore.some(isGone)).toBe(true), { timeout: 5_000, interval: 2 }),
    );
    console.log(
      `from revoke to the end of the connection: ${rawMs.toFixed(1)} ms raw, ${honestMs.toFixed(1)} ms until the system is told of an honest leaf's`,
    );
    expect(Math.max(rawMs, honestMs)).toBeLessThan(1_000);

    say(HONEST, `${ATTACK} revoked`);
    for (const index of [KILLED, HONEST]) await expectShutOut(index);
    await network.hub.kill();
    await network.hub.restart();
    for (const index of [KILLED, HONEST]) await expectShutOut(index);
    say(HONEST, `${ATTACK} revoked, after the restart`);
    // The others are back: had the revoked been let in, they would have been heard before.
    await vi.waitFor(
      () => {
        say(STAYS, `${CONTROL} back`);
        expect(atCore).toContainEqual({
          subject: core.up(idOf(STAYS), 'hello'),
          text: `${CONTROL} back`,
        });
      },
      { timeout: 10_000, interval: 100 },
    );
    expect(attacksHeard()).toEqual([]);
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
      for await (const status of ops.status())
        if (status.type === 'error') errors.push(String(status.error));
    })();
    const heard: Heard[] = [];
    listen(ops, 'evt.>', (each) => heard.push(each));
    await ops.flush();
    core_.publish('evt.telemetry.violation', CONTROL);
    await arrives(() => heard, CONTROL, 'evt.telemetry.violation');
    const service = await ops.request('$SRV.INFO.settlement', '', { timeout: 5_000 });
    expect(service.json()).toMatchObject({ name: 'settlement' });

    const spoken = [
      'evt.job.ended',
      'svc.settlement.credit',
      `up.${idOf(STAYS)}.beat`,
      `down.${idOf(STAYS)}.job`,
      '$JS.API.STREAM.DELETE.JOBS',
    ];
    const listened = ['>', 'up.>', 'down.>', 'svc.>', '$JS.>'];
    for (const subject of spoken) ops.publish(subject, ATTACK);
    for (const subject of listened) ops.subscribe(subject, { callback: () => undefined });
    await ops.flush();
    for (const subject of [...spoken, ...listened])
      await vi.waitFor(() => expect(errors.join('\n')).toContain(`"${subject}"`));
    core_.publish('evt.telemetry.violation', `${CONTROL} after`);
    await arrives(() => atCore, `${CONTROL} after`, 'evt.telemetry.violation');
    expect(attacksHeard()).toEqual([]);
    await ops.close();
  });
});
