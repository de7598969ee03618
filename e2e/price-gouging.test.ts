import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

// An attack on customers: the owner of one machine asks a dollar per token; two others ask the list
// price.
const MODEL = 'sim-llama-8b';
const DOLLAR_A_TOKEN = 1_000_000_000_000;
const REQUESTS = 12;
const CALL = { timeoutMs: 5_000 };

let network: TestNetwork;
let gouger: string;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 3, tokenMs: 1, config: { priceNoticeMs: 0 } });
  gouger = network.providers[0]?.id ?? '';
  await setPrice(gouger, DOLLAR_A_TOKEN);
  await vi.waitFor(async () => expect((await slotOf(gouger)).gate).toBe('price'), {
    timeout: 10_000,
    interval: 50,
  });
}, 60_000);
afterAll(() => network[Symbol.asyncDispose]());

const bus = () => network.network.coordinator.bus;
const setPrice = (provider: string, price: number) =>
  bus().call(
    services.settlement.setProviderPrice,
    { provider, model: MODEL, inputMicroUsdPerMillion: price, outputMicroUsdPerMillion: price },
    CALL,
  );

/** Returns what `dinf routing explain` reports about a machine. */
async function slotOf(provider: string): Promise<{ gate?: string; because: string }> {
  const list = { inputMicroUsdPerMillion: 20_000, outputMicroUsdPerMillion: 50_000 };
  const builds = ['sim-llama-8b-q4'];
  const { slots } = await bus().call(
    services.routing.explain,
    {
      builds,
      providers: [provider],
      promptTokens: 10,
      maxOutputTokens: 10,
      priced: [{ model: MODEL, builds, list }],
    },
    CALL,
  );
  if (slots[0] === undefined) throw new Error('routing does not know the machine');
  return slots[0];
}

const ask = (token: string, provider?: object) =>
  network.ask('POST', '/v1/chat/completions', {
    token,
    body: {
      model: MODEL,
      messages: [{ role: 'user', content: 'Hello' }],
      max_tokens: 5,
      ...(provider && { provider }),
    },
  });

describe('a machine that asks a dollar per token', () => {
  test('gets no ordinary request, and no request is refused because of it', async () => {
    const { apiKey, account } = await network.createKey({ creditMicroUsd: 100_000 });
    const told = await Promise.all(Array.from({ length: REQUESTS }, () => ask(apiKey)));
    expect(told.map(({ status }) => status)).toEqual(Array.from({ length: REQUESTS }, () => 200));
    expect(told.map(({ headers }) => headers.get('x-provider-id'))).not.toContain(gouger);
    await network.expectMoneyBalances();
    const { availableMicroUsd } = await bus().call(services.settlement.balance, { account }, CALL);
    expect(availableMicroUsd).toBeGreaterThan(100_000 - REQUESTS * 1_000);
  });

  test('is not used even if a request names it, unless the request accepts its price', async () => {
    expect((await ask(network.apiKey, { order: [gouger] })).headers.get('x-provider-id')).not.toBe(
      gouger,
    );
    expect((await ask(network.apiKey, { only: [gouger] })).status).toBe(503);
    const accepted = { only: [gouger], max_price: { prompt: 1_000_000, completion: 1_000_000 } };
    expect((await ask(network.apiKey, accepted)).headers.get('x-provider-id')).toBe(gouger);
  });

  test('is told why it gets no request, and the price list shows its price', async () => {
    expect((await slotOf(gouger)).because).toContain('Its price is higher than the listed one');
    await vi.waitFor(
      async () => {
        const { data } = (await network.ask('GET', '/v1/pricing')).json;
        const [listed] = data.filter(({ model }: { model: string }) => model === MODEL);
        expect(listed).toMatchObject({
          output_micro_usd_per_million: 50_000,
          asked: { machines: 3, output: { lowest: 50_000, highest: DOLLAR_A_TOKEN } },
          announced: [],
        });
      },
      { timeout: 10_000, interval: 200 },
    );
  });

  test('is refused by settlement too, if routing has not read its new price yet', async () => {
    const { apiKey } = await network.createKey({ creditMicroUsd: 100_000 });
    const late = network.providers[1]?.id ?? '';
    // There is no wait here: whether or not routing has read the price, the list price must apply.
    await setPrice(late, DOLLAR_A_TOKEN);
    const told = await ask(apiKey, { order: [late] });
    expect([told.status, told.headers.get('x-provider-id')]).toEqual([
      200,
      network.providers[2]?.id,
    ]);
    await setPrice(late, 50_000);
    await network.expectMoneyBalances();
  });
});

test('a machine that asks less than the list price is preferred to equal machines', async () => {
  const cheap = network.providers[2]?.id ?? '';
  await setPrice(cheap, 10_000);
  await vi.waitFor(
    async () => {
      const by = [];
      for (let request = 0; request < 6; request += 1)
        by.push((await ask(network.apiKey)).headers.get('x-provider-id'));
      expect(new Set(by)).toEqual(new Set([cheap]));
    },
    { timeout: 20_000, interval: 100 },
  );
});
