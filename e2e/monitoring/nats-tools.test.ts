import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { Svcm } from '@nats-io/services';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { eventStreams, JobEnded } from '#bus-schemas';
import packageJson from '../../package.json' with { type: 'json' };
import { DINF } from '../dinf-program.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let ops: NatsConnection;
let manager: JetStreamManager;
const errors: string[] = [];
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 0 });
  ops = await connect({
    servers: network.hub.clientUrl,
    authenticator: credsAuthenticator(readFileSync(join(network.network.home, 'keys/ops.creds'))),
  });
  void (async () => {
    for await (const status of ops.status())
      if (status.type === 'error') errors.push(String(status.error));
  })();
  manager = await jetstreamManager(ops, { timeout: 5_000 });
});
afterAll(async () => {
  await ops.close();
  await network[Symbol.asyncDispose]();
});

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

describe("operators' tools on the bus", () => {
  test('list streams and consumers, and read the state of each', async () => {
    const streams = await collect(manager.streams.list());
    expect(streams.map(({ config }) => config.name).toSorted()).toEqual(
      eventStreams.map(({ name }) => name).toSorted(),
    );
    expect((await manager.streams.info('JOBS')).state.messages).toBeGreaterThanOrEqual(0);
    const readers = await collect(manager.consumers.list('JOBS'));
    expect(readers.map(({ name }) => name).toSorted()).toEqual(['settlement', 'telemetry-facts']);
    expect(await manager.consumers.info('JOBS', 'settlement')).toMatchObject({
      config: { filter_subject: 'evt.job.ended' },
    });
  });

  test('cannot read, write, purge or delete anything in JetStream', async () => {
    const forbidden = {
      'STREAM.DELETE.JOBS': {},
      'STREAM.PURGE.JOBS': {},
      'STREAM.UPDATE.JOBS': { name: 'JOBS', subjects: ['evt.job.>'], max_msgs: 1 },
      'STREAM.CREATE.OWN': { name: 'OWN', subjects: ['evt.own.>'] },
      'STREAM.MSG.GET.JOBS': { seq: 1 },
      'STREAM.MSG.DELETE.JOBS': { seq: 1 },
      'STREAM.SNAPSHOT.JOBS': { deliver_subject: '_INBOX.x' },
      'CONSUMER.CREATE.JOBS': { stream_name: 'JOBS', config: { ack_policy: 'none' } },
      'CONSUMER.DELETE.JOBS.settlement': {},
      'CONSUMER.MSG.NEXT.JOBS.settlement': { batch: 1 },
      'CONSUMER.PAUSE.JOBS.settlement': {},
    };
    const core = await network.network.coordinator.bus.manager();
    const before = await core.streams.info('JOBS');
    for (const [request, payload] of Object.entries(forbidden))
      ops.publish(`$JS.API.${request}`, JSON.stringify(payload), { reply: '_INBOX.none' });
    await ops.flush();
    await vi.waitFor(() => {
      const missing = Object.keys(forbidden).filter(
        (request) => !errors.some((error) => error.includes(`"$JS.API.${request}"`)),
      );
      expect(missing).toEqual([]);
    });
    expect((await core.streams.info('JOBS')).config).toEqual(before.config);
    expect(await collect(core.streams.names())).not.toContain('OWN');
    expect((await core.consumers.info('JOBS', 'settlement')).paused).toBeFalsy();
  });

  test('show every service with its version and a description', async () => {
    const client = new Svcm(ops).client();
    const infos = await collect(await client.info());
    const shown = new Map(infos.map(({ name, ...info }) => [name, info]));
    for (const name of ['accounts', 'catalog', 'routing', 'settlement', 'telemetry', 'trust'])
      expect([name, shown.get(name)]).toMatchObject([
        name,
        { version: packageJson.version, description: expect.stringMatching(/\w+ \w+/) },
      ]);
  });
});

describe('dinf decode', () => {
  const decode = (input: Uint8Array) =>
    spawnSync(process.execPath, [DINF, 'decode'], { input, encoding: 'utf8', timeout: 30_000 });

  test('prints a fact from the bus as JSON', async () => {
    const fact = Promise.withResolvers<Uint8Array>();
    ops.subscribe('evt.job.ended', { callback: (_error, { data }) => fact.resolve(data) });
    await ops.flush();
    await network.ask('POST', '/v1/chat/completions', {
      token: network.apiKey,
      body: {
        model: 'sim-llama-8b',
        messages: [{ role: 'user', content: 'Hi' }],
        max_tokens: 3,
      },
    });
    const data = await fact.promise;
    const { job, receiptKey } = JobEnded.decode(data);
    const { stdout } = decode(data);
    expect(JSON.parse(stdout)).toMatchObject({
      v: 1,
      job,
      result: 'completed',
      receiptKey: Buffer.from(receiptKey ?? []).toString('hex'),
    });
  });

  test('rejects what is no message, and says so', () => {
    const { status, stdout, stderr } = decode(Buffer.from('not a fact'));
    expect([status, stdout]).toEqual([64, '']);
    expect(stderr).toContain('not a message of d-inference');
  });
});
