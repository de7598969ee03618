import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const PROVIDERS = 4;
const model = 'sim-llama-8b';

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({
    providers: PROVIDERS,
    tokenMs: 1,
    maxConcurrency: 2,
    config: { priceNoticeMs: 0 },
  });
});
afterAll(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const idOf = (index: number) => String(network.providers[index]?.id);

interface Message {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: string;
}

async function ask(
  messages: readonly Message[],
  provider?: object,
): Promise<{ by: string | null; content: string }> {
  const { data, response } = await network
    .openai()
    .chat.completions.create({
      model,
      messages: [...messages],
      max_tokens: 5,
      ...({ provider } as object),
    })
    .withResponse();
  return {
    by: response.headers.get('x-provider-id'),
    content: data.choices[0]?.message.content ?? '',
  };
}
/**
 * Waits until routing has received the reports that nothing runs. Until then, a machine still
 * counts as busy with its last job.
 */
async function idle(): Promise<void> {
  const { bus } = network.network.coordinator;
  await expect
    .poll(
      async () =>
        (await bus.call(services.routing.fleet, {}, { timeoutMs: 5_000 })).providers.every(
          ({ running, pending }) => running + pending === 0,
        ),
      {
        timeout: 10_000,
        interval: 20,
      },
    )
    .toBe(true);
}

const question: Message[] = [{ role: 'user', content: 'Who serves?' }];

test('the first available provider in the order of the request serves it', async () => {
  for (let index = 0; index < PROVIDERS; index += 1)
    expect((await ask(question, { order: [idOf(index)] })).by).toBe(idOf(index));
  const nobody = `A${'B'.repeat(55)}`;
  expect((await ask(question, { order: [nobody, idOf(2)] })).by).toBe(idOf(2));
  expect((await ask(question, { order: [nobody] })).by).not.toBeNull();
  await expect(ask(question, { order: [nobody], allow_fallbacks: false })).rejects.toMatchObject({
    status: 503,
  });
});

test('a request that no machine may serve gets an error with the reason', async () => {
  const hardware = await ask(question, { trust_level: 'hardware' }).catch(
    (error: unknown) => error,
  );
  expect(hardware).toMatchObject({
    status: 503,
    code: 'no_provider',
    message: expect.stringContaining('has the trust level that the request requires'),
  });
  const unnamed = await ask(question, { only: [`A${'B'.repeat(55)}`] }).catch(
    (error: unknown) => error,
  );
  expect(unnamed).toMatchObject({
    status: 503,
    message: expect.stringContaining(
      'None of the machines that the request names serves this model',
    ),
  });
});

test('a valid key of an account that never had credit gets a 402', async () => {
  const { apiKey } = await network.createKey({ creditMicroUsd: 0 });
  const body = { model, messages: question, max_tokens: 5 };
  expect(await network.ask('POST', '/v1/chat/completions', { token: apiKey, body })).toMatchObject({
    status: 402,
    json: { error: { code: 'insufficient_quota' } },
  });
});

test('no provider above the maximum price serves, and sort by price chooses the cheapest', async () => {
  const { bus } = network.network.coordinator;
  const setPrice = (index: number, dollars: number) =>
    bus.call(
      services.settlement.setProviderPrice,
      {
        provider: idOf(index),
        model,
        inputMicroUsdPerMillion: dollars * 1e6,
        outputMicroUsdPerMillion: dollars * 1e6,
      },
      { timeoutMs: 5_000 },
    );
  // The model costs 0.02 and 0.05 dollars.
  await setPrice(0, 10);
  await setPrice(1, 0.01);
  // Routing reads a price shortly after it is set.
  await vi.waitFor(
    async () =>
      expect((await ask(question, { max_price: { completion: 0.01 }, order: [idOf(0)] })).by).toBe(
        idOf(1),
      ),
    { timeout: 10_000 },
  );
  for (let round = 0; round < 3; round += 1)
    expect((await ask(question, { sort: 'price' })).by).toBe(idOf(1));
  expect((await ask(question, { max_price: { prompt: 0.02 }, order: [idOf(0)] })).by).not.toBe(
    idOf(0),
  );
  await expect(ask(question, { max_price: { prompt: 0.001 } })).rejects.toMatchObject({
    status: 404,
    code: 'preferences_unmet',
  });
  // The machine was cheap a moment ago. Even if routing has not read the new price, settlement has
  // it.
  await setPrice(1, 10);
  await expect(ask(question, { max_price: { completion: 0.01 } })).rejects.toMatchObject({
    status: 404,
    code: 'preferences_unmet',
  });
});

test('a request is served only by weights with a quantization that it allows', async () => {
  expect((await ask(question, { quantizations: ['int4', 'fp16'] })).by).not.toBeNull();
  await expect(ask(question, { quantizations: ['fp16'] })).rejects.toMatchObject({
    status: 404,
    code: 'preferences_unmet',
  });
});

test('a conversation stays on the machine where it began', async () => {
  for (let conversation = 0; conversation < 5; conversation += 1) {
    const messages: Message[] = [
      {
        role: 'system',
        content: `You are number ${conversation}. ${'Mind what you were told. '.repeat(200)}`,
      },
      { role: 'user', content: 'Hello?' },
    ];
    await idle();
    const first = await ask(messages);
    messages.push(
      { role: 'assistant', content: first.content },
      { role: 'user', content: 'And then?' },
    );
    await idle();
    const second = await ask(messages);
    messages.push(
      { role: 'assistant', content: second.content },
      { role: 'user', content: 'And then?' },
    );
    await idle();
    expect([second.by, (await ask(messages)).by]).toEqual([first.by, first.by]);
  }
});
