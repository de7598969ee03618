import { execFile } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { openModelEngine } from '#provider/engine/open-model-engine.ts';
import { type SimulatedFleet, startFleet } from '#simulator';
import { TINY_MODEL_FOLDER, tinyModel } from '#tiny-model';
import { DINF, operatorSettings } from './dinf-program.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const run = promisify(execFile);
const CALL = { timeoutMs: 5_000 };
const [BUILD] = tinyModel.builds;

let network: TestNetwork;
let home: string;
let honest: SimulatedFleet;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 0 });
  home = network.network.home;
  honest = await realFleet('honest', TINY_MODEL_FOLDER);
}, 120_000);
afterAll(async () => {
  await honest[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

const fleetOptions = (name: string) => ({
  coordinatorUrl: network.url,
  token: () => network.network.enrolToken(),
  count: 1,
  natsServer: network.network.natsServer,
  home: join(home, name),
  leaves: 'shared' as const,
  log: network.log,
});

function realFleet(name: string, folder: string): Promise<SimulatedFleet> {
  const log = { info: () => undefined, error: () => undefined };
  const realEngine = () =>
    openModelEngine({ models: [folder], backend: 'reference', maxConcurrency: 2, idleMs: 0, log });
  return startFleet({ ...fleetOptions(name), realEngine, profile: () => ({ chip: 'm4-max' }) });
}

/** What routing says of the only slot of a fleet for a request that names these weights. */
async function slotOf({ providers }: SimulatedFleet): Promise<{ gate?: string }> {
  const [provider] = providers;
  return vi.waitFor(async () => {
    const { bus } = network.network.coordinator;
    const asked = {
      builds: tinyModel.builds,
      providers: [provider?.id ?? ''],
      promptTokens: 1,
      maxOutputTokens: 1,
    };
    const { slots } = await bus.call(
      services.routing.explain,
      { ...asked, ...(tinyModel.weights && { weights: tinyModel.weights }) },
      CALL,
    );
    if (slots[0] === undefined) throw new Error('it is not in the fleet yet');
    return slots[0];
  }, 15_000);
}

const askOf = (fleet: SimulatedFleet, question: string) =>
  network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: {
      model: tinyModel.id,
      messages: [{ role: 'user', content: question }],
      provider: { only: fleet.providers.map(({ id }) => id) },
    },
  });

test('a machine whose model has one byte changed serves nobody under its name, and its owner is told why', {
  timeout: 60_000,
}, async () => {
  await network.network.putModels([tinyModel]);
  const folder = join(home, 'changed', BUILD as string);
  await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
  const template = join(folder, 'chat_template.jinja');
  await writeFile(template, `${await readFile(template, 'utf8')} `);
  await using changed = await realFleet('changed-fleet', folder);
  expect(await slotOf(changed)).toMatchObject({ gate: 'weights' });
  expect(await slotOf(honest)).not.toHaveProperty('gate');
  expect((await askOf(honest, 'What is 12 + 30?')).json.choices[0].message.content).toBe('42');
  expect((await askOf(changed, 'What is 12 + 30?')).status).toBe(503);
});

test('a machine that shows no weights at all serves no build whose weights are named', {
  timeout: 60_000,
}, async () => {
  await network.network.putModels([tinyModel]);
  await using silent = await pretender('silent');
  expect(await slotOf(silent)).toMatchObject({ gate: 'weights' });
});

test('a machine that answers with another model is caught by questions whose answers are known, and is out', {
  timeout: 90_000,
}, async () => {
  const { weights: _, ...unnamed } = tinyModel;
  await network.network.putModels([unnamed]);
  await using liar = await pretender('liar');
  await vi.waitFor(
    async () => expect((await askOf(liar, 'What is 12 + 30?')).status).toBe(200),
    15_000,
  );
  const file = join(home, 'canaries.json');
  const questions = ['What is 12 + 30?', 'Spell stone backwards.', 'What is 7 + 8?'];
  const canaries = questions.map((content) => ({
    model: tinyModel.id,
    messages: [{ role: 'user', content }],
    max_tokens: 20,
    answers: [],
  }));
  await writeFile(file, JSON.stringify(canaries));
  const env = {
    ...process.env,
    ...operatorSettings(network.network),
    DINF_API_KEY: network.apiKey,
  };
  const canary = (...more: string[]) =>
    run(process.execPath, [DINF, 'canary', '--file', file, '--coordinator', network.url, ...more], {
      env,
      timeout: 60_000,
    });
  const [good, bad] = [honest.providers[0]?.id ?? '', liar.providers[0]?.id ?? ''];
  expect((await canary('--learn', good)).stdout).toContain('3 answers');
  expect(JSON.parse(await readFile(file, 'utf8'))[0].answers).toEqual(['42']);
  const { stdout } = await canary('--once', '--accuse');
  expect(stdout).toContain(`${good}  3 of 3 right\n`);
  expect(stdout).toContain(`${bad}  0 of 3 right: it serves another model\n${bad}  is out`);
  await vi.waitFor(
    async () => expect((await askOf(liar, 'What is 12 + 30?')).status).toBe(503),
    10_000,
  );
  expect((await askOf(honest, 'What is 7 + 8?')).json.choices[0].message.content).toBe('15');
});

/** A machine that says that it has the build, and makes something up. */
function pretender(name: string): Promise<SimulatedFleet> {
  const build = {
    build: BUILD as string,
    weightsGb: 1,
    parametersBillion: 1,
    kvBytesPerToken: 1,
    contextTokens: 2_048,
    traits: [],
  };
  return startFleet({
    ...fleetOptions(name),
    profile: () => ({ chip: 'm4-max', builds: [build] }),
  });
}
