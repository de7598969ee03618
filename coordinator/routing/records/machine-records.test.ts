import { expect, test, vi } from 'vitest';
import {
  machine,
  type RouterProcess,
  type RoutersUnderTest,
  startRoutersUnderTest,
} from './routers-under-test.ts';

const [FAST, SLOW] = [machine(0), machine(1)] as const;
const HONEST = { firstContentMs: 300, tps: 50 };
const TOO_SLOW = { firstContentMs: 30_000, tps: 1 };

async function join({ hello, explain }: RoutersUnderTest, ...machines: string[]): Promise<void> {
  for (const id of machines) hello(id);
  await vi.waitFor(async () =>
    expect((await explain()).map(({ provider }) => provider)).toEqual(
      expect.arrayContaining(machines),
    ),
  );
}

const expectedOf = async (network: RoutersUnderTest, id: string): Promise<number> =>
  (await network.slotOf(id))?.expectedFirstContentMs ?? Number.NaN;

/** Both machines claim the same; one keeps its claim, and the other is found to be far slower. */
async function findSlowMachine(network: RoutersUnderTest): Promise<void> {
  await join(network, FAST, SLOW);
  for (let answer = 0; answer < 5; answer += 1) {
    await network.serve(FAST, HONEST);
    await network.serve(SLOW, TOO_SLOW);
  }
  await vi.waitFor(async () => {
    network.hello(SLOW);
    expect(await expectedOf(network, SLOW)).toBeGreaterThan(2_000);
  });
  expect(await expectedOf(network, FAST)).toBeLessThan(1_000);
}

const row = async (network: RoutersUnderTest, id: string) =>
  (await network.rows()).find(({ provider }) => provider === id);

const warnings = ({ log }: RouterProcess) =>
  log.filter(({ msg }) => msg.startsWith('the records of machines are out of reach'));

test('the only router restarts: a slow machine stays avoided from its first message on, and its counters continue', async () => {
  await using network = await startRoutersUnderTest(2);
  {
    await using _first = await network.start();
    await findSlowMachine(network);
  }
  expect(await row(network, SLOW)).toMatchObject({ served: 5, tokens: 500 });
  await using _second = await network.start();
  await join(network, SLOW);
  // The first thing that this router can be asked about the machine.
  expect(await expectedOf(network, SLOW)).toBeGreaterThan(2_000);
  await join(network, FAST);
  for (let request = 0; request < 5; request += 1)
    expect(await network.reserve()).toMatchObject({
      ok: true,
      candidates: [{ provider: FAST }, {}],
    });
  network.end(SLOW);
  await vi.waitFor(async () => expect(await row(network, SLOW)).toMatchObject({ served: 6 }));
});

test('the only router restarts: a machine that was closed out is closed out again by its next fault', async () => {
  await using network = await startRoutersUnderTest(2);
  const gate = async () => (await network.slotOf(SLOW))?.gate;
  {
    await using _first = await network.start();
    await join(network, FAST, SLOW);
    for (let fault = 0; fault < 3; fault += 1) network.fail(SLOW);
    await vi.waitFor(async () => expect(await gate()).toBe('breaker'));
  }
  expect(await row(network, SLOW)).toMatchObject({ failed: 3, state: { faults: { openings: 1 } } });
  await using _second = await network.start();
  await join(network, FAST, SLOW);
  // Without its record the machine would have two faults free.
  network.fail(SLOW);
  await vi.waitFor(async () => expect(await gate()).toBe('breaker'));
});

test('a fault memory that expired while no router ran is not restored', async () => {
  await using network = await startRoutersUnderTest(2);
  {
    await using _first = await network.start();
    await join(network, SLOW);
    for (let fault = 0; fault < 3; fault += 1) network.fail(SLOW);
    await vi.waitFor(async () => expect((await network.slotOf(SLOW))?.gate).toBe('breaker'));
  }
  await network.query(
    `UPDATE machine_records SET state_at = state_at - interval '31 minutes', observed_at = observed_at - interval '31 minutes'`,
  );
  await using _second = await network.start();
  await join(network, SLOW);
  network.fail(SLOW);
  network.end(SLOW);
  await vi.waitFor(async () =>
    expect(await row(network, SLOW)).toMatchObject({ served: 1, failed: 4 }),
  );
  expect(await network.slotOf(SLOW)).toMatchObject({ expectedFirstContentMs: expect.any(Number) });
  expect((await network.slotOf(SLOW))?.gate).toBeUndefined();
});

test('a standby that takes over has the speeds and counters of the router that was killed', async () => {
  await using network = await startRoutersUnderTest(2);
  await using leader = await network.start();
  await using _standby = await network.start();
  await findSlowMachine(network);
  await vi.waitFor(async () =>
    expect(await row(network, SLOW)).toMatchObject({ served: 5, state: { speeds: [{}] } }),
  );
  await leader.kill();
  // Its first answer comes from the standby, which has measured nothing itself.
  await vi.waitFor(async () => expect(await expectedOf(network, SLOW)).toBeGreaterThan(2_000));
  network.end(SLOW);
  await vi.waitFor(async () => expect(await row(network, SLOW)).toMatchObject({ served: 6 }));
});

test('Postgres is away at the start: machines serve without records, the log tells it once, and records are loaded later', async () => {
  await using network = await startRoutersUnderTest(2);
  {
    await using _first = await network.start();
    await findSlowMachine(network);
  }
  network.proxy.pause();
  await using second = await network.start();
  await join(network, FAST, SLOW);
  expect(await network.reserve()).toMatchObject({ ok: true });
  expect(await expectedOf(network, SLOW)).toBeLessThan(1_000);
  network.end(SLOW);
  await vi.waitFor(() => expect(warnings(second)).toHaveLength(1));
  network.proxy.resume();
  await vi.waitFor(async () => expect(await expectedOf(network, SLOW)).toBeGreaterThan(2_000));
  await vi.waitFor(async () => expect(await row(network, SLOW)).toMatchObject({ served: 6 }));
  expect(warnings(second)).toHaveLength(1);
});

test('a machine that enrols again with the same identity keeps its record, in a new session too', async () => {
  await using network = await startRoutersUnderTest(2);
  await using _router = await network.start();
  await join(network, FAST);
  network.end(FAST);
  await vi.waitFor(async () => expect(await row(network, FAST)).toMatchObject({ served: 1 }));
  const before = await row(network, FAST);
  network.hello(FAST, { session: 's_abcdefghijkl', agentVersion: '2' });
  network.end(FAST);
  await vi.waitFor(async () => expect(await row(network, FAST)).toMatchObject({ served: 2 }));
  expect((await row(network, FAST))?.firstSeenAt).toEqual(before?.firstSeenAt);
});

test('a thousand busy machines cost one statement every five seconds', {
  timeout: 240_000,
}, async () => {
  const machines = 1_000;
  await using network = await startRoutersUnderTest(machines);
  const startedAt = performance.now();
  const served = async () =>
    (await network.rows()).reduce((sum, { served: jobs }) => sum + jobs, 0);
  {
    await using _router = await network.start();
    for (let index = 0; index < machines; index += 1) network.hello(machine(index));
    await vi.waitFor(async () => expect(await network.explain()).toHaveLength(machines));
    for (let round = 0; round < 10; round += 1) {
      for (let index = 0; index < machines; index += 1) network.end(machine(index));
      // The reply comes after these messages: the hub disconnects a client that does not read.
      await network.explain();
    }
    await vi.waitFor(async () => expect(await served()).toBe(10 * machines), { timeout: 120_000 });
  }
  const statements = network.postgres
    .logs()
    .filter((line) => line.includes('INSERT INTO machine_records'));
  // One more when the router stops.
  expect(statements.length).toBeLessThanOrEqual(2 + (performance.now() - startedAt) / 5_000);
});
