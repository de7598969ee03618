import { afterEach, describe, expect, test, vi } from 'vitest';
import { readStream } from '../read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

const messages = [{ role: 'user', content: 'Count the stars.' }];
const chat = (maxTokens: number) => ({ model: 'sim-llama-8b', messages, max_tokens: maxTokens });
const expected = (maxTokens: number) => expectedText(messages, maxTokens);

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

describe('a provider is killed', () => {
  test('before content: another provider answers, and the client notices nothing', async () => {
    network = await startTestNetwork({ providers: 2, tokenMs: 5, firstTokenMs: 1_000 });
    const answer = readStream(network, chat(10));
    const serving = await network.servingProvider();
    await serving.kill();
    expect(await answer).toMatchObject({ status: 200, text: expected(10), done: 1, errors: [] });
  });

  test('after content: the stream ends with one error event and no [DONE], and without a receipt nothing is charged', async () => {
    network = await startTestNetwork({ providers: 1, tokenMs: 20 });
    let killed: Promise<void> | undefined;
    const answer = await readStream(network, chat(2_000), {
      onContent: (text) => {
        if (text.length > 50)
          killed ??= network.servingProvider().then((provider) => provider.kill());
      },
    });
    await killed;
    expect(answer).toMatchObject({ status: 200, done: 0, errors: [{ code: 'stream_cut' }] });
    expect(expected(2_000).startsWith(answer.text)).toBe(true);
    const [charge] = await network.charges();
    expect(charge).toMatchObject({ outcome: 'refunded', chargedMicroUsd: 0 });
  });

  test('before content, and it is the only one: the client gets an error status and is charged nothing', async () => {
    network = await startTestNetwork({
      providers: 1,
      tokenMs: 5,
      firstTokenMs: 1_000,
      config: { firstContentMs: 2_500 },
    });
    const answer = readStream(network, chat(10));
    await (await network.servingProvider()).kill();
    expect((await answer).status).toBeGreaterThanOrEqual(429);
    expect(await network.charges()).toMatchObject([{ outcome: 'refunded', chargedMicroUsd: 0 }]);
  });
});

test("a provider's leaf node is killed during a stream: it is restarted, and no byte of the stream is lost", async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 20 });
  let killed: Promise<void> | undefined;
  const answer = await readStream(network, chat(200), {
    onContent: (text) => {
      if (text.length > 100) killed ??= network.fleet.leaves[0]?.server.kill();
    },
  });
  await killed;
  expect(answer).toMatchObject({ status: 200, text: expected(200), done: 1, errors: [] });
});

test('Postgres is killed during a stream: the stream goes on, new requests get a 503, and the job is charged after the restart', async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 20 });
  let killed: Promise<void> | undefined;
  const answer = await readStream(network, chat(100), {
    onContent: (text) => {
      if (text.length > 50) killed ??= network.network.postgres?.kill();
    },
  });
  await killed;
  expect(answer).toMatchObject({ status: 200, text: expected(100), done: 1, errors: [] });
  expect(await readStream(network, chat(5))).toMatchObject({
    status: 503,
    errors: [{ error: { code: 'service_unavailable' } }],
  });
  await network.network.postgres?.restart();
  await vi.waitFor(
    async () => expect(await readStream(network, chat(5))).toMatchObject({ status: 200, done: 1 }),
    { timeout: 10_000, interval: 200 },
  );
  const charges = await network.charges();
  expect(charges.filter(({ completionTokens }) => completionTokens === 100)).toMatchObject([
    { outcome: 'settled' },
  ]);
});

test('the client receives no status and no byte before the first content', async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 5, firstTokenMs: 800 });
  const startedAt = performance.now();
  let contentAt = 0;
  const answer = await readStream(network, chat(5), {
    onHeaders: () => expect(performance.now() - startedAt).toBeGreaterThan(750),
    onContent: () => {
      contentAt ||= performance.now() - startedAt;
    },
  });
  expect(answer).toMatchObject({ status: 200, done: 1 });
  expect(contentAt).toBeGreaterThan(750);
});

describe('a provider that violates the protocol', () => {
  test('a frame that cannot be opened ends the attempt, is recorded as a violation, and another provider answers', async () => {
    network = await startTestNetwork({ providers: 2, tokenMs: 5, faults: { 0: 'corrupt_frames' } });
    // Routing chooses either of the two first, so send requests until it has chosen the faulty one.
    for (let round = 0; round < 60 && (await network.violations()).length === 0; round += 1) {
      expect(await readStream(network, chat(10))).toMatchObject({
        text: expected(10),
        done: 1,
        errors: [],
      });
    }
    await expect
      .poll(() => network.violations(), { timeout: 5_000 })
      .toContainEqual({ provider: network.providers[0]?.id, violation: 'unopenable_frame' });
  });
});

describe('the client disconnects', () => {
  test('the engine stops within 250 ms worth of tokens, and the delivered tokens are charged once', async () => {
    const tokenMs = 10;
    network = await startTestNetwork({ providers: 1, tokenMs });
    const abort = new AbortController();
    let madeBefore = 0;
    const reading = readStream(network, chat(5_000), {
      signal: abort.signal,
      onContent: (text) => {
        if (madeBefore > 0 || text.length < 40) return;
        madeBefore = network.tokensMade();
        abort.abort();
      },
    });
    await expect(reading).rejects.toThrow();
    await expect.poll(() => network.runningSequences(), { interval: 5, timeout: 1_000 }).toBe(0);
    expect(network.tokensMade() - madeBefore).toBeLessThan(250 / tokenMs);
    await network.expectMoneyBalances();
    const charges = await network.charges();
    expect(charges).toHaveLength(1);
    expect(charges[0]).toMatchObject({ outcome: 'settled' });
    expect(charges[0]?.chargedMicroUsd).toBeGreaterThan(0);
    expect(charges[0]?.completionTokens).toBeLessThan(100);
  });
});
