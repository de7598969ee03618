import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Delta, type Machine, type Slot, services } from '#bus-schemas';
import type { Engine, GenerationRequest, Sequence, Sink } from '#provider';
import { createSimulatedEngine, type SimulatedFleet, startFleet } from '#simulator';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

// An attack with answers that are as large as messages can be: one hostile and one honest machine.
const MODEL = 'sim-llama-8b';
const CALL = { timeoutMs: 5_000 };
const ENTRIES = 24;
const ALTERNATIVES = 20;
/** About 130 kB of log probabilities for each token. */
const TOKEN = 'x'.repeat(250);

class HugeEngine implements Engine {
  readonly name = 'simulated';
  readonly #inner = createSimulatedEngine({ chip: 'm3-ultra' });
  readonly machine: Machine = this.#inner.machine;
  made: 'logprobs' | 'text' = 'logprobs';

  slots = (): readonly Slot[] => this.#inner.slots();
  onChange = (): void => undefined;
  load = (): void => undefined;

  generate({ maxTokens }: GenerationRequest, sink: Sink): Sequence {
    let [token, isPaused, isOver] = [0, false, false];
    const step = (): void => {
      if (isOver || isPaused) return;
      if (token === maxTokens)
        return sink.end('length', {
          promptTokens: 1,
          cachedTokens: 0,
          completionTokens: maxTokens,
        });
      token += 1;
      sink.delta(this.#delta());
      setImmediate(step);
    };
    setImmediate(step);
    return {
      pause: () => {
        isPaused = true;
      },
      resume: () => {
        isPaused = false;
        setImmediate(step);
      },
      cancel: () => {
        isOver = true;
        sink.end('cancelled', { promptTokens: 1, cachedTokens: 0, completionTokens: token });
      },
    };
  }

  #delta(): Delta {
    if (this.made === 'text') return { k: 'text', text: 'y'.repeat(130_000), tokens: 1 };
    const top = Array.from({ length: ALTERNATIVES }, () => ({ token: TOKEN, logprob: -1 }));
    return {
      k: 'text',
      text: 'a',
      tokens: 1,
      logprobs: Array.from({ length: ENTRIES }, () => ({ token: TOKEN, logprob: -1, top })),
    };
  }

  [Symbol.asyncDispose] = (): PromiseLike<void> => this.#inner[Symbol.asyncDispose]();
}

let network: TestNetwork;
let fleet: SimulatedFleet;
const engine = new HugeEngine();
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 1 });
  fleet = await startFleet({
    coordinatorUrl: network.url,
    token: () => network.network.enrolToken(),
    count: 1,
    natsServer: network.network.natsServer,
    home: `${network.network.home}/hostile`,
    leaves: 'own',
    log: network.log,
    realEngine: async () => engine,
    profile: () => ({ chip: 'm3-ultra' }),
  });
  const known = async () =>
    (await network.network.coordinator.bus.call(services.routing.fleet, {}, CALL)).providers.map(
      ({ provider }) => provider,
    );
  await vi.waitFor(async () => expect(await known()).toContain(fleet.providers[0]?.id), {
    timeout: 15_000,
    interval: 50,
  });
}, 60_000);
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const ask = (body: object) =>
  network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: {
      model: MODEL,
      messages: [{ role: 'user', content: 'Hello' }],
      max_tokens: 1_000,
      provider: { order: [fleet.providers[0]?.id] },
      ...body,
    },
  });

describe('a machine whose answers are larger than its tokens can be', () => {
  test.each(['logprobs', 'text'] as const)(
    '(%s) is replaced by an honest one, and the ingress memory stays bounded',
    async (made) => {
      engine.made = made;
      const before = process.memoryUsage().rss;
      const told = await Promise.all(Array.from({ length: 4 }, () => ask({})));
      expect(told.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      expect(told.map(({ headers }) => headers.get('x-provider-id'))).toEqual(
        Array.from({ length: 4 }, () => network.providers[0]?.id),
      );
      // Without limits, four answers of 1,000 tokens with 130 kB each would be kept in memory.
      // Ingress and hostile machine both run in this process.
      expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
      expect(await network.violations()).toContainEqual(
        expect.objectContaining({ provider: fleet.providers[0]?.id }),
      );
    },
  );
});

test('log probabilities that the caller did not ask for are not in the answer', async () => {
  const { json } = await ask({ max_tokens: 5, provider: { only: [network.providers[0]?.id] } });
  expect(json.choices[0].logprobs).toBeNull();
});
