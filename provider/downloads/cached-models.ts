import { readdir, readFile, realpath, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { addFile, digestFor } from './file-digest.ts';
import { CachedRepository, hubCache, isRepository } from './hub-cache.ts';

/** The models that are in the cache, complete or not. */
export interface CachedModel {
  readonly name: string;
  readonly bytes: number;
  readonly commit: string | undefined;
  /** False while a download is not complete. */
  readonly isComplete: boolean;
}

const DIGEST = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

export async function cachedModels(env: NodeJS.ProcessEnv = process.env): Promise<CachedModel[]> {
  const folders = await readdir(hubCache(env)).catch(() => []);
  const names = folders
    .filter((folder) => folder.startsWith('models--'))
    .map((folder) => folder.slice('models--'.length).replace('--', '/'))
    .filter(isRepository);
  return Promise.all(names.sort().map((name) => cachedModel(new CachedRepository(name, env))));
}

async function cachedModel(repository: CachedRepository): Promise<CachedModel> {
  const blobs = await readdir(join(repository.path, 'blobs')).catch(() => []);
  const sizes = await Promise.all(
    blobs.map((blob) => stat(repository.blob(blob)).then(({ size }) => size)),
  );
  const commit = (await readFile(repository.ref('main'), 'utf8').catch(() => undefined))?.trim();
  return {
    name: repository.name,
    bytes: sizes.reduce((total, size) => total + size, 0),
    commit,
    isComplete: commit !== undefined && !blobs.some((blob) => blob.endsWith('.incomplete')),
  };
}

/** Deletes a model. Returns false if it is not in the cache. */
export async function removeModel(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<boolean> {
  const { path } = new CachedRepository(name, env);
  const there = await stat(path).catch(() => undefined);
  await rm(path, { recursive: true, force: true });
  return there !== undefined;
}

/** Reads all files of a model, and returns the names of those whose digest is wrong. */
export async function damagedFiles(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ readonly checked: number; readonly damaged: readonly string[] }> {
  const repository = new CachedRepository(name, env);
  const commit = (await readFile(repository.ref('main'), 'utf8')).trim();
  const snapshot = repository.snapshot(commit);
  const damaged: string[] = [];
  let checked = 0;
  for (const file of await readdir(snapshot, { recursive: true })) {
    const path = await realpath(join(snapshot, file));
    const digest = basename(path);
    if (!DIGEST.test(digest)) continue;
    const { size } = await stat(path);
    checked += 1;
    const hash = await addFile(digestFor({ digest, bytes: size }), path);
    if (hash.digest('hex') !== digest) damaged.push(file);
  }
  return { checked, damaged };
}
