import type { Msg } from '@nats-io/nats-core';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectToServer, core, events, services, TrustEnrolled } from '#bus-schemas';
import type { NatsNode } from '#network';
import { startNatsHub } from '#testcontainers';
import { Bus, endpoint, NotResponsible } from './bus.ts';
import { reportBus } from './bus-report.ts';
import { ensureStreams } from './streams.ts';

const PROVIDER = `A${'B'.repeat(55)}`;
const CALL = { timeoutMs: 2_000 };
const EMPTY = { revision: 1, models: [] as [], aliases: [] as [] };

let hub: NatsNode;
let bus: Bus;

beforeEach(async () => {
  hub = await startNatsHub({
    runtime: 'local',
    config: ({ host, home, ports }) =>
      `host: "${host}"\nport: ${ports.client}\njetstream { store_dir: "${home}/jetstream" }\n`,
  });
  bus = new Bus(
    await connectToServer({
      servers: hub.clientUrl,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
    }),
  );
});
afterEach(async () => {
  await bus.connection.close();
  await hub[Symbol.asyncDispose]();
});

describe.each([
  { way: 'over the hub', callsDirectly: false },
  { way: 'between components of one process', callsDirectly: true },
])('a call $way', ({ callsDirectly }) => {
  beforeEach(() => {
    bus = new Bus(bus.connection, { callsDirectly });
  });

  test('is answered by the component', async () => {
    await using _face = await bus.serve('catalog', [
      endpoint(services.catalog.putModel, ({ model }) => ({ revision: model.builds.length })),
    ]);
    const model = {
      id: 'm',
      displayName: 'M',
      contextTokens: 1,
      maxOutputTokens: 1,
      builds: ['a', 'b'],
      inputMicroUsdPerMillion: 1,
      outputMicroUsdPerMillion: 1,
      createdAt: 1,
    };
    expect(await bus.call(services.catalog.putModel, { model }, CALL)).toMatchObject({
      revision: 2,
    });
  });

  test('to a component that does not run fails at once, not after its timeout', async () => {
    const startedAt = performance.now();
    await expect(bus.call(services.catalog.snapshot, {}, CALL)).rejects.toMatchObject({
      name: 'BusError',
      code: 'unavailable',
    });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  test('that takes too long fails with a timeout', async () => {
    await using _face = await bus.serve('catalog', [
      endpoint(services.catalog.snapshot, () => new Promise(() => undefined)),
    ]);
    await expect(bus.call(services.catalog.snapshot, {}, { timeoutMs: 100 })).rejects.toMatchObject(
      { code: 'timeout' },
    );
  });

  test('fails with the error of its handler', async () => {
    await using _face = await bus.serve('catalog', [
      endpoint(services.catalog.snapshot, () => {
        throw new Error('the shelf is empty');
      }),
    ]);
    await expect(bus.call(services.catalog.snapshot, {}, CALL)).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('the shelf is empty'),
    });
  });

  test('that does not fit its schema is refused before the handler runs', async () => {
    const handle = vi.fn(() => ({ revoked: true }));
    await using _face = await bus.serve('accounts', [
      endpoint(services.accounts.revokeKey, handle),
    ]);
    await expect(
      bus.call(services.accounts.revokeKey, { key: 'not a key' }, CALL),
    ).rejects.toMatchObject({ code: 'failed' });
    expect(handle).not.toHaveBeenCalled();
  });

  test('fails so that it is repeated if the component may no longer answer', async () => {
    await using _face = await bus.serve('catalog', [
      endpoint(services.catalog.snapshot, () => {
        throw new NotResponsible();
      }),
    ]);
    await expect(bus.call(services.catalog.snapshot, {}, CALL)).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  test('to a component of which one copy at a time serves is answered although the copy before it is cut off', async () => {
    const silent = endpoint(services.catalog.snapshot, () => new Promise<never>(() => undefined));
    const other = new Bus(await connectToServer({ servers: hub.clientUrl }));
    try {
      await using _before = await other.serve('catalog', [silent], { sharesCalls: false });
      await using _now = await bus.serve(
        'catalog',
        [endpoint(services.catalog.snapshot, () => EMPTY)],
        { sharesCalls: false },
      );
      for (let call = 0; call < 10; call += 1)
        expect(await bus.call(services.catalog.snapshot, {}, CALL)).toMatchObject(EMPTY);
    } finally {
      await other.connection.close();
    }
  });

  test('that is open can be rejected, so that it is repeated', async () => {
    await using _face = await bus.serve('catalog', [
      endpoint(services.catalog.snapshot, () => new Promise(() => undefined)),
    ]);
    const call = bus.call(services.catalog.snapshot, {}, { timeoutMs: 60_000 });
    bus.rejectOpenCalls(services.catalog.snapshot);
    await expect(call).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('whose reply does not fit its schema fails', async () => {
    await using _face = await bus.serve('catalog', [
      endpoint(services.catalog.snapshot, () => ({ revision: 'new' }) as never),
    ]);
    await expect(bus.call(services.catalog.snapshot, {}, CALL)).rejects.toMatchObject({
      code: 'schema_mismatch',
    });
  });

  test('on a closed connection fails', async () => {
    await bus.serve('catalog', [endpoint(services.catalog.snapshot, () => EMPTY)]);
    await bus.connection.close();
    await expect(bus.call(services.catalog.snapshot, {}, CALL)).rejects.toMatchObject({
      code: 'closed',
    });
  });
});

describe('a call whose reply is late', () => {
  const LATE_MS = 300;
  let other: Bus;
  beforeEach(async () => {
    other = new Bus(await connectToServer({ servers: hub.clientUrl }));
  });
  afterEach(() => other.connection.close());

  test('is answered by another copy of the component, soon', async () => {
    let lost = 0;
    const silent = endpoint(services.catalog.snapshot, () => {
      lost += 1;
      return new Promise<never>(() => undefined);
    });
    await using _silent = await other.serve('catalog', [silent]);
    await using _serving = await bus.serve('catalog', [
      endpoint(services.catalog.snapshot, () => EMPTY),
    ]);
    for (let call = 0; call < 12; call += 1) {
      const startedAt = performance.now();
      const answer = await bus.call(services.catalog.snapshot, {}, { timeoutMs: 20_000 });
      expect(answer).toMatchObject(EMPTY);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    }
    // Otherwise the hub gave no call to the silent copy first, and nothing was shown.
    expect(lost).toBeGreaterThan(0);
    await other.connection.close();
  });

  test('is not begun twice by the copy that answers it', async () => {
    const answer = Promise.withResolvers<typeof EMPTY>();
    const handle = vi.fn(() => answer.promise);
    await using _face = await other.serve('catalog', [endpoint(services.catalog.snapshot, handle)]);
    const observer = await connectToServer({ servers: hub.clientUrl });
    const copied = new Promise<void>((resolve) => {
      observer.subscribe('svc.catalog.snapshot.copies', { callback: () => resolve() });
    });
    await observer.flush();
    const call = bus.call(services.catalog.snapshot, {}, { timeoutMs: 20_000 });
    await copied;
    await other.connection.flush();
    answer.resolve(EMPTY);
    expect(await call).toMatchObject(EMPTY);
    expect(handle).toHaveBeenCalledTimes(1);
    await observer.close();
  });

  test('is not begun again by the copy that has just answered it', async () => {
    const handle = vi.fn(() => EMPTY);
    await using _face = await other.serve('catalog', [endpoint(services.catalog.snapshot, handle)]);
    const observer = await connectToServer({ servers: hub.clientUrl });
    const calls: Msg[] = [];
    observer.subscribe(services.catalog.snapshot.subject, {
      callback: (_, message) => {
        calls.push(message);
      },
    });
    await observer.flush();
    await bus.call(services.catalog.snapshot, {}, CALL);
    await observer.flush();
    const [call] = calls;
    if (call === undefined) throw new Error('the observer saw no call');
    const { data, reply = '', headers } = call;
    bus.connection.publish(core.everyCopy(call.subject), data, {
      reply,
      ...(headers && { headers }),
    });
    // The answer to another call shows that the copy has read both messages.
    await bus.connection.request(core.everyCopy(call.subject), data, { timeout: 20_000 });
    expect(handle).toHaveBeenCalledTimes(2);
    await observer.close();
  });

  test('fails by its timeout, and not by a copy that fails', async () => {
    await using _silent = await other.serve('catalog', [
      endpoint(services.catalog.snapshot, () => new Promise<never>(() => undefined)),
    ]);
    const failing = vi.fn(() => {
      throw new Error('no database');
    });
    const copy = await connectToServer({ servers: hub.clientUrl });
    await using _face = await new Bus(copy).serve('catalog', [
      endpoint(services.catalog.snapshot, failing),
    ]);
    const codes: string[] = [];
    for (let call = 0; call < 8; call += 1)
      await bus
        .call(services.catalog.snapshot, {}, { timeoutMs: 2 * LATE_MS })
        .catch(({ code }) => codes.push(code));
    const given = codes.filter((code) => code === 'failed').length;
    expect(codes.filter((code) => code === 'timeout')).toHaveLength(8 - given);
    expect(failing.mock.calls.length).toBeGreaterThan(given);
    await copy.close();
  });
});

describe('a call over the hub', () => {
  test('that a stopping component has received is answered before its end is complete', async () => {
    const handling = Promise.withResolvers<void>();
    const snapshot = Promise.withResolvers<{ revision: number; models: []; aliases: [] }>();
    const connection = await connectToServer({ servers: hub.clientUrl });
    const component = await new Bus(connection).serve('catalog', [
      endpoint(services.catalog.snapshot, () => {
        handling.resolve();
        return snapshot.promise;
      }),
    ]);
    await connection.flush();
    const answer = bus.call(services.catalog.snapshot, {}, { timeoutMs: 60_000 });
    await handling.promise;
    let hasEnded = false;
    const end = component[Symbol.asyncDispose]().then(() => {
      hasEnded = true;
    });
    // A second call finds no component: the first one takes no more calls.
    await expect
      .poll(() => bus.call(services.catalog.snapshot, {}, CALL).catch(({ code }) => code))
      .toBe('unavailable');
    for (let trip = 0; trip < 50; trip += 1) await connection.flush();
    expect(hasEnded).toBe(false);
    snapshot.resolve({ revision: 7, models: [], aliases: [] });
    expect(await answer).toMatchObject({ revision: 7 });
    await end;
    await connection.close();
  });

  test('that is open when the hub dies fails at once, so that it can be repeated', async () => {
    await using _face = await bus.serve('catalog', [
      endpoint(services.catalog.snapshot, () => new Promise(() => undefined)),
    ]);
    const call = bus.call(services.catalog.snapshot, {}, { timeoutMs: 60_000 });
    const failed = expect(call).rejects.toMatchObject({ code: 'unavailable' });
    await hub.kill();
    await failed;
    await hub.restart();
  });
});

describe('a call between components of one process', () => {
  const catalog = (handle: () => { revision: number; models: []; aliases: [] }) =>
    endpoint(services.catalog.snapshot, handle);
  const revision = () => bus.call(services.catalog.snapshot, {}, CALL);
  beforeEach(() => {
    bus = new Bus(bus.connection, { callsDirectly: true });
  });

  test('does not need the hub', async () => {
    await using _face = await bus.serve('catalog', [catalog(() => EMPTY)]);
    await hub.kill();
    expect(await revision()).toMatchObject(EMPTY);
    await hub.restart();
  });

  test('shares no object with the component', async () => {
    const snapshot = { ...EMPTY };
    await using _face = await bus.serve('catalog', [catalog(() => snapshot)]);
    const received = await revision();
    snapshot.revision = 2;
    expect(received).toMatchObject({ revision: 1 });
  });

  test('runs the component after the code of the caller', async () => {
    const order: string[] = [];
    await using _face = await bus.serve('catalog', [
      catalog(() => {
        order.push('component');
        return EMPTY;
      }),
    ]);
    const called = revision();
    order.push('caller');
    await called;
    expect(order).toEqual(['caller', 'component']);
  });

  test('goes to another process when the own component has stopped', async () => {
    const connection = await connectToServer({ servers: hub.clientUrl });
    await using _other = await new Bus(connection).serve('catalog', [
      catalog(() => ({ ...EMPTY, revision: 2 })),
    ]);
    const own = await bus.serve('catalog', [catalog(() => EMPTY)]);
    expect(await revision()).toMatchObject({ revision: 1 });
    await own[Symbol.asyncDispose]();
    expect(await revision()).toMatchObject({ revision: 2 });
    await connection.close();
  });

  test('that a stopping component has received is answered before its end is complete', async () => {
    const handling = Promise.withResolvers<void>();
    const snapshot = Promise.withResolvers<typeof EMPTY>();
    const own = await bus.serve('catalog', [
      endpoint(services.catalog.snapshot, () => {
        handling.resolve();
        return snapshot.promise;
      }),
    ]);
    const call = bus.call(services.catalog.snapshot, {}, { timeoutMs: 60_000 });
    await handling.promise;
    let hasEnded = false;
    const end = own[Symbol.asyncDispose]().then(() => {
      hasEnded = true;
    });
    for (let trip = 0; trip < 50; trip += 1) await bus.connection.flush();
    expect(hasEnded).toBe(false);
    snapshot.resolve(EMPTY);
    expect(await call).toMatchObject(EMPTY);
    await end;
  });
});

describe('a fact', () => {
  const stored = async () => (await (await bus.manager()).streams.info('STATE')).state.messages;
  const state = (at: number) =>
    bus.emit(events.trustEnrolled, TrustEnrolled, { provider: PROVIDER, at }, `enrolled:${at}`);

  test('published twice with one id is stored once', async () => {
    await ensureStreams(bus);
    state(1);
    state(1);
    state(2);
    expect(await bus.flushEvents(5_000)).toBe(true);
    expect(await stored()).toBe(2);
  });

  test('published while the hub is unreachable is stored once when it is back', async () => {
    await ensureStreams(bus);
    for (let at = 0; at < 50; at += 1) state(at);
    await hub.kill();
    for (let at = 50; at < 100; at += 1) state(at);
    await hub.restart();
    expect(await bus.flushEvents(15_000)).toBe(true);
    await vi.waitFor(async () => expect(await stored()).toBe(100), { timeout: 5_000 });
    expect(bus.droppedEvents).toBe(0);
  });

  test('that no stream can store reaches subscribers at once, however many wait', async () => {
    // Without streams no fact is acknowledged, as with a full disk.
    const received = new Set<number>();
    bus.subscribe({
      subject: events.trustEnrolled,
      kind: TrustEnrolled,
      handle: ({ at }) => void received.add(at),
    });
    for (let at = 0; at < 1_000; at += 1) state(at);
    await vi.waitFor(() => expect(received.size).toBe(1_000), { timeout: 5_000 });
    expect(bus.waitingEvents).toBe(1_000);
    await ensureStreams(bus);
    expect(await bus.flushEvents(20_000)).toBe(true);
    expect(await stored()).toBe(1_000);
  });
});

test('a message that cannot be decoded is reported, and the next one is handled', async () => {
  const read: unknown[] = [];
  const unreadable: string[] = [];
  bus.subscribe({
    subject: 'evt.trust.enrolled',
    kind: TrustEnrolled,
    handle: (value) => read.push(value),
    onInvalid: ({ code }) => unreadable.push(code),
  });
  bus.connection.publish('evt.trust.enrolled', Uint8Array.of(0xc1));
  bus.publish('evt.trust.enrolled', TrustEnrolled, { provider: PROVIDER, at: 7 });
  await vi.waitFor(() => expect(read).toMatchObject([{ provider: PROVIDER, at: 7 }]));
  expect(unreadable).toEqual(['malformed']);
});

describe('a failure', () => {
  const lines: { method: string; err: { message: string }; msg: string }[] = [];
  const metrics = new Registry();
  const failures = async () =>
    (await metrics.getSingleMetric('dinf_bus_handler_failures_total')?.get())?.values ?? [];
  let reported: Bus;
  beforeEach(async () => {
    lines.length = 0;
    metrics.clear();
    const log = pino(
      { level: 'debug' },
      { write: (line: string) => void lines.push(JSON.parse(line)) },
    );
    const connection = await connectToServer({ servers: hub.clientUrl });
    reported = new Bus(connection, { report: reportBus({ log, metrics, clock: () => 0 }) });
  });
  afterEach(() => reported.connection.close());

  test('of a handler is logged with method and cause, and counted; many failures give one line', async () => {
    const broken = endpoint(services.catalog.snapshot, () => {
      throw new Error('the shelf is empty');
    });
    await using _face = await reported.serve('catalog', [broken]);
    await reported.connection.flush();
    for (let call = 0; call < 5; call += 1)
      await expect(bus.call(services.catalog.snapshot, {}, CALL)).rejects.toMatchObject({
        code: 'failed',
      });
    expect(lines).toEqual([
      expect.objectContaining({
        method: services.catalog.snapshot.subject,
        err: expect.objectContaining({ message: 'the shelf is empty' }),
      }),
    ]);
    expect(await failures()).toMatchObject([
      { labels: { method: services.catalog.snapshot.subject }, value: 5 },
    ]);
  });

  test('of a handler in a subscription ends neither the subscription nor the connection', async () => {
    const seen: string[] = [];
    reported.subscribe({
      subject: events.trustEnrolled,
      kind: TrustEnrolled,
      handle: ({ provider }) => {
        seen.push(provider);
        throw new Error('no room');
      },
    });
    await reported.connection.flush();
    for (let fact = 0; fact < 3; fact += 1)
      bus.publish(events.trustEnrolled, TrustEnrolled, { provider: PROVIDER, at: 1 });
    await vi.waitFor(() => expect(seen).toHaveLength(3));
    expect(await failures()).toMatchObject([
      { labels: { method: events.trustEnrolled }, value: 3 },
    ]);
    expect(reported.connection.isClosed()).toBe(false);
  });

  test('of a call to a component that does not run is counted', async () => {
    await expect(reported.call(services.catalog.snapshot, {}, CALL)).rejects.toMatchObject({
      code: 'unavailable',
    });
    const calls = await metrics.getSingleMetric('dinf_bus_failed_calls_total')?.get();
    expect(calls?.values).toMatchObject([
      { labels: { method: services.catalog.snapshot.subject, code: 'unavailable' }, value: 1 },
    ]);
  });
});
