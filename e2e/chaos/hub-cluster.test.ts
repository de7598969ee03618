import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { core } from '#bus-schemas';
import { RawLeaf } from '#testcontainers';
import { credentialsOf, type Heard, listen } from '../attackers.ts';
import { readStream } from '../read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

const HUBS = 3;
const MACHINE = 0;
const messages = [{ role: 'user', content: 'Still there?' }];

let network: TestNetwork;
let core_: NatsConnection;
let system: NatsConnection;
const atCore: Heard[] = [];

beforeAll(async () => {
  network = await startTestNetwork({ providers: 3, tokenMs: 2, clusterOf: HUBS });
  core_ = network.network.coordinator.bus.connection;
  listen(core_, '>', (each) => atCore.push(each));
  system = await connect({
    servers: network.network.hubs.map(({ clientUrl }) => clientUrl),
    authenticator: credsAuthenticator(readFileSync(join(network.network.home, 'keys/sys.creds'))),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
}, 120_000);
afterAll(async () => {
  await system.close();
  await network[Symbol.asyncDispose]();
});

const idOf = (index: number) => String(network.providers[index]?.id);

/** Number of the hub that the leaf of this machine is connected to; -1 for none. */
async function hubOf(index: number): Promise<number> {
  const answers = await system.requestMany(
    '$SYS.REQ.SERVER.PING.LEAFZ',
    JSON.stringify({ account: idOf(index) }),
    { strategy: 'stall', maxWait: 1_000 },
  );
  for await (const message of answers) {
    const { server, data } = message.json<{
      server: { name: string };
      data: { leafs?: unknown[] };
    }>();
    if (data.leafs?.length) return Number(server.name.slice('hub-'.length));
  }
  return -1;
}

/**
 * Has every hub load the account of this machine, as hubs have after some weeks: only then do they
 * count its connections over the cluster.
 */
async function makeKnownToAllHubs(index: number): Promise<void> {
  for (const hub of network.network.hubs) {
    await vi.waitFor(async () => {
      using second = await RawLeaf.connect({
        url: hub.leafUrl,
        credentialsFile: credentialsOf(network, index),
        server: 'second',
      });
      expect(second.isOpen).toBe(false);
    });
  }
}

test('a machine whose hub is killed moves to another hub, and serves there', async () => {
  await makeKnownToAllHubs(MACHINE);
  const before = await vi.waitFor(async () => {
    const hub = await hubOf(MACHINE);
    expect(hub).toBeGreaterThanOrEqual(0);
    return hub;
  });
  const killedAt = performance.now();
  await network.network.hubs[before]?.kill();
  await vi.waitFor(async () => expect([-1, before]).not.toContain(await hubOf(MACHINE)), {
    interval: 20,
  });
  console.log(
    `from the end of its hub until the machine is connected to another: ${((performance.now() - killedAt) / 1_000).toFixed(2)} s`,
  );
  await vi.waitFor(() => {
    network.providers[MACHINE]?.connection.publish('up.hello', 'moved');
    expect(atCore).toContainEqual({ subject: core.up(idOf(MACHINE), 'hello'), text: 'moved' });
  });
  await vi.waitFor(async () => {
    const answer = await readStream(network, { model: 'sim-llama-8b', messages, max_tokens: 5 });
    expect(answer).toMatchObject({ status: 200, text: expectedText(messages, 5), done: 1 });
  });
  // The next test needs all hubs.
  await network.network.hubs[before]?.restart();
});
