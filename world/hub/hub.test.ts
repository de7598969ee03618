import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { consumers, events } from '#bus-schemas';
import {
  Bus,
  connectToHub,
  ensureStreams,
  hubConfig,
  type OperatorHome,
  prepareOperatorHome,
} from '#coordinator';
import { startNatsHub } from '#testcontainers';
import { Host } from '../virtual/host.ts';
import { SeededNumbers } from '../virtual/seeded-numbers.ts';
import { VirtualTime } from '../virtual/virtual-time.ts';
import { SimulatedHub } from './hub.ts';
import { emptyDisk } from './jetstream.ts';

/** A running hub that clients reach at `url`. */
interface Started extends AsyncDisposable {
  readonly url: string;
}

async function realHub(operator: OperatorHome): Promise<Started> {
  const node = await startNatsHub({ config: (place) => hubConfig(place, { operator }), ports: {} });
  return { url: node.clientUrl, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() };
}

/** The hub of worlds, here on a real socket and with a clock that follows the real one. */
async function simulatedHub({ keys }: OperatorHome): Promise<Started> {
  const time = new VirtualTime((_host, error) => {
    throw error;
  });
  const hub = SimulatedHub.start({
    host: new Host('hub', '127.0.0.1'),
    port: 0,
    time,
    random: new SeededNumbers(1, 'hub'),
    disk: emptyDisk(),
    accounts: new Map([
      [keys.core.getPublicKey(), 'core'],
      [keys.system.getPublicKey(), 'system'],
    ]),
    onMessage: () => undefined,
  });
  await vi.waitFor(() => expect(hub.server.listening).toBe(true));
  const began = performance.now();
  const clock = setInterval(() => void time.runUntil(performance.now() - began), 5);
  return {
    url: `nats://127.0.0.1:${(hub.server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      clearInterval(clock);
      hub.server.close();
    },
  };
}

describe.each([
  ['nats-server', realHub],
  ['the simulated hub', simulatedHub],
])('%s', (_name, start) => {
  const stack = new AsyncDisposableStack();
  let home: string;
  let hub: Started;
  let operator: OperatorHome;

  const connect = async (credentials = 'core.creds'): Promise<Bus> => {
    const connection = await connectToHub({
      natsUrls: [hub.url],
      hubCaFile: '',
      credentialsFile: join(home, credentials),
      name: 'test',
      log: pino({ level: 'silent' }),
    });
    stack.defer(() => connection.close());
    return new Bus(connection);
  };

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dinf-hub-'));
    stack.defer(() => rm(home, { recursive: true, force: true }));
    operator = await prepareOperatorHome(home);
    hub = stack.use(await start(operator));
    await ensureStreams(await connect());
  });
  afterAll(() => stack.disposeAsync());

  test('delivers to wildcards, and to one member of each queue', async () => {
    const { connection: sender } = await connect();
    const received: string[] = [];
    const note = (name: string) => (): void => {
      received.push(name);
    };
    const members = [await connect(), await connect()];
    for (const { connection } of members) {
      connection.subscribe('a.*.c', { callback: note('each') });
      connection.subscribe('a.>', { queue: 'shared', callback: note('shared') });
      connection.subscribe('a.b', { callback: note('another subject') });
      await connection.flush();
    }
    for (let message = 0; message < 20; message += 1) sender.publish('a.b.c', 'x');
    await sender.flush();
    await vi.waitFor(() => expect(received).toHaveLength(60));
    expect(received.filter((name) => name === 'shared')).toHaveLength(20);
    expect(received.filter((name) => name === 'each')).toHaveLength(40);
  });

  test('tells a caller at once that nobody answers', async () => {
    const { connection } = await connect();
    await expect(connection.request('nobody.here', '', { timeout: 5_000 })).rejects.toThrow(
      /no responders/i,
    );
  });

  test('keeps the accounts apart', async () => {
    const { connection: core } = await connect();
    const { connection: system } = await connect('sys.creds');
    const received: string[] = [];
    system.subscribe('secret', {
      callback: (_error, { subject }) => {
        received.push(subject);
      },
    });
    await system.flush();
    core.publish('secret', '');
    await core.flush();
    await system.flush();
    expect(received).toEqual([]);
    const answer = await system.request('$SYS.REQ.SERVER.PING.STATSZ', '', { timeout: 5_000 });
    expect(Date.parse(answer.json<{ server: { time: string } }>().server.time)).not.toBeNaN();
  });

  test('ends a subscription after the number of messages that it asked for', async () => {
    const { connection } = await connect();
    let received = 0;
    const subscription = connection.subscribe('limited', {
      callback: () => {
        received += 1;
      },
    });
    subscription.unsubscribe(2);
    for (let message = 0; message < 5; message += 1) connection.publish('limited', '');
    await connection.flush();
    expect(received).toBe(2);
  });

  test('stores a fact once for each id, and delivers it to the durable reader until it is acknowledged', async () => {
    const bus = await connect();
    const subject = events.jobEnded;
    for (const id of ['one', 'two', 'one']) await bus.store(subject, Buffer.from(id), id);
    const manager = await bus.manager();
    const { state } = await manager.streams.info('JOBS');
    expect(state).toMatchObject({ messages: 2, last_seq: 2 });

    const { stream, name } = consumers.settlementJobs;
    const durable = await bus.jetstream.consumers.get(stream, name);
    const delivered: string[] = [];
    const messages = await durable.consume({
      callback: (message) => {
        const text = `${message.string()} ${message.info.deliveryCount}`;
        delivered.push(text);
        if (text === 'one 1') message.nak();
        else message.ack();
      },
    });
    await vi.waitFor(() => expect(delivered.toSorted()).toEqual(['one 1', 'one 2', 'two 1']));
    await messages.close();
    await vi.waitFor(async () =>
      expect(await manager.consumers.info(stream, name)).toMatchObject({
        num_ack_pending: 0,
        num_pending: 0,
        ack_floor: { stream_seq: 2 },
      }),
    );
  });

  test('delivers a fact to the next reader when the connection of the one before has ended', async () => {
    const { stream, name } = consumers.settlementJobs;
    const ended = await connect();
    const first = await ended.jetstream.consumers.get(stream, name);
    await first.consume({ callback: () => undefined });
    await ended.connection.close();
    const bus = await connect();
    const delivered: string[] = [];
    const second = await bus.jetstream.consumers.get(stream, name);
    const messages = await second.consume({
      callback: (message) => {
        delivered.push(`${message.string()} ${message.info.deliveryCount}`);
        message.ack();
      },
    });
    await bus.store(events.jobEnded, Buffer.from('three'), 'three');
    // The reader that ended may have been sent it first; then it comes again after ten seconds.
    await vi.waitFor(() => expect(delivered.join()).toMatch(/^three [12]$/), 30_000);
    await messages.close();
  });

  test('names a stream or consumer that does not exist', async () => {
    const manager = await (await connect()).manager();
    await expect(manager.streams.info('NONE')).rejects.toThrow(/stream not found/);
    await expect(manager.consumers.info('JOBS', 'none')).rejects.toThrow(/consumer not found/);
  });
});
