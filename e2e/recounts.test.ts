import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { keepTokenizer } from '#coordinator';
import { cacheFolder, findNatsServer } from '#provider';
import { openModelEngine } from '#provider/engine/open-model-engine.ts';
import { type SimulatedFleet, startFleet } from '#simulator';
import { TINY_MODEL_FOLDER, tinyAlias, tinyModel } from '#tiny-model';
import { type ApiResponse, startTestNetwork, type TestNetwork } from './test-network.ts';

/**
 * Two machines with the same real model, of which the second bills three tokens for each that it
 * makes. All answers are recounted.
 */
let network: TestNetwork;
let fleet: SimulatedFleet;
const CALL = { timeoutMs: 5_000 };

beforeAll(async () => {
  network = await startTestNetwork({
    providers: 0,
    tokenMs: 1,
    config: { recountEvery: 1, recountWaitMs: 30_000 },
  });
  const tokenizer = await keepTokenizer(network.network.config.home, TINY_MODEL_FOLDER);
  await network.network.putModels(
    [{ ...tinyModel, inputMicroUsdPerMillion: 0, outputMicroUsdPerMillion: 1_000_000, tokenizer }],
    [tinyAlias],
  );
  const { path: natsServer } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  const log = { info: () => {}, error: () => {} };
  fleet = await startFleet({
    coordinatorUrl: network.url,
    token: () => network.network.enrolToken(),
    count: 2,
    profile: () => ({ chip: 'm4-max' }),
    realEngine: () =>
      openModelEngine({ models: [TINY_MODEL_FOLDER], maxConcurrency: 8, idleMs: 0, log }),
    faults: { 1: 'triples' },
    natsServer,
    home: join(network.network.home, 'emulated'),
    leaves: 'shared',
    log: network.log,
  });
  const { bus } = network.network.coordinator;
  const resident = async () =>
    (await bus.call(services.routing.fleet, {}, CALL)).providers.filter(
      ({ state }) => state === 'resident',
    ).length;
  await vi.waitFor(async () => expect(await resident()).toBe(2), { timeout: 60_000 });
}, 180_000);

afterAll(async () => {
  await network.expectMoneyBalances();
  await fleet[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

const idOf = (index: number): string => fleet.providers[index]?.id ?? '';
const ask = (index: number, body: object): Promise<ApiResponse> =>
  network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: { model: 'tiny', max_tokens: 300, provider: { only: [idOf(index)] }, ...body },
  });
const strikesOf = async (index: number) =>
  (await network.violations()).filter(({ provider }) => provider === idOf(index));

interface Question {
  readonly messages: object[];
  readonly tools?: object[];
}
const questions: Question[] = readFileSync(join(TINY_MODEL_FOLDER, 'held-out.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  // Earlier calls stand there as the template wants them, not as the API does.
  .filter(({ messages }: Question) => !messages.some((message) => 'tool_calls' in message));
const schema = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
  additionalProperties: false,
};
/** In turns: what a caller may ask for besides. */
const VARIANTS: readonly object[] = [
  {},
  { temperature: 0 },
  { temperature: 2, max_tokens: 120 },
  { stop: [', 5', 'e'] },
  { response_format: { type: 'json_schema', json_schema: { name: 'person', schema } } },
  { logprobs: true, top_logprobs: 3 },
  { messages: [{ role: 'user', content: 'Say "Grüße 🦙 日本語 ñandú"' }] },
  { stream: true },
];
const AT_ONCE = 8;

test('200 answers of all kinds of an honest machine bring it no strike', {
  timeout: 240_000,
}, async () => {
  const asked = questions.slice(0, 200).map(({ messages, tools }, i) => {
    const variant = VARIANTS[i % VARIANTS.length] ?? {};
    // Tools and a demanded form exclude one another.
    return {
      messages,
      ...(tools !== undefined && !('response_format' in variant) && { tools }),
      ...variant,
    };
  });
  const refused: string[] = [];
  const next = asked.values();
  const askAll = async () => {
    for (const body of next) {
      const { status, text } = await ask(0, body);
      if (status !== 200) refused.push(text);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, askAll));
  expect(refused).toEqual([]);
  expect(await strikesOf(0)).toEqual([]);
  const { values = [] } =
    (await network.network.coordinator.metrics.getSingleMetric('dinf_recounts_total')?.get()) ?? {};
  // A stop string may be the first token: such an answer holds nothing to recount.
  expect(values).toMatchObject([{ labels: { outcome: 'agreed' } }]);
  expect(values[0]?.value).toBeGreaterThan(190);
});

test('a machine that bills three times too much is paid for what the answer holds, and is out after five answers', {
  timeout: 120_000,
}, async () => {
  const count = {
    messages: [{ role: 'user', content: 'Count from 1 to 60.' }],
    temperature: 0,
    max_tokens: 900,
  };
  const honest = (await ask(0, count)).json.usage.completion_tokens;
  const jobs: (string | null)[] = [];
  for (let strike = 1; strike <= 5; strike += 1) {
    const told = await ask(1, count);
    jobs.push(told.headers.get('x-inference-job-id'));
    expect(told.json.usage.completion_tokens).toBe(honest);
    await vi.waitFor(async () => expect(await strikesOf(1)).toHaveLength(strike), {
      timeout: 20_000,
    });
  }
  const standing = async () =>
    (
      await network.network.coordinator.bus.call(services.trust.verdicts, { limit: 10 }, CALL)
    ).verdicts.find(({ provider }) => provider === idOf(1));
  await vi.waitFor(
    async () =>
      expect(await standing()).toMatchObject({ standing: 'untrusted', fault: 'overbilled' }),
    { timeout: 20_000 },
  );
  await vi.waitFor(async () => expect((await ask(1, count)).status).toBeGreaterThanOrEqual(400), {
    timeout: 20_000,
  });
  const charges = (await network.charges()).filter(({ job }) => jobs.includes(job));
  expect(charges).toHaveLength(5);
  for (const charge of charges)
    expect(charge).toMatchObject({
      outcome: 'settled',
      completionTokens: honest,
      chargedMicroUsd: honest,
    });
  expect((await ask(0, count)).status).toBe(200);
});

test('a pardoned machine may serve again, and one more unusual answer does not shut it out', {
  timeout: 60_000,
}, async () => {
  const { bus } = network.network.coordinator;
  await bus.call(services.trust.pardon, { provider: idOf(1) }, CALL);
  const count = {
    messages: [{ role: 'user', content: 'Count from 1 to 60.' }],
    temperature: 0,
    max_tokens: 900,
  };
  await vi.waitFor(async () => expect((await ask(1, count)).status).toBe(200), { timeout: 30_000 });
  await vi.waitFor(async () => expect(await strikesOf(1)).toHaveLength(6), { timeout: 20_000 });
  expect((await ask(1, { messages: [{ role: 'user', content: 'What is 2 + 3?' }] })).status).toBe(
    200,
  );
});
