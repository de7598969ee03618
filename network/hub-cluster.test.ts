import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectToServer, consumers, eventStreams } from '#bus-schemas';
import { Bus, ensureStreams, prepareOperatorHome, wantedReplicas } from '#coordinator';
import { hubConnection } from '#coordinator/connect-bus.ts';
import type { CheckResult } from '#coordinator/founding/check/finding.ts';
import { checkStreams } from '#coordinator/founding/check/stream-checks.ts';
import { cacheFolder, findNatsServer } from '#provider';
import { type HubCluster, startHubCluster } from './hub-cluster.ts';

const THREE = { count: 3, mayLower: false };
const FACTS = 20;

describe('streams in a cluster of three hubs', () => {
  const stack = new AsyncDisposableStack();
  let cluster: HubCluster;
  let core: NatsConnection;
  let bus: Bus;
  let manager: JetStreamManager;
  let home = '';
  let keys = '';
  const address = () => ({
    natsUrls: cluster.hubs.map(({ clientUrl }) => clientUrl),
    hubCaFile: '',
    systemCredentials: join(keys, 'sys.creds'),
    streamReplicas: undefined,
  });

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-cluster-'));
    stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
    keys = join(home, 'keys');
    cluster = stack.use(
      await startHubCluster({
        natsServer: (await findNatsServer({ cacheDir: cacheFolder(process.env) })).path,
        home,
        operator: await prepareOperatorHome(keys),
        count: 3,
      }),
    );
    core = await connectToServer({
      ...(await hubConnection(address(), join(keys, 'core.creds'))),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    stack.defer(() => core.close());
    bus = new Bus(core);
    manager = await jetstreamManager(core, { checkAPI: false });
  });
  afterAll(() => stack.disposeAsync());

  const replicas = () =>
    Promise.all(
      eventStreams.map(async ({ name }) => (await manager.streams.info(name)).config.num_replicas),
    );
  const found = (findings: readonly CheckResult[]) =>
    Object.fromEntries(findings.map(({ check, state, detail }) => [check, `${state}: ${detail}`]));

  /** Waits until every replica has every fact. */
  const allAreOk = () =>
    vi.waitFor(async () => {
      const states = new Set((await checkStreams(core, THREE)).map(({ state }) => state));
      expect(states).toEqual(new Set(['ok']));
    });

  test('should have three replicas, by what the hubs report', async () => {
    expect(await wantedReplicas(address())).toEqual(THREE);
    expect(await wantedReplicas({ ...address(), streamReplicas: 2 })).toEqual({
      count: 2,
      mayLower: true,
    });
    const unknown = { ...address(), systemCredentials: join(keys, 'missing.creds') };
    expect(await wantedReplicas(unknown)).toMatchObject({
      count: 1,
      sizeUnknown: expect.stringContaining('missing.creds'),
    });
  });

  test('get more replicas in place, and lose neither facts nor what their consumers read', async () => {
    await ensureStreams(bus);
    const { stream, name } = consumers.settlementJobs;
    // A hub that has just heard of the stream may not know yet which hub has it.
    for (let fact = 0; fact < FACTS; fact += 1)
      await vi.waitFor(() => bus.store('evt.job.ended', new Uint8Array([fact]), `fact ${fact}`));
    const consumer = await bus.jetstream.consumers.get(stream, name);
    for (let read = 0; read < FACTS / 2; read += 1) await (await consumer.next())?.ackAck();
    expect(found(await checkStreams(core, THREE))['stream JOBS']).toBe(
      'warning: has 1 replica, and the cluster can keep 3',
    );

    await ensureStreams(bus, THREE);
    expect(new Set(await replicas())).toEqual(new Set([3]));
    await allAreOk();
    expect((await manager.streams.info(stream)).state.messages).toBe(FACTS);
    expect((await manager.consumers.info(stream, name)).num_pending).toBe(FACTS / 2);
    // The consumer of telemetry has read nothing.
    expect(found(await checkStreams(core, THREE))['stream JOBS']).toBe(
      `ok: has 3 replicas, ${FACTS / 2 + FACTS} facts wait for a reader`,
    );
  });

  test('keep their replicas when the default is lower, and lose some only by the setting', async () => {
    await ensureStreams(bus, { count: 1, mayLower: false });
    expect(new Set(await replicas())).toEqual(new Set([3]));
    await ensureStreams(bus, { count: 1, mayLower: true });
    expect(new Set(await replicas())).toEqual(new Set([1]));
    await ensureStreams(bus, THREE);
    await allAreOk();
  });

  test('are copied to a hub again that has lost its disk', async () => {
    const [hub] = cluster.hubs;
    await hub?.kill();
    await rm(join(home, 'hub-0', 'jetstream'), { recursive: true });
    await hub?.restart();
    await allAreOk();
  });

  test('store facts without one of the hubs, and the check names what is away', async () => {
    const [first, second] = cluster.hubs;
    await first?.kill();
    await vi.waitFor(() => bus.store('evt.job.ended', new Uint8Array([1]), 'without one hub'));
    await vi.waitFor(async () =>
      expect(found(await checkStreams(core, THREE))['stream JOBS']).toBe(
        'warning: has 3 replicas, of which those on hub-0 do not have every fact',
      ),
    );
    await second?.kill();
    await vi.waitFor(async () => {
      for (const finding of await checkStreams(core, THREE))
        expect(finding).toMatchObject({
          state: 'failed',
          detail: expect.stringMatching(/^has no leader/),
          remedy: expect.stringContaining('start the hubs'),
        });
    });
  });
});
