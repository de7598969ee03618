import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import type { SupervisedProcess } from '#provider';
import { TINY_MODEL_FOLDER, tinyModel } from '#tiny-model';
import { startProviderProcess } from './provider-process.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/**
 * A token without a row in the model's weights. Published models have such tokens too. The id is so
 * large that a decoder which used it as an index would crash.
 */
const EVIL = {
  content: '<|evil|>',
  id: 400_000_000,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
};
const BUILD = 'evil-tiny-4bit';

let network: TestNetwork;
let provider: SupervisedProcess;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-evil-'));
  const folder = join(home, BUILD);
  await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
  const path = join(folder, 'tokenizer.json');
  const tokenizer = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(
    path,
    JSON.stringify({ ...tokenizer, added_tokens: [...tokenizer.added_tokens, EVIL] }),
  );
  network = await startTestNetwork({ providers: 0, tokenMs: 2 });
  const { weights: _, ...model } = tinyModel;
  await network.network.putModels([{ ...model, builds: [BUILD] }], []);
  provider = await startProviderProcess(network, [
    '--engine',
    'cpu',
    '--model',
    folder,
    '--token',
    await network.network.enrolToken(),
  ]);
  const { bus } = network.network.coordinator;
  await vi.waitFor(
    async () =>
      expect(
        (await bus.call(services.routing.fleet, {}, { timeoutMs: 5_000 })).providers,
      ).toMatchObject([{ state: 'resident' }]),
    {
      timeout: 20_000,
    },
  );
}, 180_000);

afterAll(async () => {
  await provider.stop();
  await network[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

const ask = (content: string) =>
  network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: { model: tinyModel.id, messages: [{ role: 'user', content }], max_tokens: 20 },
  });

test('a prompt with a token that has no row in the model gets a 400 and does not crash the provider', async () => {
  let exits = 0;
  void provider.exited.then(() => {
    exits += 1;
  });
  for (const content of ['hello <|evil|> x', '<|evil|>', '<|evil|>'.repeat(20)])
    expect((await ask(content)).status).toBe(400);
  const { status, json } = await ask('What is 12 + 30?');
  expect([status, json.choices[0].message.content]).toEqual([200, '42']);
  expect(exits).toBe(0);
  await network.expectMoneyBalances();
});
