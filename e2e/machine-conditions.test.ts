import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Conditions, events, FaultsReported, services } from '#bus-schemas';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const CALL = { timeoutMs: 5_000 };
const chat = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'How warm is it?' }],
  max_tokens: 3,
};
const SMALL = { promptTokens: 10, maxOutputTokens: 3, builds: ['sim-llama-8b-q4'] };

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 1, maxConcurrency: 8 });
});
afterAll(() => network[Symbol.asyncDispose]());

function report(machine: number, conditions: Conditions): void {
  network.providers[machine]?.agent.setConditions(conditions);
}

/** What the router says about a machine. */
async function explained(machine: number) {
  const { slots } = await network.network.coordinator.bus.call(
    services.routing.explain,
    SMALL,
    CALL,
  );
  return slots.find(({ provider }) => provider === network.providers[machine]?.id);
}

/** Serves requests, and returns the number of those that each machine served. */
async function served(requests: number): Promise<number[]> {
  const before = network.providers.map(({ engine }) => engine.tokensMade);
  for (let request = 0; request < requests; request += 1)
    expect(await readStream(network, chat)).toMatchObject({ status: 200, done: 1 });
  return network.providers.map(({ engine }, machine) => engine.tokensMade - (before[machine] ?? 0));
}

test('a machine with a critical temperature gets no jobs until it has cooled down, and the reason is visible', async () => {
  report(0, { thermal: 'critical' });
  await vi.waitFor(
    async () => expect(await explained(0)).toMatchObject({ gate: 'thermal_critical' }),
    { timeout: 20_000 },
  );
  expect((await explained(0))?.because).toContain('critical temperature');
  const [hot, cool] = await served(12);
  expect(hot).toBe(0);
  expect(cool).toBeGreaterThan(0);
  report(0, { thermal: 'nominal' });
  report(1, { thermal: 'critical' });
  await vi.waitFor(
    async () =>
      expect([(await explained(0))?.gate, (await explained(1))?.gate]).toEqual([
        undefined,
        'thermal_critical',
      ]),
    { timeout: 20_000 },
  );
  const [recovered, hotNow] = await served(4);
  expect(recovered).toBeGreaterThan(0);
  expect(hotNow).toBe(0);
});

test('a request waits for a machine that cools down if all are too hot', async () => {
  for (const machine of [0, 1]) report(machine, { thermal: 'critical' });
  await vi.waitFor(
    async () =>
      expect([(await explained(0))?.gate, (await explained(1))?.gate]).toEqual([
        'thermal_critical',
        'thermal_critical',
      ]),
    { timeout: 20_000 },
  );
  const waiting = readStream(network, chat);
  await vi.waitFor(
    async () => {
      const { queued } = await network.network.coordinator.bus.call(
        services.routing.explain,
        SMALL,
        CALL,
      );
      expect(queued).toBe(1);
    },
    { timeout: 20_000 },
  );
  report(1, { thermal: 'fair' });
  expect(await waiting).toMatchObject({ status: 200, done: 1 });
});

test('the reasons of a choice name the disadvantage of a warm machine', async () => {
  for (const machine of [0, 1]) report(machine, { thermal: 'serious', memoryPressure: 0.5 });
  await vi.waitFor(
    async () => {
      for (const machine of [0, 1])
        expect((await explained(machine))?.terms).toMatchObject({
          heat: expect.any(Number),
          memory: expect.any(Number),
        });
    },
    { timeout: 20_000 },
  );
  const { headers } = await network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: chat,
    headers: { 'x-dinf-routing': 'on' },
  });
  const { terms_ms: terms } = JSON.parse(headers.get('x-dinf-routing') ?? '{}');
  expect(terms.heat).toBeGreaterThan(0);
  expect(terms.memory).toBeCloseTo(terms.heat / 2, 0);
});

test('a fault that a machine counts is a fact of the network within a minute', async () => {
  const { bus } = network.network.coordinator;
  const facts: FaultsReported[] = [];
  const subscription = bus.subscribe({
    subject: events.telemetryFaults,
    kind: FaultsReported,
    handle: (fact) => void facts.push(fact),
  });
  await bus.connection.flush();
  const [machine] = network.providers;
  machine?.agent.note('thermal');
  await vi.waitFor(
    () =>
      expect(facts).toMatchObject([
        {
          provider: machine?.id,
          engine: 'simulated',
          faults: [{ fault: 'thermal', times: 1 }],
        },
      ]),
    { timeout: 20_000 },
  );
  subscription.unsubscribe();
});
