import { execFile } from 'node:child_process';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { hex, services } from '#bus-schemas';
import { ModelFolder } from '#provider/models/model-folder.ts';
import { weightsDigest } from '#provider/models/weights-digest.ts';
import { ControlClient } from '#provider/service/control-client.ts';
import { FakeHuggingFace } from '#testcontainers';
import { TINY_MODEL_FOLDER, tinyModel } from '#tiny-model';
import { DINF } from './dinf-program.ts';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const run = promisify(execFile);
const REPOSITORY = 'org/bee-4bit';
/** The network names the builds that it wants once a minute. */
const PATIENT = { timeout: 200_000, interval: 500 };

let network: TestNetwork;
let hub: FakeHuggingFace;
let home: string;
let client: ControlClient;

async function provider(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(
    process.execPath,
    [DINF, 'provider', name, '--home', home, ...args],
    {
      env: {
        ...process.env,
        ...hub.env,
        DINF_HOME: join(network.network.home, 'elsewhere'),
        HF_HUB_CACHE: join(network.network.home, 'cache'),
      },
    },
  );
  return stdout;
}

/** A machine that serves the build `ant-4bit` of the model `bug`. */
beforeAll(async () => {
  network = await startTestNetwork({
    providers: 0,
    tokenMs: 2,
    config: { firstContentMs: 60_000 },
  });
  hub = await FakeHuggingFace.start(REPOSITORY, TINY_MODEL_FOLDER);
  const { weights: _, ...tiny } = tinyModel;
  await network.network.putModels(
    [{ ...tiny, id: 'bug', builds: ['ant-4bit'], huggingFaceId: 'org/ant-4bit' }],
    [],
  );
  home = join(network.network.home, 'machine');
  client = new ControlClient(home);
  await mkdir(home, { recursive: true });
  const folder = join(network.network.home, 'ant-4bit');
  await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
  await provider(
    'start',
    ...['--coordinator', network.url, '--engine', 'reference', '--model', folder],
    ...['--token', await network.network.enrolToken()],
  );
  await vi.waitFor(async () => expect((await client.state()).phase).toBe('serving'), PATIENT);
}, 240_000);

afterAll(async () => {
  if ((await client.hello()) !== undefined) await provider('stop');
  await hub[Symbol.asyncDispose]();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const builds = async () => (await client.state()).models.map(({ build }) => build);

test('the new build of a rollout is shown to the owner, and after their consent it is downloaded, checked, loaded and serves', {
  timeout: 600_000,
}, async () => {
  const digest = await weightsDigest(await ModelFolder.open(TINY_MODEL_FOLDER));
  const rolledOut = await network.network.coordinator.bus.call(
    services.catalog.rollOut,
    { id: 'bug', build: 'bee-4bit', weights: hex(digest), isForced: true },
    { timeoutMs: 10_000 },
  );
  expect(rolledOut).toMatchObject({ ok: true });
  await expect
    .poll(() => provider('status'), PATIENT)
    .toContain(
      'bee-4bit is now the preferred build of bug, of which this machine has the one before. "dinf provider accept bee-4bit" downloads, checks and serves it.',
    );
  expect(hub.sent.size).toBe(0);
  expect(await builds()).toEqual(['ant-4bit']);

  expect(await provider('accept', 'bee-4bit')).toMatch(/^bee-4bit is served/m);
  await expect
    .poll(
      async () => (await client.state()).models.find(({ build }) => build === 'bee-4bit'),
      PATIENT,
    )
    .toMatchObject({ state: 'resident' });
  // The network sends requests for it as soon as it has checked the digest of the machine's files.
  const answersOfBee = async () => {
    const answer = await readStream(network, {
      model: 'bug',
      messages: [{ role: 'user', content: 'What is 12 + 30?' }],
      max_tokens: 10,
    });
    expect(answer).toMatchObject({ status: 200, text: '42' });
    return (await client.state()).answers.by_build['bee-4bit']?.total ?? 0;
  };
  await expect.poll(answersOfBee, PATIENT).toBeGreaterThan(0);
  await provider('restart');
  await expect.poll(builds, PATIENT).toEqual(['ant-4bit', 'bee-4bit']);
});
