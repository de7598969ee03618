import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { fromHex, services } from '#bus-schemas';
import type { Engine } from '#provider';
import { openModelEngine } from '#provider/engine/open-model-engine.ts';
import { createSimulatedEngine, type SimulatedFleet, startFleet } from '#simulator';
import { TINY_MODEL_FOLDER, tinyModel } from '#tiny-model';
import { DINF, operatorSettings } from './dinf-program.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/**
 * A machine that a person linked shows the public digest of a model, claims 5,000 tokens per
 * second,
 * and answers with nonsense, beside two honest machines of the operator.
 */
const run = promisify(execFile);
const CALL = { timeoutMs: 5_000 };
const BUILD = tinyModel.builds[0] as string;
const DIGEST = fromHex(tinyModel.weights?.[BUILD] ?? '');
const QUESTIONS = ['What is 12 + 30?', 'What is 7 + 8?'];
const ANSWERS = ['42', '15'];
const REQUESTS = 40;

let network: TestNetwork;
let honest: SimulatedFleet;
let squatter: SimulatedFleet;
let newcomer: SimulatedFleet;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 0 });
  await network.network.putModels([tinyModel]);
  honest = await fleetOf('honest', realEngine, { count: 2 });
  const { account } = await network.person('newcomers');
  const token = async () =>
    (
      await network.network.coordinator.bus.call(
        services.trust.createToken,
        { lifetimeMs: 60_000, account },
        CALL,
      )
    ).token;
  squatter = await fleetOf('squatter', boastfulEngine, { count: 1, token });
  newcomer = await fleetOf('newcomer', realEngine, { count: 1, token });
  for (const { id } of [honest, squatter, newcomer].flatMap(({ providers }) => providers))
    await isKnown(id);
}, 120_000);
afterAll(async () => {
  for (const fleet of [newcomer, squatter, honest]) await fleet[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

const silent = { info: () => undefined, error: () => undefined };
const realEngine = (): Promise<Engine> =>
  openModelEngine({
    models: [TINY_MODEL_FOLDER],
    backend: 'reference',
    maxConcurrency: 2,
    idleMs: 0,
    log: silent,
  });

async function boastfulEngine(): Promise<Engine> {
  const build = {
    build: BUILD,
    weightsGb: 1,
    parametersBillion: 1,
    kvBytesPerToken: 1,
    contextTokens: 2_048,
    traits: ['tools' as const],
  };
  const engine = createSimulatedEngine({
    chip: 'm3-ultra',
    builds: [build],
    tokenMs: 0,
    ailment: { boasts: 5 },
  });
  return Object.assign(engine, { weights: () => [{ build: BUILD, digest: DIGEST }] });
}

function fleetOf(
  name: string,
  engine: () => Promise<Engine>,
  { count, token = network.network.enrolToken }: { count: number; token?: () => Promise<string> },
) {
  return startFleet({
    coordinatorUrl: network.url,
    token,
    count,
    natsServer: network.network.natsServer,
    home: join(network.network.home, name),
    leaves: 'shared',
    log: network.log,
    realEngine: engine,
    profile: () => ({ chip: 'm3-ultra' }),
  });
}

async function slotOf(provider: string): Promise<{ gate?: string }> {
  const { bus } = network.network.coordinator;
  const asked = {
    builds: [BUILD],
    providers: [provider],
    promptTokens: 1,
    maxOutputTokens: 1,
    ...(tinyModel.weights && { weights: tinyModel.weights }),
  };
  const { slots } = await bus.call(services.routing.explain, asked, CALL);
  if (slots[0] === undefined) throw new Error('routing does not know the machine yet');
  return slots[0];
}
const isKnown = (provider: string) =>
  vi.waitFor(() => slotOf(provider), { timeout: 30_000, interval: 100 });
const idOf = ({ providers }: SimulatedFleet): string => providers[0]?.id ?? '';

/** Who answered each of so many requests. */
async function servedBy(requests: number): Promise<(string | null)[]> {
  const body = {
    model: tinyModel.id,
    messages: [{ role: 'user', content: QUESTIONS[0] }],
    max_tokens: 5,
  };
  const served = [];
  for (let request = 0; request < requests; request += 1) {
    const { status, headers } = await network.ask('POST', '/v1/chat/completions', {
      token: network.apiKey,
      body,
    });
    expect(status).toBe(200);
    served.push(headers.get('x-provider-id'));
  }
  return served;
}

async function runCanaries(): Promise<string> {
  const file = join(network.network.home, 'canaries.json');
  const canaries = QUESTIONS.map((content, index) => ({
    model: tinyModel.id,
    messages: [{ role: 'user', content }],
    max_tokens: 20,
    answers: [ANSWERS[index]],
  }));
  await writeFile(file, JSON.stringify(canaries));
  const env = {
    ...process.env,
    ...operatorSettings(network.network),
    DINF_API_KEY: network.apiKey,
  };
  const options = [
    'canary',
    '--file',
    file,
    '--coordinator',
    network.url,
    '--once',
    '--accuse',
    '--prove',
  ];
  return (await run(process.execPath, [DINF, ...options], { env, timeout: 120_000 })).stdout;
}

test('a squatter gets one of twenty requests until its canaries fail, and then none', {
  timeout: 180_000,
}, async () => {
  expect(await slotOf(idOf(squatter))).toMatchObject({ gate: 'probation' });
  expect(await slotOf(idOf(honest))).not.toHaveProperty('gate');
  const before = await servedBy(REQUESTS);
  expect(before.filter((provider) => provider === idOf(squatter)).length).toBeLessThanOrEqual(2);
  const stdout = await runCanaries();
  expect(stdout).toContain(`${idOf(squatter)}  is out`);
  expect(stdout).toContain(`${idOf(newcomer)}  is proven`);
  await vi.waitFor(async () => expect(await slotOf(idOf(newcomer))).not.toHaveProperty('gate'), {
    timeout: 20_000,
    interval: 100,
  });
  expect(await servedBy(10)).not.toContain(idOf(squatter));
});
