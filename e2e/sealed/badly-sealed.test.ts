import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { services } from '#bus-schemas';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

// An attack on machines: a customer sends random bytes as sealed requests, which costs them
// nothing, to make the network blame its only machine.

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 1 });
}, 60_000);
afterAll(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly code: string;
}

/** Opens a session and sends random bytes as its sealed request. */
async function orderGarbage(apiKey: string): Promise<Answer> {
  const session = await network.ask('POST', '/v1/sealed/sessions', {
    token: apiKey,
    body: { model: 'sim', request_bytes: 200, max_tokens: 10 },
  });
  if (session.status !== 200) return { status: session.status, code: session.json.error.code };
  const { id, offer } = session.json;
  const order = await fetch(
    new URL(`/v1/sealed/jobs/${id}?attempt=${offer.attempt}`, network.url),
    {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/octet-stream' },
      body: randomBytes(150),
    },
  );
  const { error } = (await order.json()) as { error: { code: string } };
  return { status: order.status, code: error.code };
}

test('31 unreadable requests do not block the machine, and each is refused as an error of the client', async () => {
  const attacker = await network.createKey({ creditMicroUsd: 1_000_000 });
  const keys = [attacker.apiKey];
  while (keys.length < 4)
    keys.push((await network.createKey({ creditMicroUsd: 0, account: attacker.account })).apiKey);
  for (let order = 0; order < 31; order += 1) {
    expect(await orderGarbage(keys[order % keys.length] as string)).toEqual({
      status: 400,
      code: 'badly_sealed',
    });
  }
  const { bus } = network.network.coordinator;
  const { slots } = await bus.call(
    services.routing.explain,
    { builds: ['sim-llama-8b-q4'], promptTokens: 10, maxOutputTokens: 10 },
    { timeoutMs: 5_000 },
  );
  expect(slots.map(({ gate }) => gate)).toEqual([undefined]);
  for (let victim = 0; victim < 5; victim += 1) {
    const { choices } = await network.openai().chat.completions.create({
      model: 'sim',
      messages: [{ role: 'user', content: 'Hello' }],
      max_tokens: 5,
    });
    expect(choices[0]?.finish_reason).toBe('length');
  }
});

test('a key that sends ten unreadable requests in a minute cannot open sessions for the rest of it; its other requests are served', async () => {
  const { apiKey } = await network.createKey({ creditMicroUsd: 1_000_000 });
  for (let order = 0; order < 10; order += 1)
    expect(await orderGarbage(apiKey)).toMatchObject({ status: 400 });
  expect(await orderGarbage(apiKey)).toEqual({ status: 429, code: 'rate_limit_exceeded' });
  const { usage } = await network.openai({ apiKey }).chat.completions.create({
    model: 'sim',
    messages: [{ role: 'user', content: 'Hello' }],
    max_tokens: 5,
  });
  expect(usage?.completion_tokens).toBe(5);
});
