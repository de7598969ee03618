import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { FakeStripe } from '#testcontainers';
import { DINF, operatorSettings } from './dinf-program.ts';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const CALL = { timeoutMs: 10_000 };
const MODEL = 'sim-llama-8b';
const chat = {
  model: MODEL,
  messages: [{ role: 'user', content: 'What does it cost?' }],
  max_tokens: 10,
};

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const money = () => network.network.coordinator.bus;

describe('a provider that fails before content is replaced by a more expensive one', () => {
  async function killedWhileTheOtherBecomesDear(apiKey: string) {
    // The caller accepts the price of the other machine: a thousand dollars per million tokens.
    const answer = readStream(
      { url: network.url, apiKey },
      { ...chat, provider: { max_price: { prompt: 1_000, completion: 1_000 } } },
    );
    const serving = await network.servingProvider();
    const other = network.providers.find((provider) => provider !== serving);
    const price = {
      inputMicroUsdPerMillion: 1_000_000_000,
      outputMicroUsdPerMillion: 1_000_000_000,
    };
    await money().call(
      services.settlement.setProviderPrice,
      { provider: other?.id as string, model: MODEL, ...price },
      CALL,
    );
    await serving.kill();
    return answer;
  }

  test('the hold is raised, and the charge is at the price of the machine that answered', async () => {
    network = await startTestNetwork({
      providers: 2,
      tokenMs: 5,
      firstTokenMs: 1_000,
      config: { priceNoticeMs: 0 },
    });
    expect(await killedWhileTheOtherBecomesDear(network.apiKey)).toMatchObject({
      status: 200,
      done: 1,
    });
    const [charge] = await network.charges();
    // The ten tokens of the answer alone cost 10,000 micro-dollars.
    expect(charge?.chargedMicroUsd).toBeGreaterThan(10_000);
  });

  test('an account that cannot pay this price gets a 402 and is charged nothing', async () => {
    network = await startTestNetwork({
      providers: 2,
      tokenMs: 5,
      firstTokenMs: 1_000,
      config: { priceNoticeMs: 0 },
    });
    const { apiKey } = await network.createKey({ creditMicroUsd: 1_000 });
    expect(await killedWhileTheOtherBecomesDear(apiKey)).toMatchObject({ status: 402 });
    expect(await network.charges()).toMatchObject([{ outcome: 'refunded', chargedMicroUsd: 0 }]);
  });
});

test('a key that has reached its limit gets a 402 that names the amounts; another key still works', async () => {
  network = await startTestNetwork({
    providers: 1,
    tokenMs: 1,
    config: { minimumChargeMicroUsd: 100 },
  });
  const { apiKey, account, key } = await network.createKey({ creditMicroUsd: 1_000_000 });
  await money().call(services.settlement.setKeyCaps, { key, account, caps: { day: 50 } }, CALL);
  const refused = await fetch(`${network.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(chat),
  });
  expect(refused.status).toBe(402);
  const { error } = (await refused.json()) as { error: { code: string; message: string } };
  expect(error).toMatchObject({ code: 'key_limit_reached' });
  expect(error.message).toContain(
    'up to $0.000100, and of the $0.000050 that this key may spend in its day, $0.000000 is spent or held',
  );
  expect(await readStream(network, chat)).toMatchObject({ status: 200 });
});

test('a request costs the price of its tokens, rounded up to a millionth of a dollar, even if they are few', async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 1 });
  const { json } = await network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: { ...chat, max_tokens: 3 },
  });
  await network.expectMoneyBalances();
  const { prompt_tokens: prompt, completion_tokens: completion } = json.usage;
  const [charge] = await network.charges();
  expect(charge?.chargedMicroUsd).toBe(
    Math.ceil((prompt * 20_000 + completion * 50_000) / 1_000_000),
  );
});

test('every price list contains the minimum charge, except for a free model', async () => {
  network = await startTestNetwork({
    providers: 1,
    tokenMs: 1,
    config: { minimumChargeMicroUsd: 100 },
  });
  const free = {
    id: 'free',
    displayName: 'Free',
    contextTokens: 100,
    maxOutputTokens: 10,
    builds: ['sim-llama-8b-q4'],
    createdAt: 0,
  };
  const nothing = {
    inputMicroUsdPerMillion: 0,
    cacheReadMicroUsdPerMillion: 0,
    outputMicroUsdPerMillion: 0,
  };
  await money().call(services.catalog.putModel, { model: { ...free, ...nothing } }, CALL);
  const lists = {
    '/v1/models/catalog': 'id',
    '/v1/models/openrouter': 'id',
    '/v1/models': 'id',
    '/v1/pricing': 'model',
  } as const;
  for (const [path, name] of Object.entries(lists)) {
    const listed = async (model: string) => {
      const { data } = (await network.ask('GET', path, { token: network.apiKey })).json;
      const row = data.find((each: Record<string, unknown>) => each[name] === model);
      return row?.pricing?.minimum_charge ?? row?.minimum_charge_micro_usd;
    };
    expect(await listed(MODEL), path).toBe(name === 'id' ? '0.0001' : 100);
    await vi.waitFor(
      async () => expect(await listed('free'), path).toBe(name === 'id' ? '0' : 0),
      10_000,
    );
  }
});

describe('Stripe’s webhook', () => {
  const deliver = (body: Uint8Array, signature: string) =>
    fetch(`${network.url}/v1/webhooks/stripe`, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature },
      body,
    });

  test('credits a purchase once; an event without a valid signature is a 400, and one for an unknown deposit a 503, so that Stripe retries', async () => {
    await using stripe = await FakeStripe.start();
    const config = {
      stripe: { apiKey: stripe.apiKey, webhookSecret: stripe.webhookSecret, url: stripe.url },
    };
    network = await startTestNetwork({ providers: 0, tokenMs: 1, config });
    const { account } = await network.createKey({ creditMicroUsd: 1 });
    const urls = { successUrl: 'https://example.com/done', cancelUrl: 'https://example.com/no' };
    const order = await money().call(
      services.settlement.checkout,
      { account, amountMicroUsd: 5_000_000, operation: 'first', ...urls },
      CALL,
    );
    const event = stripe.bank.pay(order.ok ? order.session : '');
    const { body, signature } = stripe.sign(event);
    expect((await deliver(body, 't=1,v1=00')).status).toBe(400);
    for (const result of ['applied', 'known'])
      expect(await (await deliver(body, signature)).json()).toMatchObject({
        received: true,
        result,
      });
    expect(await money().call(services.settlement.balance, { account }, CALL)).toMatchObject({
      availableMicroUsd: 5_000_001,
      withdrawableMicroUsd: 0,
    });
    const stranger = {
      ...event,
      data: { object: { ...event.data.object, metadata: { deposit: 'dep_nobody', account } } },
    };
    const unknown = stripe.sign(stranger);
    expect((await deliver(unknown.body, unknown.signature)).status).toBe(503);
    expect(await money().call(services.settlement.verify, {}, CALL)).toMatchObject({
      ok: true,
      stripeDriftMicroUsd: 0,
    });
  });

  test('is a 404 if Stripe is not configured', async () => {
    network = await startTestNetwork({ providers: 0, tokenMs: 1 });
    expect((await deliver(Buffer.from('{}'), 't=1,v1=00')).status).toBe(404);
  });
});

test('`dinf ledger` shows the books of a running network', { timeout: 60_000 }, async () => {
  network = await startTestNetwork({
    providers: 1,
    tokenMs: 1,
    config: { minimumChargeMicroUsd: 100 },
  });
  await readStream(network, chat);
  await network.expectMoneyBalances();
  const env = { ...process.env, ...operatorSettings(network.network) };
  const ledger = async (...args: string[]) =>
    (await promisify(execFile)(process.execPath, [DINF, 'ledger', ...args], { env })).stdout;
  const csv = (await ledger('statement', network.account, '--csv')).trim().split('\n');
  expect(csv[0]).toBe(
    'at,kind,reference,amountMicroUsd,model,key,promptTokens,completionTokens,promotionalMicroUsd',
  );
  expect(csv[1]).toContain(`,credit,credit:first:${network.account},1000000000,`);
  expect(csv[2]).toMatch(/,charge,job_[0-9a-z]{22},-100,sim-llama-8b,key_[0-9a-z]+,\d+,10,-100$/);
  expect(await ledger('balance', network.account)).toContain(
    '$999.999900 available, $0.000000 held, $999.999900 promotional, $0.000000 withdrawable',
  );
  expect(await ledger('verify', '--full')).toContain('the books balance');
  expect(await ledger('parked')).toContain('nothing is parked');
  await vi.waitFor(
    async () => expect(await ledger('earnings', network.account)).toContain('$0.000000  ever'),
    20_000,
  );
});
