import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeHuggingFace } from '#testcontainers';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { FIXTURES } from '../engine/encoders/encoders-under-test.ts';
import { openEncoder } from '../models/encoders/encoder-model.ts';
import { findModel } from '../models/find-model.ts';
import { cachedModels, damagedFiles, removeModel } from './cached-models.ts';
import { HubApi } from './hub-api.ts';
import { type Progress, pullModel } from './pull-model.ts';

const NAME = 'dinf/tiny';
const WEIGHTS = 'model.safetensors';

let cache: string;
let server: FakeHuggingFace;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'dinf-hub-'));
  server = await FakeHuggingFace.start(NAME, TINY_MODEL_FOLDER);
  env = { ...server.env, HF_HUB_CACHE: cache };
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(cache, { recursive: true });
});

let last: Progress | undefined;
const pull = (options: { signal?: AbortSignal; silenceMs?: number } = {}) =>
  pullModel({
    hub: new HubApi(env),
    name: NAME,
    revision: 'main',
    force: false,
    env,
    signal: new AbortController().signal,
    onFit: () => undefined,
    onProgress: (progress) => {
      last = progress;
    },
    pausesMs: [1, 1, 1],
    ...options,
  });
const weightBytes = async () => (await stat(join(TINY_MODEL_FOLDER, WEIGHTS))).size;
/** Resolves when so much of the weights is on disk: bytes in memory are lost with a connection. */
async function stored(bytes: number): Promise<void> {
  const others = (last?.totalBytes ?? 0) - (await weightBytes());
  await expect.poll(() => (last?.doneBytes ?? 0) - others).toBe(bytes);
}
async function expectIntact(): Promise<void> {
  const { path, build } = await findModel(NAME, env);
  expect(build).toBe('tiny');
  for (const name of ['config.json', WEIGHTS])
    expect(await readFile(join(path, name))).toEqual(await readFile(join(TINY_MODEL_FOLDER, name)));
  expect(await damagedFiles(NAME, env)).toMatchObject({ damaged: [] });
  expect(last?.doneBytes).toBe(last?.totalBytes);
}

describe('a download', () => {
  test('arrives in the cache where Python tools look for it, and is not fetched again', async () => {
    await pull();
    await expectIntact();
    const before = new Map(server.sent);
    await pull();
    expect(server.sent).toEqual(before);
  });

  test('continues after nine cuts without fetching a byte twice', async () => {
    const bytes = await weightBytes();
    server.faults.cuts = { times: 9, bytes: Math.floor(bytes / 12), stored };
    await pull();
    await expectIntact();
    expect(server.sent.get(WEIGHTS)).toBe(bytes);
  });

  test('detects one wrong byte, and fetches the file again', async () => {
    server.faults.wrongByte = { times: 1, at: 1_000 };
    await pull();
    await expectIntact();
    expect(server.sent.get(WEIGHTS)).toBe(2 * (await weightBytes()));
  });

  test('with nine cuts and one wrong byte is intact: only the file with the wrong byte is fetched again', async () => {
    const bytes = await weightBytes();
    server.faults.wrongByte = { times: 1, at: 1_000 };
    server.faults.cuts = { times: 9, bytes: Math.floor(bytes / 12), stored };
    await pull();
    await expectIntact();
    expect(server.faults).toMatchObject({ wrongByte: { times: 0 }, cuts: { times: 0 } });
    for (const [name, sent] of server.sent) {
      const { size } = await stat(join(TINY_MODEL_FOLDER, name));
      expect([name, sent]).toEqual([name, name === WEIGHTS ? 2 * bytes : size]);
    }
  });

  test('with wrong bytes each time fails, and leaves nothing that could be served', async () => {
    server.faults.wrongByte = { times: 100, at: 5 };
    await expect(pull()).rejects.toMatchObject({ code: 'wrong_bytes' });
    await expect(findModel(NAME, env)).rejects.toMatchObject({ code: 'missing_file' });
  });

  test('waits when the hub asks for it, and goes on after a connection that stalls', async () => {
    server.faults.tooMany = { times: 2 };
    server.faults.stalls = { times: 1, bytes: 10_000 };
    await pull({ silenceMs: 300 });
    await expectIntact();
    expect(server.sent.get(WEIGHTS)).toBe(await weightBytes());
  });

  test('starts from the beginning at a server without ranges', async () => {
    server.faults.cuts = { times: 1, bytes: 10_000, stored };
    server.faults.ignoresRange = true;
    await pull();
    await expectIntact();
  });

  test('is interrupted safely, and continues in a later run', async () => {
    const stopped = new AbortController();
    server.faults.stalls = { times: 1, bytes: 10_000 };
    const running = pull({ signal: stopped.signal });
    const partial = async () =>
      (await readdir(join(cache, 'models--dinf--tiny', 'blobs')).catch(() => [])).filter((each) =>
        each.endsWith('.incomplete'),
      ).length;
    await expect.poll(partial).toBe(1);
    await expect.poll(() => server.sent.get(WEIGHTS)).toBe(10_000);
    await expect.poll(async () => (await cachedModels(env))[0]?.bytes).toBeGreaterThan(10_000);
    stopped.abort();
    await expect(running).rejects.toThrow();
    await expect(findModel(NAME, env)).rejects.toMatchObject({ code: 'missing_file' });
    expect(await cachedModels(env)).toMatchObject([{ name: NAME, isComplete: false }]);
    await pull();
    await expectIntact();
    expect(server.sent.get(WEIGHTS)).toBe(await weightBytes());
  });

  test('of a model that no engine reads is refused before its weights', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dinf-unfit-'));
    await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: 'mamba' }));
    await writeFile(join(folder, WEIGHTS), Buffer.alloc(1_000));
    await server[Symbol.asyncDispose]();
    server = await FakeHuggingFace.start(NAME, folder);
    env = { ...server.env, HF_HUB_CACHE: cache };
    await expect(pull()).rejects.toMatchObject({
      code: 'unfit',
      message: expect.stringContaining('No engine here runs it'),
    });
    expect(server.sent.has(WEIGHTS)).toBe(false);
    await rm(folder, { recursive: true });
  });

  test('has the folders of the steps of an embedding model', async () => {
    const folder = join(FIXTURES, 'embeddinggemma');
    await server[Symbol.asyncDispose]();
    server = await FakeHuggingFace.start(NAME, folder);
    env = { ...server.env, HF_HUB_CACHE: cache };
    await pull();
    const { path, build } = await findModel(NAME, env);
    const [original, pulled] = [await openEncoder(folder), await openEncoder(path, build)];
    expect(pulled.pooling?.projections).toHaveLength(2);
    expect(pulled.digest).toEqual(original.digest);
    expect(await damagedFiles(NAME, env)).toMatchObject({ checked: 12, damaged: [] });
  });

  test('of an unknown model names it', async () => {
    await expect(new HubApi(env).model('dinf/other', 'main')).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('dinf/other'),
    });
  });
});

describe('a model in the cache', () => {
  test('is listed, is found damaged, and is removed', async () => {
    await pull();
    expect(await cachedModels(env)).toMatchObject([{ name: NAME, isComplete: true }]);
    const { path } = await findModel(NAME, env);
    const content = await readFile(join(path, WEIGHTS));
    content[7] = (content[7] ?? 0) ^ 1;
    await writeFile(join(path, WEIGHTS), content);
    expect(await damagedFiles(NAME, env)).toMatchObject({ damaged: [WEIGHTS] });
    expect(await removeModel(NAME, env)).toBe(true);
    expect(await cachedModels(env)).toEqual([]);
    expect(await removeModel(NAME, env)).toBe(false);
  });
});
