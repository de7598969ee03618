import { basename } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { pngUri } from '#http-api/core/images/images-under-test.ts';
import type { SupervisedProcess } from '#provider';
import { imageUris } from '#provider/engine/vision/vision-under-test.ts';
import { createVisionFolder } from '#provider/models/vision/vision-folder-under-test.ts';
import { startProviderProcess } from './provider-process.ts';
import { startCustomer } from './sealed/sealed-network.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/** A model whose images all have the same number of tokens, and one that counts them by the size. */
const MODEL = 'small-vision';
const SIZED = 'sized-vision';
const [jpeg, turned] = imageUris as [string, string];

let folder: Awaited<ReturnType<typeof createVisionFolder>>;
let sized: Awaited<ReturnType<typeof createVisionFolder>>;
let network: TestNetwork;
let provider: SupervisedProcess;

/** A machine with a small Gemma 3 and a small Qwen3-VL with vision towers and random weights. */
beforeAll(async () => {
  folder = await createVisionFolder();
  sized = await createVisionFolder('qwen3-vl');
  network = await startTestNetwork({
    providers: 0,
    tokenMs: 2,
    config: { firstContentMs: 60_000 },
  });
  await network.network.putModels(
    [[MODEL, folder] as const, [SIZED, sized] as const].map(([id, { path }]) => ({
      id,
      displayName: id,
      contextTokens: 2_048,
      maxOutputTokens: 64,
      builds: [basename(path)],
      traits: ['vision'],
      inputMicroUsdPerMillion: 1_000_000,
      outputMicroUsdPerMillion: 2_000_000,
    })),
    [],
  );
  provider = await startProviderProcess(network, [
    '--token',
    await network.network.enrolToken(),
    '--model',
    folder.path,
    '--model',
    sized.path,
  ]);
  const { bus } = network.network.coordinator;
  await vi.waitFor(
    async () =>
      expect(
        (await bus.call(services.routing.fleet, {}, { timeoutMs: 5_000 })).providers,
      ).toMatchObject([{ state: 'resident' }, { state: 'resident' }]),
    { timeout: 60_000 },
  );
}, 240_000);
afterAll(async () => {
  await provider.stop();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await sized[Symbol.asyncDispose]();
});

const image = (url: string) => ({ type: 'image_url' as const, image_url: { url } });
const words = { type: 'text' as const, text: 'What is this?' };

const ask = (client: OpenAI, ...urls: string[]) => askOf(MODEL, client, ...urls);
const askOf = (model: string, client: OpenAI, ...urls: string[]) =>
  client.chat.completions.create({
    model,
    max_tokens: 6,
    messages: [{ role: 'user', content: [...urls.map(image), words] }],
  });

describe('a request with images', () => {
  let promptTokens = 0;

  test('is answered, and is charged for exactly the tokens of the prompt', async () => {
    const { data, response } = await ask(network.openai(), jpeg, turned).withResponse();
    promptTokens = data.usage?.prompt_tokens ?? 0;
    const one = (await ask(network.openai(), jpeg)).usage?.prompt_tokens ?? 0;
    expect(promptTokens).toBeGreaterThanOrEqual(one + 18);
    expect(promptTokens).toBeLessThan(one + 24);
    const job = response.headers.get('x-inference-job-id');
    await vi.waitFor(
      async () =>
        expect((await network.charges()).find((charge) => charge.job === job)).toMatchObject({
          outcome: 'settled',
          chargedMicroUsd: promptTokens + 2 * (data.usage?.completion_tokens ?? 0),
        }),
      { timeout: 20_000 },
    );
  });

  test('is charged for the tokens that each image has by its size', async () => {
    const tokensOf = async (...urls: string[]) => {
      const { data, response } = await askOf(SIZED, network.openai(), ...urls).withResponse();
      const { prompt_tokens: read = 0, completion_tokens: written = 0 } = data.usage ?? {};
      const job = response.headers.get('x-inference-job-id');
      await vi.waitFor(
        async () =>
          expect((await network.charges()).find((charge) => charge.job === job)).toMatchObject({
            outcome: 'settled',
            chargedMicroUsd: read + 2 * written,
          }),
        { timeout: 20_000 },
      );
      return read;
    };
    // 64×96 pixels are 24 tokens and 96×96 are 36, with two marks for each image.
    const one = await tokensOf(pngUri(64, 96));
    expect(await tokensOf(pngUri(64, 96), pngUri(96, 96))).toBe(one + 36 + 2);
    expect(await tokensOf(pngUri(96, 64))).toBe(one);
  });

  test('has the same tokens through the other APIs', async () => {
    const source = (uri: string) => ({
      type: 'image',
      source: { type: 'base64', media_type: 'image/jpeg', data: uri.split(',')[1] },
    });
    const input = [jpeg, turned].map((url) => ({ type: 'input_image', image_url: url }));
    const answers = await Promise.all([
      network.ask('POST', '/v1/messages', {
        token: network.apiKey,
        body: {
          model: MODEL,
          max_tokens: 6,
          messages: [{ role: 'user', content: [source(jpeg), source(turned), words] }],
        },
      }),
      network.ask('POST', '/v1/responses', {
        token: network.apiKey,
        body: {
          model: MODEL,
          max_output_tokens: 6,
          input: [{ role: 'user', content: [...input, { type: 'input_text', text: words.text }] }],
        },
      }),
    ]);
    for (const { status, json } of answers) {
      expect(status, JSON.stringify(json)).toBe(200);
      const { input_tokens: read, cache_read_input_tokens: cached = 0 } = json.usage;
      expect(read + cached).toBe(promptTokens);
    }
  });

  test('is read by the machine alone in blind mode', async () => {
    await using customer = await startCustomer(network.url);
    const client = new OpenAI({ baseURL: `${customer.url}/v1`, apiKey: network.apiKey });
    expect((await ask(client, jpeg, turned)).usage?.prompt_tokens).toBe(promptTokens);
  });

  test('is refused as an error of the client if a file is damaged', async () => {
    const damaged = ask(network.openai({ maxRetries: 0 }), `${jpeg.slice(0, 400)}AAAA`);
    await expect(damaged).rejects.toMatchObject({ status: 400 });
    expect((await ask(network.openai(), jpeg)).choices).toHaveLength(1);
  });

  test('is possible for models that are listed with images', async () => {
    const { json } = await network.ask('GET', '/v1/models', { token: network.apiKey });
    expect(json.data.find(({ id }: { id: string }) => id === MODEL)).toMatchObject({
      input_modalities: ['text', 'image'],
    });
  });
});
