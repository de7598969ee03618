import { createHmac } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { faultOfReceipt } from '#bus-schemas';
import type { SimulatedProvider } from '#simulator';
import { readStream } from '../read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

const TOKENS = 300;
const TOKEN_MS = 20;
/** Longest silence of a client whose machine is frozen, in milliseconds. */
const MOST_SILENCE_MS = 5_000;
const messages = [{ role: 'user', content: 'Count the stars.' }];
const chat = { model: 'sim-llama-8b', messages, max_tokens: TOKENS };

let network: TestNetwork;
const frozen: number[] = [];
afterEach(async () => {
  for (const pid of frozen.splice(0)) process.kill(pid, 'SIGCONT');
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

/** Reads a stream, and does something to its machine once a part of it has arrived. */
async function readWhile(doTo: (serving: SimulatedProvider) => unknown) {
  let done: Promise<unknown> | undefined;
  let lastAt = performance.now();
  let longestMs = 0;
  const answer = await readStream(network, chat, {
    onContent: (text) => {
      const now = performance.now();
      longestMs = Math.max(longestMs, now - lastAt);
      lastAt = now;
      if (text.length > 100) done ??= network.servingProvider().then(doTo);
    },
  });
  await done;
  return { answer, longestMs };
}

function freezeLeaf(serving: SimulatedProvider): void {
  const leaf = network.fleet.leaves[network.providers.indexOf(serving)];
  const pid = leaf?.server.pid as number;
  process.kill(pid, 'SIGSTOP');
  frozen.push(pid);
}

const whole = { status: 200, text: expectedText(messages, TOKENS), done: 1, errors: [] };

test('a stream continues on another machine when its own is killed, and is charged once', async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: TOKEN_MS });
  const { answer } = await readWhile((serving) => serving.kill());
  expect(answer).toMatchObject(whole);
  expect(await network.charges()).toMatchObject([{ outcome: 'settled', completionTokens: TOKENS }]);
});

test('the receipt of a stream that moved is for the whole answer, under the salt that its client has', async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: TOKEN_MS });
  const response = await fetch(`${network.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${network.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...chat, stream: true }),
  });
  await (await network.servingProvider()).kill();
  expect(await response.text()).toContain('[DONE]');
  const job = response.headers.get('x-inference-job-id') as string;
  const salt = Buffer.from(response.headers.get('x-receipt-salt') as string, 'hex');
  await vi.waitFor(async () => {
    const { json } = await network.ask('GET', `/v1/receipts/${job}`, { token: network.apiKey });
    expect(json).toMatchObject({
      attempt: 2,
      continued_tokens: expect.any(Number),
      usage: { completion_tokens: TOKENS },
      response_hash: createHmac('sha256', salt).update(whole.text).digest('hex'),
    });
    expect(faultOfReceipt(json)).toBeUndefined();
  }, 10_000);
});

test('a client whose machine is frozen waits for a few seconds at most', async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: TOKEN_MS });
  const { answer, longestMs } = await readWhile(freezeLeaf);
  expect(answer).toMatchObject(whole);
  expect(longestMs).toBeLessThan(MOST_SILENCE_MS);
  expect(await network.charges()).toMatchObject([{ outcome: 'settled' }]);
});

test('a frozen machine that is the only one continues its stream itself', async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: TOKEN_MS });
  const { answer } = await readWhile((serving) => {
    freezeLeaf(serving);
    setTimeout(() => process.kill(frozen.pop() as number, 'SIGCONT'), 6_000);
  });
  expect(answer).toMatchObject(whole);
});

test('a call of a tool continues in the middle of its arguments', async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 100 });
  const parameters = {
    type: 'object',
    properties: Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [`city${index}`, { type: 'string' }]),
    ),
  };
  const request = {
    model: 'sim-llama-8b',
    messages: [{ role: 'user' as const, content: 'How is the weather?' }],
    tools: [{ type: 'function' as const, function: { name: 'weather', parameters } }],
  };
  const whole = await network.openai().chat.completions.create(request);
  const expected = whole.choices[0]?.message.tool_calls?.map((call) =>
    call.type === 'function' ? call.function : undefined,
  );
  let killed: Promise<void> | undefined;
  const calls: { name: string; arguments: string }[] = [];
  const stream = await network.openai().chat.completions.create({ ...request, stream: true });
  for await (const { choices } of stream)
    for (const { function: part } of choices[0]?.delta.tool_calls ?? []) {
      if (part?.name) calls.push({ name: part.name, arguments: '' });
      (calls.at(-1) as { arguments: string }).arguments += part?.arguments ?? '';
      if ((calls[0]?.arguments.length ?? 0) > 40)
        killed ??= network.servingProvider().then((serving) => serving.kill());
    }
  expect(killed).toBeDefined();
  await killed;
  expect(calls).toEqual(expected);
});
