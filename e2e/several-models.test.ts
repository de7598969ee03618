import { execFile } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { kvBytesPerToken } from '#provider/engine/decoders/decoder.ts';
import { createReferenceBackend } from '#provider/engine/decoders/reference-decoder.ts';
import { MIN_RESIDENCE_MS } from '#provider/engine/residency/room.ts';
import { memoryForModels } from '#provider/machine.ts';
import { openModel } from '#provider/models/model.ts';
import { ControlClient } from '#provider/service/control-client.ts';
import { TINY_MODEL_FOLDER, tinyModel } from '#tiny-model';
import { DINF } from './dinf-program.ts';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const run = promisify(execFile);
const MODELS = ['ant', 'bee'] as const;
/** A model on the disk that the machine does not serve at first. */
const OTHER = 'cow';
const COUNTED = Array.from({ length: 30 }, (_, i) => i + 1).join(', ');

let network: TestNetwork;
let home: string;
let client: ControlClient;

async function provider(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(
    process.execPath,
    [DINF, 'provider', name, '--home', home, ...args],
    { env: { ...process.env, DINF_HOME: join(network.network.home, 'elsewhere') } },
  );
  return stdout;
}

/** The share of this computer's memory that holds one tiny model, but not two. */
async function shareForOneModel(): Promise<number> {
  const model = await openModel(TINY_MODEL_FOLDER);
  const cache = model.shape.contextTokens * kvBytesPerToken(model, createReferenceBackend());
  return (1.5 * (model.weightBytes + cache)) / memoryForModels();
}

const inMemory = async () =>
  (await client.state()).models
    .filter(({ state }) => state === 'resident')
    .map(({ build }) => build);

/** A machine with two models and memory for one of them. */
beforeAll(async () => {
  // A loaded computer may need some seconds to load a model.
  network = await startTestNetwork({
    providers: 0,
    tokenMs: 2,
    config: { firstContentMs: 60_000 },
  });
  const { weights: _, ...tiny } = tinyModel;
  await network.network.putModels(
    [...MODELS, OTHER].map((id) => ({ ...tiny, id, builds: [`${id}-4bit`] })),
    [],
  );
  home = join(network.network.home, 'machine');
  client = new ControlClient(home);
  await mkdir(home, { recursive: true });
  const folders = MODELS.map((id) => join(network.network.home, `${id}-4bit`));
  for (const id of [...MODELS, OTHER])
    await cp(TINY_MODEL_FOLDER, join(network.network.home, `${id}-4bit`), { recursive: true });
  // The file in which a machine notes that it ran out of memory limits it to a share of its memory.
  await writeFile(
    join(home, 'memory-share.json'),
    JSON.stringify({ share: await shareForOneModel(), at: Date.now() }),
  );
  await provider(
    'start',
    ...['--coordinator', network.url, '--engine', 'reference'],
    ...folders.flatMap((folder) => ['--model', folder]),
    ...['--token', await network.network.enrolToken()],
  );
  await vi.waitFor(async () => expect((await client.state()).phase).toBe('serving'), {
    timeout: 30_000,
    interval: 100,
  });
}, 180_000);

afterAll(async () => {
  if ((await client.hello()) !== undefined) await provider('stop');
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const ask = (model: string, content: string, onContent?: () => void) =>
  readStream(
    network,
    { model, messages: [{ role: 'user', content }], max_tokens: 200 },
    { ...(onContent && { onContent }) },
  );

async function loads(): Promise<number> {
  const log = await provider('logs', '--lines', '5000');
  return log.split('\n').filter((line) => line.includes('a model was loaded')).length;
}

test('status shows where each model is and what memory it needs', async () => {
  await expect.poll(inMemory).toEqual(['ant-4bit']);
  const status = await provider('status');
  expect(status).toMatch(/^model +ant-4bit {2}in memory, \d+ MB, 0 running/m);
  expect(status).toMatch(/^model +bee-4bit {2}on the disk, \d+ MB, 0 running/m);
  expect(status).toMatch(/^memory +\d+ MB of \d+ MB for models are used$/m);
});

test('requests that alternate between two models are all answered, with a bounded number of loads', {
  timeout: 300_000,
}, async () => {
  const before = await loads();
  const startedAt = performance.now();
  let answers = 0;
  const client = async (first: number) => {
    // Four turns at least, also on a computer that needs longer for them.
    for (let turn = first; turn < first + 4 || performance.now() - startedAt < 10_000; turn += 1) {
      const answer = await ask(MODELS[turn % 2] ?? '', 'What is 12 + 30?');
      expect(answer).toMatchObject({ status: 200, text: '42', done: 1, errors: [] });
      answers += 1;
    }
  };
  await Promise.all([client(0), client(0), client(1)]);
  const swaps = (await loads()) - before;
  expect(swaps).toBeGreaterThanOrEqual(2);
  expect(swaps).toBeLessThanOrEqual((performance.now() - startedAt) / MIN_RESIDENCE_MS + 1);
  expect(answers).toBeGreaterThan(swaps);
});

test('a switch loads a model, and cuts no stream of another one', {
  timeout: 120_000,
}, async () => {
  await provider('switch', 'ant-4bit');
  expect(await inMemory()).toEqual(['ant-4bit']);
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const streams = [0, 1, 2, 3].map(() => ask('ant', 'Count from 1 to 30.', resolve));
  await begun;
  await client.switchTo('bee-4bit');
  for (const stream of await Promise.all(streams))
    expect(stream).toMatchObject({ status: 200, text: COUNTED, done: 1, errors: [] });
  await expect.poll(inMemory, { timeout: 30_000 }).toEqual(['bee-4bit']);
  expect(await ask('ant', 'What is 12 + 30?')).toMatchObject({ status: 200, text: '42' });
});

test('a switch to a model that is not on the machine is refused, with the command that downloads it', async () => {
  await expect(provider('switch', 'cat-4bit')).rejects.toMatchObject({
    code: 64,
    stderr: expect.stringMatching(
      /cat-4bit is neither a folder .* "dinf provider models pull cat-4bit" downloads it/,
    ),
  });
  expect((await client.state()).models.map(({ build }) => build)).toEqual(['ant-4bit', 'bee-4bit']);
});

test('a switch to another model of the disk serves it without a cut stream, and again after a restart', {
  timeout: 180_000,
}, async () => {
  await provider('switch', 'ant-4bit');
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const stream = ask('ant', 'Count from 1 to 30.', resolve);
  await begun;
  await provider('switch', join(network.network.home, `${OTHER}-4bit`));
  expect(await stream).toMatchObject({ status: 200, text: COUNTED, done: 1, errors: [] });
  expect(await inMemory()).toEqual(['cow-4bit']);
  await expect
    .poll(() => ask(OTHER, 'What is 12 + 30?'), { timeout: 30_000 })
    .toMatchObject({ status: 200, text: '42' });
  await provider('restart');
  await expect.poll(inMemory, { timeout: 30_000 }).toEqual(['cow-4bit']);
  expect((await client.state()).models.map(({ build }) => build)).toEqual([
    'cow-4bit',
    'ant-4bit',
    'bee-4bit',
  ]);
});
