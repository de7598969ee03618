import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { readStream } from './read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from './test-network.ts';

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const MiB = 1024 * 1024;
const LONGEST_SECONDS = 60;
/**
 * With fewer tokens per second than this, both streams together count as stopped. It is not 0,
 * because the flow window moves in steps of a few frames.
 */
const STILL_TOKENS = 100;

/** Requests a stream of `maxTokens` tokens and reads one kilobyte of it per second. */
async function readSlowly(maxTokens: number): Promise<{ close(): void }> {
  const { hostname, port } = new URL(network.url);
  const body = JSON.stringify({
    model: 'sim-llama-8b',
    messages: [{ role: 'user', content: 'Talk to me slowly.' }],
    max_tokens: maxTokens,
    stream: true,
  });
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => undefined);
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\nauthorization: Bearer ${network.apiKey}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  socket.pause();
  const timer = setInterval(() => socket.read(1_024), 1_000);
  return {
    close: () => {
      clearInterval(timer);
      socket.destroy();
    },
  };
}

test('a client that reads 1 kB/s slows only its own sequence and does not fill the memory', async () => {
  // The engine generates as fast as it can, so that only the flow window limits it.
  network = await startTestNetwork({
    providers: 1,
    tokenMs: 0,
    maxOutputTokens: 1_000_000,
    contextTokens: 2_000_000,
  });
  const messages = [{ role: 'user', content: 'Quick.' }];
  const quick = () => readStream(network, { model: 'sim-llama-8b', messages, max_tokens: 50 });
  await quick();
  const before = process.memoryUsage().rss;

  const slow = await Promise.all([readSlowly(1_000_000), readSlowly(1_000_000)]);
  try {
    const quickTimes: number[] = [];
    let made = 0;
    // First the kernel's socket buffers fill, a few megabytes; then only 1 kB/s may be generated.
    // The measured quantity is a rate, so each round lasts one second.
    for (let second = 0; second < LONGEST_SECONDS; second += 1) {
      const before = network.tokensMade();
      await delay(1_000);
      made = network.tokensMade() - before;
      const startedAt = performance.now();
      expect((await quick()).text).toBe(expectedText(messages, 50));
      quickTimes.push(performance.now() - startedAt);
      if (made < STILL_TOKENS) break;
    }
    expect(made).toBeLessThan(STILL_TOKENS);
    expect(Math.max(...quickTimes)).toBeLessThan(2_000);
    expect((process.memoryUsage().rss - before) / MiB).toBeLessThan(96);
  } finally {
    for (const reader of slow) reader.close();
  }
}, 90_000);
