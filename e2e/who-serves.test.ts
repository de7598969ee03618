import { afterAll, beforeAll, expect, test } from 'vitest';
import { services } from '#bus-schemas';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const PROVIDERS = 4;
const model = 'sim-llama-8b';

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({ providers: PROVIDERS, tokenMs: 1, maxConcurrency: 2 });
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

async function ask(messages: readonly Message[], provider?: object): Promise<{ by: string | null; content: string }> {
  const { data, response } = await network
    .openai()
    .chat.completions.create({ model, messages: [...messages], max_tokens: 5, ...({ provider } as object) })
    .withResponse();
  return { by: response.headers.get('x-provider-id'), content: data.choices[0]?.message.content ?? '' };
}
/** Routing has heard that nothing runs any more: before, a machine counts as busy with what it has just done. */
async function idle(): Promise<void> {
  const { bus } = network.network.coordinator;
  await expect
    .poll(async () => (await bus.call(services.routing.fleet, {}, { timeoutMs: 5_000 })).providers.every(({ running, pending }) => running + pending === 0), {
      timeout: 10_000,
      interval: 20,
    })
    .toBe(true);
}

const question: Message[] = [{ role: 'user', content: 'Who serves?' }];

test('whoever is asked for first, as long as it is there', async () => {
  for (let index = 0; index < PROVIDERS; index += 1) expect((await ask(question, { order: [idOf(index)] })).by).toBe(idOf(index));
  const nobody = `A${'B'.repeat(55)}`;
  expect((await ask(question, { order: [nobody, idOf(2)] })).by).toBe(idOf(2));
  expect((await ask(question, { order: [nobody] })).by).not.toBeNull();
  await expect(ask(question, { order: [nobody], allow_fallbacks: false })).rejects.toMatchObject({ status: 503 });
  await expect(ask(question, { max_price: { prompt: 1 } })).rejects.toMatchObject({ status: 400, param: 'provider' });
});

test('a conversation goes on where it began', async () => {
  for (let conversation = 0; conversation < 5; conversation += 1) {
    const messages: Message[] = [
      { role: 'system', content: `You are number ${conversation}. ${'Mind what you were told. '.repeat(200)}` },
      { role: 'user', content: 'Hello?' },
    ];
    await idle();
    const first = await ask(messages);
    messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: 'And then?' });
    await idle();
    const second = await ask(messages);
    messages.push({ role: 'assistant', content: second.content }, { role: 'user', content: 'And then?' });
    await idle();
    expect([second.by, (await ask(messages)).by]).toEqual([first.by, first.by]);
  }
});
