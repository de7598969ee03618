import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { type SimulatedFleet, startFleet } from '#simulator';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { DINF, operatorSettings } from './dinf-program.ts';
import { type Person, startTestNetwork, type TestNetwork } from './test-network.ts';

/** A build that is not in the catalog and that only the machine linked to Ann's account serves. */
const BUILD = 'Anns-Model-4bit';
const run = promisify(execFile);

let network: TestNetwork;
let ann: Person;
let fleet: SimulatedFleet;
let annsKey: string;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 1 });
  ann = await network.person('ann');
  const { bus } = network.network.coordinator;
  fleet = await startFleet({
    coordinatorUrl: network.url,
    token: async () =>
      (
        await bus.call(
          services.trust.createToken,
          { lifetimeMs: 60_000, account: ann.account },
          { timeoutMs: 5_000 },
        )
      ).token,
    count: 1,
    natsServer: network.network.natsServer,
    home: `${network.network.home}/anns`,
    leaves: 'own',
    log: network.log,
    profile: () => ({
      chip: 'm4-max',
      tokenMs: 1,
      endless: true,
      builds: [
        {
          build: BUILD,
          weightsGb: 1,
          parametersBillion: 1,
          contextTokens: 4_096,
          kvBytesPerToken: 1,
          traits: ['tools'],
        },
      ],
    }),
  });
  annsKey = (await network.createKey({ creditMicroUsd: 0, account: ann.account })).apiKey;
  await vi.waitFor(async () => expect(await served()).toContain(BUILD), {
    timeout: 15_000,
    interval: 100,
  });
}, 60_000);
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

async function served(): Promise<string[]> {
  const { providers } = await network.network.coordinator.bus.call(
    services.routing.fleet,
    {},
    { timeoutMs: 5_000 },
  );
  return providers.map(({ build }) => build);
}

const ask = (token: string, model: string) =>
  network.ask('POST', '/v1/chat/completions', {
    token,
    body: { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 },
  });
const listed = async (token: string, query = ''): Promise<string[]> =>
  (await network.ask('GET', `/v1/models${query}`, { token })).json.data.map(
    ({ id }: { id: string }) => id,
  );

async function models(...args: string[]): Promise<string> {
  const env = { ...process.env, ...operatorSettings(network.network), NO_COLOR: '1' };
  return (await run(process.execPath, [DINF, 'models', ...args], { env, timeout: 30_000 })).stdout;
}

describe('a build that only a linked machine serves', () => {
  test('can be called by its owner at once and free of charge, by its own name or that of its repository', async () => {
    for (const name of [BUILD, `somebody/${BUILD}`]) {
      const told = await ask(annsKey, name);
      expect([told.status, told.headers.get('x-provider-id')]).toEqual([
        200,
        fleet.providers[0]?.id,
      ]);
    }
    await network.expectMoneyBalances();
    expect((await ann.ask('GET', '/v1/balance')).json.available_micro_usd).toBe(0);
  });

  test('does not exist for other accounts', async () => {
    expect((await ask(network.apiKey, BUILD)).json.error.code).toBe('model_not_found');
    expect(await listed(network.apiKey)).not.toContain(BUILD);
  });

  test('is in its owner’s list of models', async () => {
    expect(await listed(annsKey)).toEqual([BUILD]);
    expect(
      (await network.ask('GET', `/v1/models/${BUILD}`, { token: annsKey })).json,
    ).toMatchObject({ id: BUILD, context_length: 4_096 });
  });
});

test('the list of models contains those that a machine can serve now, and with all=true the others too', async () => {
  expect(await listed(network.apiKey)).toEqual([]);
  expect(await listed(network.apiKey, '?all=true')).toContain('sim-llama-8b');
});

describe('dinf models', () => {
  test('adds a build for all accounts, with the context length that its machine reports', async () => {
    await models(
      'add',
      'anns',
      '--build',
      BUILD,
      '--input-price',
      '0.02',
      '--output-price',
      '0.05',
    );
    await vi.waitFor(async () => expect((await ask(network.apiKey, 'anns')).status).toBe(200), {
      timeout: 5_000,
      interval: 100,
    });
    expect(await models('list')).toMatch(
      new RegExp(
        `^anns  ${BUILD}  4096 tokens  \\$0.02 in, \\$0.05 out per million  billed by bytes only  1 machine now$`,
        'm',
      ),
    );
  });

  test('changes only the given fields', async () => {
    await models('set', 'anns', '--input-price', '0.01');
    const [shown] = (await models('list', '--json'))
      .split('\n')
      .flatMap((text) => (text.includes('"anns"') ? [JSON.parse(text)] : []));
    expect(shown).toMatchObject({
      contextTokens: 4_096,
      inputMicroUsdPerMillion: 10_000,
      cacheReadMicroUsdPerMillion: 5_000,
      outputMicroUsdPerMillion: 50_000,
    });
  });

  test('keeps the tokenizer of a model, and refuses a file that is none', async () => {
    await models('set', 'anns', '--tokenizer', TINY_MODEL_FOLDER);
    expect(await models('list')).toMatch(/^anns .* recounted {2}1 machine now$/m);
    await expect(
      models('set', 'anns', '--tokenizer', `${TINY_MODEL_FOLDER}/model.safetensors`),
    ).rejects.toThrow(/not JSON/);
    await models('set', 'anns', '--title', 'Ann');
    expect(await models('list')).toMatch(/^anns .* recounted /m);
  });

  test('adds an alias, and removes alias and model', async () => {
    await models('alias', 'best', 'anns');
    await vi.waitFor(async () => expect(await listed(network.apiKey)).toContain('best'), {
      timeout: 5_000,
      interval: 100,
    });
    await expect(models('remove', 'anns')).rejects.toThrow(/still has aliases/);
    await models('remove', 'best');
    await models('remove', 'anns');
    await vi.waitFor(async () => expect((await ask(network.apiKey, 'anns')).status).toBe(404), {
      timeout: 5_000,
      interval: 100,
    });
  });

  test('explains what is missing if no machine serves the build', async () => {
    await expect(models('add', 'nothing-here')).rejects.toThrow(
      /No machine serves nothing-here now, so its context is not known/,
    );
  });
});
