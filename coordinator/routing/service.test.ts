import { connect } from '@nats-io/transport-node';
import { Pool } from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, test, vi } from 'vitest';
import {
  type Announcement,
  Beat,
  core,
  events,
  Hello,
  inCell,
  JobEnded,
  type Reserve,
  RoutingDecision,
  RoutingFleet,
  SettlementTermsChanged,
  services,
  TrustDisconnected,
  TrustRevoked,
  TrustVerdict,
  type Verdict,
  Violation,
} from '#bus-schemas';
import { Bus, endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import { readConfig } from '#coordinator/config.ts';
import { ensureStreams } from '#coordinator/streams.ts';
import { startTestHub } from '#testcontainers';
import { announcement, slot } from './core/fleet-under-test.ts';
import { startRouting } from './service.ts';

const PROVIDER = `A${'B'.repeat(55)}`;
const CALL = { timeoutMs: 8_000 };
/** The subject under which the hub delivers a provider's message on `up.<kind>`. */
const upSubject = (word: 'hello' | 'beat') => core.everyUp(word).replace('*', PROVIDER);

/** Starts a hub and routing on it. The test acts as the providers and the ingress. */
async function startRoutingUnderTest() {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startTestHub());
  const connection = await connect({ servers: hub.clientUrl });
  stack.defer(() => connection.close());
  const bus = new Bus(connection);
  await ensureStreams(bus);
  const known = { verdicts: [verdict(), verdict({ provider: WITNESS })] };
  stack.use(await bus.serve('trust', [endpoint(services.trust.verdicts, () => known)]));
  // There is no Postgres: routing works without the records of machines.
  const database = new Pool({ max: 1 });
  stack.defer(() => database.end());
  const metrics = { last: new Registry() };
  const start = async (): Promise<Component> => {
    metrics.last = new Registry();
    const own = await connect({ servers: hub.clientUrl });
    const component = await startRouting({
      bus: new Bus(own),
      database,
      config: readConfig({}),
      log: pino({ level: 'silent' }),
      metrics: metrics.last,
      now: Date.now,
    });
    return {
      ...component,
      [Symbol.asyncDispose]: async () => {
        await component[Symbol.asyncDispose]();
        await own.close();
      },
    };
  };
  let routing = await start();
  stack.defer(() => routing[Symbol.asyncDispose]());
  const owned = stack.move();
  return {
    bus,
    connection,
    metrics,
    known,
    fleet: async () => (await bus.call(services.routing.fleet, {}, CALL)).providers,
    startStandby: start,
    stop: () => routing[Symbol.asyncDispose](),
    start: async () => {
      routing = await start();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const verdict = (changes: Partial<Verdict> = {}): Verdict => ({
  provider: PROVIDER,
  revision: 2,
  standing: 'verified',
  level: 'self_signed',
  sealingKey: new Uint8Array(32),
  at: Date.now(),
  freshUntil: Date.now() + 600_000,
  ...changes,
});

const RESERVE = inCell(services.routing.reserve, 0);

let sequence = 0;
const nextAnnouncement = (): Announcement =>
  announcement({ sequence: ++sequence }, [slot({ maxConcurrency: 1, loadMs: 0 })]);
const ask = (job: number, changes: Partial<Reserve> = {}): Reserve => ({
  job: `job_${String(job).padStart(22, '0')}`,
  account: 'acct_0000',
  model: 'sim',
  builds: ['sim'],
  promptTokens: 10,
  maxOutputTokens: 10,
  patienceMs: 0,
  exclude: [],
  ...changes,
});
const ended = (job: number) => ({
  job: ask(job).job,
  account: 'acct_0000',
  key: 'key_0000',
  ingress: 'in_000000000000',
  model: 'sim',
  build: 'sim',
  provider: PROVIDER,
  attempts: 1,
  result: 'completed' as const,
  at: Date.now(),
  streamed: true,
  deliveredTokens: 1,
  promptBound: 10,
  timing: { routeUs: 1, holdUs: 1, totalUs: 1 },
});

test('a slot is promised to one job, and at its end at once to the request that waits', async () => {
  await using network = await startRoutingUnderTest();
  const { bus } = network;
  bus.publish(upSubject('hello'), Hello, nextAnnouncement());
  const first = await bus.call(RESERVE, ask(1, { patienceMs: 5_000 }), CALL);
  expect(first).toMatchObject({ ok: true, candidates: [{ provider: PROVIDER }] });
  expect(await bus.call(RESERVE, ask(2), CALL)).toMatchObject({ ok: false, code: 'saturated' });
  const waiting = bus.call(RESERVE, ask(3, { patienceMs: 5_000 }), CALL);
  await vi.waitFor(async () =>
    expect(await network.metrics.last.metrics()).toMatch(/^dinf_routing_queue 1$/m),
  );
  bus.publish(events.jobEnded, JobEnded, ended(1));
  expect(await waiting).toMatchObject({ ok: true, candidates: [{ provider: PROVIDER }] });
});

test('after a restart of routing, a request waits only for the next beat', async () => {
  await using network = await startRoutingUnderTest();
  const { bus } = network;
  bus.publish(upSubject('hello'), Hello, nextAnnouncement());
  await vi.waitFor(async () => expect(await network.fleet()).toHaveLength(1));
  await network.stop();
  await network.start();
  expect(await network.fleet()).toEqual([]);
  const waiting = bus.call(RESERVE, ask(1, { patienceMs: 5_000 }), CALL);
  await vi.waitFor(async () =>
    expect(await network.metrics.last.metrics()).toMatch(/^dinf_routing_queue 1$/m),
  );
  bus.publish(upSubject('beat'), Beat, nextAnnouncement());
  expect(await waiting).toMatchObject({ ok: true, candidates: [{ provider: PROVIDER }] });
});

test('the start of a standby ends when it knows the machines of the leader', async () => {
  await using network = await startRoutingUnderTest();
  const { bus, connection, fleet, startStandby, metrics } = network;
  const beat = () => bus.publish(upSubject('beat'), Beat, nextAnnouncement());
  beat();
  await vi.waitFor(async () => expect(await fleet()).toHaveLength(1));
  // The machine sends its next beat when the standby has asked the leader for its machines.
  connection.subscribe(inCell(services.routing.fleet, 0).subject, { callback: beat });
  await using _standby = await startStandby();
  const { values } =
    (await metrics.last.getMetricsAsJSON()).find(({ name }) => name === 'dinf_routing_providers') ??
    {};
  expect(values).toEqual([{ labels: {}, value: 1 }]);
});

test('a provider leaves when its connection ends, returns with a beat, and does not return once revoked', async () => {
  await using network = await startRoutingUnderTest();
  const { bus } = network;
  const changes: string[] = [];
  bus.subscribe({
    subject: events.routingFleet,
    kind: RoutingFleet,
    handle: ({ change }) => void changes.push(change),
  });
  const states = async () => (await network.fleet()).map(({ state }) => state);
  bus.publish(upSubject('hello'), Hello, nextAnnouncement());
  await vi.waitFor(async () => expect(await states()).toEqual(['resident']));
  bus.publish(events.trustDisconnected, TrustDisconnected, { provider: PROVIDER, at: Date.now() });
  await vi.waitFor(async () => expect(await states()).toEqual(['silent']));
  bus.publish(upSubject('beat'), Beat, nextAnnouncement());
  await vi.waitFor(async () => expect(await states()).toEqual(['resident']));
  bus.publish(events.trustRevoked, TrustRevoked, { provider: PROVIDER, at: Date.now() });
  bus.publish(upSubject('beat'), Beat, nextAnnouncement());
  await vi.waitFor(() => expect(changes).toEqual(['joined', 'left', 'returned', 'left']));
  expect(await network.fleet()).toEqual([]);
});

test('the prices of machines are read at most once a second, however often their owners change them', async () => {
  await using network = await startRoutingUnderTest();
  const { bus, connection } = network;
  let reads = 0;
  const prices = endpoint(services.settlement.allProviderPrices, () => {
    reads += 1;
    return { prices: [] };
  });
  await using _settlement = await bus.serve('settlement', [prices]);
  const startedAt = performance.now();
  await vi.waitFor(() => expect(reads).toBeGreaterThan(0), { timeout: 20_000 });
  for (let change = 0; change < 200; change += 1) {
    bus.publish(events.settlementTermsChanged, SettlementTermsChanged, { at: change });
    await connection.rtt();
  }
  const before = reads;
  // The last change is read as well.
  await vi.waitFor(() => expect(reads).toBeGreaterThan(before), { timeout: 20_000 });
  expect(reads).toBeLessThanOrEqual(2 + (performance.now() - startedAt) / 1_000);
});

test('an undecodable message is reported with its sender, and changes nothing', async () => {
  await using network = await startRoutingUnderTest();
  const { bus, connection } = network;
  const told: { provider: string; violation: string }[] = [];
  bus.subscribe({
    subject: events.telemetryViolation,
    kind: Violation,
    handle: ({ provider, violation }) => void told.push({ provider, violation }),
  });
  await connection.flush();
  connection.publish(upSubject('beat'), new Uint8Array([0xc1, 0xff]));
  await vi.waitFor(() =>
    expect(told).toEqual([{ provider: PROVIDER, violation: 'malformed_message' }]),
  );
  expect(await network.fleet()).toEqual([]);
});

describe('a machine that floods the router with messages', () => {
  const gauge = async (
    { metrics }: Awaited<ReturnType<typeof startRoutingUnderTest>>,
    name: string,
  ) => Number((await metrics.last.metrics()).match(new RegExp(`^${name} (\\d+)$`, 'm'))?.[1]);

  test('occupies memory for the builds of its last message only', async () => {
    await using network = await startRoutingUnderTest();
    const { bus } = network;
    const [slot] = nextAnnouncement().slots as [Announcement['slots'][number]];
    const named = (round: number) =>
      Array.from({ length: 64 }, (_, index) => ({ ...slot, build: `made-up-${round}-${index}` }));
    // As many messages as the router reads at once.
    for (let round = 0; round < 30; round += 1)
      bus.publish(upSubject('beat'), Beat, { ...announcement(), slots: named(round) });
    await vi.waitFor(async () =>
      expect((await network.fleet()).map(({ build }) => build)).toContain('made-up-29-63'),
    );
    expect(await gauge(network, 'dinf_routing_slots_kept')).toBe(64);
    // The name of a slot that holds a job is kept until the job ends.
    const reserved = await bus.call(RESERVE, ask(1, { builds: ['made-up-29-0'] }), CALL);
    expect(reserved).toMatchObject({ ok: true });
    bus.publish(upSubject('beat'), Beat, nextAnnouncement());
    await vi.waitFor(async () => expect(await gauge(network, 'dinf_routing_slots_kept')).toBe(2));
    bus.publish(events.jobEnded, JobEnded, ended(1));
    await vi.waitFor(async () => expect(await gauge(network, 'dinf_routing_slots_kept')).toBe(1));
  });

  test('is read at the rate of an honest one, gets no jobs while it floods, and the gate is shown', async () => {
    await using network = await startRoutingUnderTest();
    const { bus } = network;
    const told: string[] = [];
    bus.subscribe({
      subject: events.telemetryViolation,
      kind: Violation,
      handle: ({ violation }) => void told.push(violation),
    });
    bus.publish(upSubject('hello'), Hello, nextAnnouncement());
    await vi.waitFor(async () => expect(await network.fleet()).toHaveLength(1));
    for (let beat = 0; beat < 400; beat += 1)
      bus.publish(upSubject('beat'), Beat, nextAnnouncement());
    const gates = async () =>
      (
        await bus.call(services.routing.explain, { promptTokens: 1, maxOutputTokens: 1 }, CALL)
      ).slots.map(({ gate }) => gate);
    await vi.waitFor(async () => expect(await gates()).toEqual(['flooding']), { timeout: 5_000 });
    expect(await bus.call(RESERVE, ask(1), CALL)).toMatchObject({ ok: false, gate: 'flooding' });
    expect(
      await gauge(network, 'dinf_routing_rejected_messages_total{kind="announcement"}'),
    ).toBeGreaterThanOrEqual(300);
    await vi.waitFor(() => expect(told).toEqual(['flood']));
  });

  test('has messages rejected that are larger than any of an honest machine', async () => {
    await using network = await startRoutingUnderTest();
    const { bus } = network;
    const [slot] = nextAnnouncement().slots as [Announcement['slots'][number]];
    const jobs = Array.from({ length: 1_024 }, (_, index) => ask(index).job);
    bus.publish(upSubject('hello'), Hello, {
      ...announcement(),
      slots: Array.from({ length: 4 }, (_, index) => ({ ...slot, build: `build-${index}`, jobs })),
    });
    bus.publish(upSubject('beat'), Beat, nextAnnouncement());
    await vi.waitFor(async () =>
      expect((await network.fleet()).map(({ build }) => build)).toEqual(['sim']),
    );
    expect(await gauge(network, 'dinf_routing_rejected_messages_total{kind="announcement"}')).toBe(
      1,
    );
  });
});

test('a decision is published with its costs and gates', async () => {
  await using network = await startRoutingUnderTest();
  const { bus } = network;
  const decisions: RoutingDecision[] = [];
  bus.subscribe({
    subject: events.routingDecision,
    kind: RoutingDecision,
    handle: (decision) => void decisions.push(decision),
  });
  bus.publish(upSubject('hello'), Hello, nextAnnouncement());
  await vi.waitFor(async () => expect(await network.fleet()).toHaveLength(1));
  await bus.call(RESERVE, ask(1), CALL);
  await bus.call(RESERVE, ask(2), CALL);
  await vi.waitFor(() =>
    expect(decisions.map(({ outcome }) => outcome)).toEqual(['placed', 'refused']),
  );
  expect(decisions[0]?.cost).toEqual({ load: 0, queue: 0, prompts: 0, prefill: 10, decode: 20 });
  expect(decisions[1]?.rejected).toEqual({ busy: 1 });
});

/** A second machine, which is always verified. */
const WITNESS = `A${'W'.repeat(55)}`;

/**
 * Announces both machines and returns the slots of the first one. A machine joins only after its
 * record was read; the second one joins no sooner than the first one.
 */
async function tryToJoin({ bus, fleet }: Awaited<ReturnType<typeof startRoutingUnderTest>>) {
  bus.publish(upSubject('hello'), Hello, nextAnnouncement());
  bus.publish(core.everyUp('hello').replace('*', WITNESS), Hello, nextAnnouncement());
  await vi.waitFor(async () =>
    expect((await fleet()).map(({ provider }) => provider)).toContain(WITNESS),
  );
  return (await fleet()).filter(({ provider }) => provider === PROVIDER);
}

describe('a machine without a valid verdict', () => {
  test.each<[string, Partial<Verdict>]>([
    ['is pending', { standing: 'pending', level: 'none' }],
    ['has lapsed', { standing: 'lapsed', level: 'none' }],
    ['is untrusted', { standing: 'untrusted', level: 'none' }],
    ['was verified too long ago', { freshUntil: Date.now() - 1 }],
    ['was verified with another sealing key', { sealingKey: new Uint8Array(32).fill(1) }],
    ['has no verified sealing key', { sealingKey: undefined as never }],
  ])('%s: it is not in the fleet', async (_, changes) => {
    await using network = await startRoutingUnderTest();
    network.bus.publish(events.trustVerdict, TrustVerdict, verdict({ revision: 3, ...changes }));
    expect(await tryToJoin(network)).toEqual([]);
    network.bus.publish(events.trustVerdict, TrustVerdict, verdict({ revision: 4 }));
    expect(await tryToJoin(network)).toHaveLength(1);
  });

  test('has no verdict: it is not in the fleet', async () => {
    await using network = await startRoutingUnderTest();
    network.known.verdicts = [verdict({ provider: WITNESS })];
    await network.stop();
    await network.start();
    expect(await tryToJoin(network)).toEqual([]);
  });

  test('loses it: it leaves at once, and an older verdict does not bring it back', async () => {
    await using network = await startRoutingUnderTest();
    const { bus } = network;
    expect(await tryToJoin(network)).toHaveLength(1);
    expect(await bus.call(RESERVE, ask(1, { only: [PROVIDER] }), CALL)).toMatchObject({
      ok: true,
      candidates: [{ level: 'self_signed' }],
    });
    bus.publish(
      events.trustVerdict,
      TrustVerdict,
      verdict({ revision: 5, standing: 'untrusted', level: 'none', fault: 'posture_off' }),
    );
    bus.publish(events.trustVerdict, TrustVerdict, verdict({ revision: 4 }));
    await vi.waitFor(async () =>
      expect((await network.fleet()).map(({ provider }) => provider)).toEqual([WITNESS]),
    );
    expect(await tryToJoin(network)).toEqual([]);
  });
});

test('a request that requires the level hardware gets no lower level', async () => {
  await using network = await startRoutingUnderTest();
  const { bus } = network;
  expect(await tryToJoin(network)).toHaveLength(1);
  expect(await bus.call(RESERVE, ask(1, { level: 'hardware' }), CALL)).toMatchObject({ ok: false });
  bus.publish(events.trustVerdict, TrustVerdict, verdict({ revision: 3, level: 'hardware' }));
  bus.publish(upSubject('beat'), Beat, nextAnnouncement());
  expect(await bus.call(RESERVE, ask(2, { level: 'hardware' }), CALL)).toMatchObject({
    ok: true,
    candidates: [{ provider: PROVIDER, level: 'hardware' }],
  });
});
