import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hex, isSame, modelEntry } from '#bus-schemas';
import { FakeHuggingFace } from '#testcontainers';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { cachedModels } from '../downloads/cached-models.ts';
import { HubApi } from '../downloads/hub-api.ts';
import { ModelFolder } from '../models/model-folder.ts';
import { weightsDigest } from '../models/weights-digest.ts';
import { DesiredJournal, MAX_TAKEN } from './desired-journal.ts';
import { fetchBuild, type WantedBuild } from './fetch-build.ts';

const REPOSITORY = 'org/tiny-4bit';
const DAY_MS = 86_400_000;

let folder: string;
let server: FakeHuggingFace;
let env: NodeJS.ProcessEnv;
let digest: Uint8Array;
let wanted: WantedBuild;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-desired-'));
  server = await FakeHuggingFace.start(REPOSITORY, TINY_MODEL_FOLDER);
  env = { ...server.env, HF_HUB_CACHE: join(folder, 'cache') };
  digest = await weightsDigest(await ModelFolder.open(TINY_MODEL_FOLDER));
  wanted = {
    model: 'tiny',
    build: 'tiny-4bit',
    repository: REPOSITORY,
    weights: hex(digest),
    reason: 'demand',
  };
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Fetches with a log that has one entry: the build with this digest. */
const fetch = (logged: Uint8Array, reserve: (bytes: number) => Promise<void> = async () => {}) =>
  fetchBuild({
    wanted,
    hub: new HubApi(env),
    isLogged: async (entry) =>
      isSame(
        entry,
        modelEntry({ name: 'tiny', build: 'tiny-4bit', weights: logged, active: true }),
      ),
    reserve,
    onProgress: () => {},
    signal: new AbortController().signal,
    env,
  });
const onDisk = async () => (await cachedModels(env)).map(({ name }) => name);

describe('a build that the network wants', () => {
  test('is downloaded if the log of the network has its digest', async () => {
    await fetch(digest);
    expect(await onDisk()).toEqual([REPOSITORY]);
  });

  test('is not downloaded if the log of the network does not have its digest', async () => {
    await expect(fetch(new Uint8Array(32))).rejects.toThrow(
      /The log of the network has no entry for tiny-4bit with the digest [0-9a-f]{64}/,
    );
    expect(server.sent.size).toBe(0);
  });

  test('is deleted if its files have another digest than the one in the log', async () => {
    const other = new Uint8Array(32).fill(1);
    wanted = { ...wanted, weights: hex(other) };
    await expect(fetch(other)).rejects.toThrow(/are not those that the network names/);
    expect(await onDisk()).toEqual([]);
  });

  test('with other files than those of the owner is refused, and the files of the owner stay', async () => {
    await fetch(digest);
    const other = new Uint8Array(32).fill(1);
    wanted = { ...wanted, weights: hex(other) };
    await expect(fetch(other)).rejects.toThrow(/so they are not served\.$/);
    expect(await onDisk()).toEqual([REPOSITORY]);
  });

  test('is not downloaded if the day does not allow so many bytes', async () => {
    const journal = new DesiredJournal({ home: folder, now: () => DAY_MS });
    await expect(fetch(digest, (bytes) => journal.reserve(bytes, 0))).rejects.toThrow(
      /It needs a download of \d+ MB, and 0 MB of the 0 GB that you allow for a day were used/,
    );
    expect(server.sent.size).toBe(0);
  });
});

describe('what the network caused a machine to download', () => {
  test('is limited for each day, over restarts', async () => {
    let now = 100 * DAY_MS;
    const journal = () => new DesiredJournal({ home: folder, now: () => now });
    await journal().reserve(30e9, 50);
    await expect(journal().reserve(30e9, 50)).rejects.toThrow(
      /30\.0 GB of the 50 GB that you allow/,
    );
    await journal().reserve(20e9, 50);
    now += DAY_MS;
    await journal().reserve(50e9, 50);
  });

  test('is limited in number, and models that the owner no longer serves do not count', async () => {
    const journal = new DesiredJournal({ home: folder, now: () => 0 });
    const served: string[] = [];
    for (let i = 0; i < MAX_TAKEN; i += 1) {
      await journal.requireRoom(served);
      served.push(`org/ant-${i}`);
      await journal.took(`org/ant-${i}`, served);
    }
    await expect(journal.requireRoom(served)).rejects.toThrow(
      /This machine serves 8 builds already/,
    );
    await journal.requireRoom(served.slice(1));
  });

  test('begins anew with a file that cannot be read', async () => {
    await writeFile(join(folder, 'desired.json'), '{"bytes":');
    await new DesiredJournal({ home: folder, now: () => 0 }).reserve(1, 1);
  });
});
