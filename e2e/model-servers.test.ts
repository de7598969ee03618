import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { cacheFolder, type SupervisedProcess } from '#provider';
import { pythonPackages } from '#testcontainers';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { startProviderProcess } from './provider-process.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/** Version of the server of MLX, which the test installs once into the cache. */
const MLX_LM = '0.32.2';
const MLX = '0.32.4';
const folder = join(cacheFolder(process.env), `mlx-lm-${MLX_LM}`);
const START_MS = 120_000;
const PATIENCE = { timeout: 30_000, interval: 100 };

async function whyNot(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'its packages are those for Linux';
  try {
    await pythonPackages(folder, [`mlx-lm==${MLX_LM}`, `mlx[cpu]==${MLX}`], {
      env: process.env,
      withDependencies: true,
    });
    return undefined;
  } catch (error) {
    return `mlx_lm ${MLX_LM} cannot be installed: ${String(error).split('\n').at(-2)?.slice(0, 120)}`;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const reason = await whyNot();
describe.skipIf(reason !== undefined)(
  `a machine with mlx_lm.server${reason === undefined ? '' : ` (${reason})`}`,
  () => {
    let network: TestNetwork;
    let provider: SupervisedProcess;
    let home: string;
    const build = 'dinf-tiny-4bit';
    const sum = { role: 'user' as const, content: '12+7=' };

    beforeAll(async () => {
      network = await startTestNetwork({ providers: 0, tokenMs: 0 });
      home = await mkdtemp(join(tmpdir(), 'dinf-upstream-'));
      const port = await freePort();
      const server = `python3 -m mlx_lm server --model ${TINY_MODEL_FOLDER} --port ${port}`;
      provider = await startProviderProcess(
        network,
        [
          ...['--engine', 'openai', '--upstream', `http://127.0.0.1:${port}/v1`],
          ...['--upstream-command', server, '--home', join(home, 'provider')],
          ...['--token', await network.network.enrolToken()],
        ],
        undefined,
        // The server lists the models of a folder that must exist.
        { PYTHONPATH: folder, HF_HUB_CACHE: home },
      );
      await network.network.putModels(
        [
          {
            id: build,
            displayName: 'tiny',
            contextTokens: 2_048,
            maxOutputTokens: 1_024,
            builds: [build],
            inputMicroUsdPerMillion: 1_000,
            outputMicroUsdPerMillion: 2_000,
          },
        ],
        [],
      );
    }, START_MS);
    afterAll(async () => {
      await provider?.stop();
      await network?.[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    });

    test('answers, states its engine, and bills what the tokenizer confirms', async () => {
      const { data, response } = await vi.waitFor(
        () =>
          network
            .openai()
            .chat.completions.create({
              model: build,
              messages: [sum],
              max_tokens: 20,
              temperature: 0,
            })
            .withResponse(),
        PATIENCE,
      );
      expect(data.choices[0]?.message.content).toBe('19');
      expect(response.headers.get('x-provider-engine')).toBe('external');
      expect(response.headers.get('x-provider-trust-level')).toBe('self_signed');
      expect(data.usage?.prompt_tokens).toBe(15);
      expect(data.usage?.completion_tokens).toBeLessThanOrEqual(3);
      await network.expectMoneyBalances();
    });

    test('streams to several callers at once', async () => {
      const texts = await Promise.all(
        [3, 4, 5].map(async (n) => {
          const stream = await network.openai().chat.completions.create({
            model: build,
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
    });
  },
);
