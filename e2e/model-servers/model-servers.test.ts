import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { SupervisedProcess } from '#provider';
import type { Engine } from '#provider/engine/engine.ts';
import { begin } from '#provider/engine/engine-under-test.ts';
import { openUpstreamEngine } from '#provider/engine/upstream/open-upstream-engine.ts';
import { startProviderProcess } from '../provider-process.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';
import { type Relay, startRelay } from './relay.ts';
import { installed, MODEL_SERVERS } from './servers.ts';

const BUILD = 'dinf-tiny-4bit';
const START_MS = 120_000;
const PATIENCE = { timeout: 60_000, interval: 100 };
/** Time in which a cancelled answer must have left the model server, in milliseconds. */
const CANCEL_MS = 250;
const weather = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

/** A free port below those that systems give to outgoing connections, so that nobody takes it. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(10_000 * Math.random());
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

const found = await Promise.all(
  MODEL_SERVERS.map(async (server) => {
    const place = await installed(server.packages, server.withDependencies);
    const reason = 'reason' in place ? ` (${place.reason})` : '';
    return { server, place, title: `${server.name}${reason}` };
  }),
);

describe.each(found)('a machine with $title', ({ server, place }) => {
  const folder = 'folder' in place ? place.folder : '';
  let network: TestNetwork;
  let provider: SupervisedProcess;
  let home: string;
  let port: number;

  beforeAll(async () => {
    if (folder === '') return;
    network = await startTestNetwork({
      providers: 0,
      tokenMs: 0,
      config: { firstContentMs: 60_000 },
    });
    home = await mkdtemp(join(tmpdir(), 'dinf-upstream-'));
    port = await freePort();
    provider = await startProviderProcess(
      network,
      [
        ...['--engine', 'openai', '--upstream', `http://127.0.0.1:${port}/v1`],
        ...['--upstream-command', await server.command({ port, home: join(home, 'model') })],
        ...['--upstream-traits', 'tools'],
        ...['--home', join(home, 'provider')],
        ...['--token', await network.network.enrolToken()],
      ],
      undefined,
      // mlx_lm.server lists the models of a folder that must exist.
      { PYTHONPATH: folder, HF_HUB_CACHE: home },
    );
    await network.network.putModels(
      [
        {
          id: BUILD,
          displayName: 'tiny',
          contextTokens: 2_048,
          maxOutputTokens: 1_024,
          builds: [BUILD],
          traits: ['tools'],
          inputMicroUsdPerMillion: 1_000,
          outputMicroUsdPerMillion: 2_000,
        },
      ],
      [],
    );
  }, START_MS);
  afterAll(async () => {
    if (folder === '') return;
    await provider?.stop();
    await network?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  });

  const ask = (content: string, more: object = {}) =>
    network.openai().chat.completions.create({
      model: BUILD,
      messages: [{ role: 'user', content }],
      max_tokens: 100,
      temperature: 0,
      ...more,
      stream: false,
    });

  test.skipIf(folder === '')(
    'answers, states its engine, and bills what the tokenizer confirms',
    { timeout: START_MS },
    async () => {
      const { data, response } = await vi.waitFor(() => ask('12+7=').withResponse(), PATIENCE);
      expect(data.choices[0]?.message.content).toBe('19');
      expect(response.headers.get('x-provider-engine')).toBe('external');
      expect(response.headers.get('x-provider-trust-level')).toBe('self_signed');
      expect(data.usage?.prompt_tokens).toBe(15);
      expect(data.usage?.completion_tokens).toBeLessThanOrEqual(3);
      await network.expectMoneyBalances();
    },
  );

  test.skipIf(folder === '')(
    'streams to several callers at once',
    { timeout: START_MS },
    async () => {
      const texts = await Promise.all(
        [3, 4, 5].map(async (n) => {
          const stream = await network.openai().chat.completions.create({
            model: BUILD,
            messages: [{ role: 'user', content: `${n}+${n}=` }],
            max_tokens: 20,
            temperature: 0,
            stream: true,
          });
          let text = '';
          for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
          return text;
        }),
      );
      expect(texts).toEqual(['6', '8', '10']);
    },
  );

  test.skipIf(folder === '')('calls a tool', { timeout: START_MS }, async () => {
    const { choices } = await ask('What is the weather in Paris?', { tools: [weather] });
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    const [call] = choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather' } });
    const { arguments: given } = call?.type === 'function' ? call.function : { arguments: '{}' };
    expect(JSON.parse(given)).toEqual({ city: 'Paris' });
  });
});

/** Cancels an answer after its first delta. Returns the time until its connection is closed. */
async function cancelOne(engine: Engine, relay: Relay): Promise<number> {
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const chat = { messages: [{ role: 'user', content: 'Count from 1 to 30.' }], max_tokens: 1_000 };
  const { answer, sequence } = begin(engine, { build: BUILD, chat, maxTokens: 1_000 }, () =>
    resolve(),
  );
  await first;
  const cancelledAt = performance.now();
  sequence.cancel();
  await expect.poll(() => relay.answers, { interval: 5, timeout: 30_000 }).toBe(0);
  const tookMs = performance.now() - cancelledAt;
  expect((await answer).finish).toBe('cancelled');
  return tookMs;
}

describe.each(found)('a cancelled answer of $title', ({ server, place }) => {
  test('leaves the server within 250 ms', { timeout: 2 * START_MS }, async ({ skip }) => {
    if ('reason' in place) return skip(place.reason);
    const slow = server.slow && (await installed(server.slow.packages, false));
    if (slow !== undefined && 'reason' in slow) return skip(slow.reason);
    await using stack = new AsyncDisposableStack();
    const home = await mkdtemp(join(tmpdir(), 'dinf-upstream-'));
    stack.defer(() => rm(home, { recursive: true, force: true }));
    const port = await freePort();
    const relay = stack.use(await startRelay(port));
    const command =
      slow === undefined
        ? await server.command({ port, home: join(home, 'model') })
        : (server.slow?.command({ port, folder: slow.folder }) ?? '');
    const engine = stack.use(
      await openUpstreamEngine({
        upstream: `http://127.0.0.1:${relay.port}/v1`,
        models: [],
        command: `/usr/bin/env PYTHONPATH=${place.folder} HF_HUB_CACHE=${home} ${command}`,
        allowsRemote: false,
        key: undefined,
        contextTokens: undefined,
        traits: [],
        maxConcurrency: 1,
        log: { info: () => {}, error: () => {} },
      }),
    );
    // On a busy computer one cancel may be late; a server that ignores them is late each time.
    const tookMs: number[] = [];
    for (let round = 0; round < 3; round += 1) tookMs.push(await cancelOne(engine, relay));
    console.log(server.name, tookMs.map((ms) => `${ms.toFixed(0)} ms`).join(', '));
    expect(Math.min(...tookMs)).toBeLessThan(CANCEL_MS);
  });
});
