import { afterEach, expect, test } from 'vitest';
import { services } from '#bus-schemas';
import { startComponentProcess } from '../component-process.ts';
import { readStream } from '../read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

const messages = [{ role: 'user', content: 'Do not wait for me.' }];
const chat = { model: 'sim-llama-8b', messages, max_tokens: 5_000 };
const STREAMS = 6;
const WHOLE_ANSWERS = 4;

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

/** Number of tokens of the simulated answer that `text` contains completely. */
function tokensIn(text: string): number {
  let tokens = 0;
  while (tokens < chat.max_tokens && expectedText(messages, tokens + 1).length <= text.length)
    tokens += 1;
  return tokens;
}

test('an ingress is killed during streams: providers stop within seconds, and each client is charged at most for what it received', {
  timeout: 90_000,
}, async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 150 });
  const child = await startComponentProcess(network, 'ingress');
  const url = String(
    JSON.parse(child.logs().find((line) => line.includes('the API listens')) ?? '{}').url,
  );
  const headers = { authorization: `Bearer ${network.apiKey}`, 'content-type': 'application/json' };

  const texts: string[] = Array.from({ length: STREAMS }, () => '');
  const underWay = Promise.withResolvers<void>();
  const reading = texts.map((_, index) =>
    readStream({ url, apiKey: network.apiKey }, chat, {
      onContent: (text) => {
        texts[index] = text;
        if (texts.every(({ length }) => length > 100)) underWay.resolve();
      },
    }).catch(() => undefined),
  );
  const whole = Array.from({ length: WHOLE_ANSWERS }, () =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: JSON.stringify(chat),
    }).then(
      () => 'answered',
      () => 'lost',
    ),
  );
  await underWay.promise;
  await expect
    .poll(() => network.runningSequences(), { timeout: 10_000 })
    .toBe(STREAMS + WHOLE_ANSWERS);
  const killedAt = performance.now();
  await child.kill();
  await Promise.all(reading);
  expect(await Promise.all(whole)).toEqual(whole.map(() => 'lost'));

  // The providers have stopped if no token is generated for 750 ms, the time of five tokens. The
  // flow window alone would let each sequence generate 64 more, for ten seconds.
  let made = 0;
  const grows = () => {
    const before = made;
    made = network.tokensMade();
    return made > before;
  };
  await expect.poll(grows, { timeout: 20_000, interval: 750 }).toBe(false);
  expect(performance.now() - killedAt).toBeLessThan(7_000);
  await expect.poll(() => network.runningSequences(), { timeout: 20_000, interval: 100 }).toBe(0);
  expect(network.tokensMade()).toBe(made);

  const isOver = ({ outcome }: { outcome: string }) => outcome !== 'held';
  await expect
    .poll(async () => (await network.chargesNow()).filter(isOver).length, {
      timeout: 20_000,
      interval: 200,
    })
    .toBe(STREAMS + WHOLE_ANSWERS);
  const charges = await network.charges();
  const charged = charges.map(({ completionTokens }) => completionTokens).toSorted((a, b) => b - a);
  const received = texts.map(tokensIn).toSorted((a, b) => b - a);
  for (const [index, tokens] of received.entries())
    expect(charged[index]).toBeLessThanOrEqual(tokens);
  expect(charged.slice(0, STREAMS).every((tokens) => tokens > 0)).toBe(true);
  const unanswered = charges.filter(({ completionTokens }) => completionTokens === 0);
  expect(unanswered.map(({ outcome, chargedMicroUsd }) => ({ outcome, chargedMicroUsd }))).toEqual(
    Array.from({ length: WHOLE_ANSWERS }, () => ({ outcome: 'refunded', chargedMicroUsd: 0 })),
  );

  for (const charge of charges) {
    const { status, json } = await network.ask('GET', `/v1/generation?id=${charge.job}`, {
      token: network.apiKey,
    });
    expect(status).toBe(200);
    expect(json.data).toMatchObject({
      id: charge.job,
      status: 'ingress_lost',
      cost_micro_usd: charge.chargedMicroUsd,
      tokens_completion: charge.completionTokens,
    });
  }
  const { ok } = await network.network.coordinator.bus.call(
    services.settlement.verify,
    { full: true },
    { timeoutMs: 10_000 },
  );
  expect(ok).toBe(true);
});
