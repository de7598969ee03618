import { access, mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { tryLock } from '#bus-schemas/file-lock.ts';
import { replace } from '#bus-schemas/saved-file.ts';
import { requireSpace } from './disk-space.ts';
import { DownloadError } from './download-error.ts';
import { downloadFile } from './download-file.ts';
import { type Fit, fitOf } from './fit.ts';
import type { HubApi, HubFile, HubModel } from './hub-api.ts';
import { CachedRepository } from './hub-cache.ts';

export interface PullOptions {
  readonly hub: HubApi;
  readonly name: string;
  readonly revision: string;
  /** Downloads a model that this machine cannot run. */
  readonly force: boolean;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Called before anything is downloaded; throws if so many bytes are too much. */
  readonly reserve?: (bytes: number) => Promise<void>;
  /** Called before the weights are downloaded. */
  readonly onFit: (fit: Fit) => void;
  readonly onProgress: (progress: Progress) => void;
  readonly pausesMs?: readonly number[];
  readonly silenceMs?: number;
}

export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

const FILES_AT_ONCE = 4;
const FILE_MODE = 0o644;

/**
 * Downloads a model into the cache of Hugging Face's tools. Files that are there are not fetched
 * again. The model becomes visible only when all its files are complete and right.
 */
export async function pullModel(options: PullOptions): Promise<HubModel> {
  const { hub, name, revision, env } = options;
  const repository = new CachedRepository(name, env);
  const model = await hub.model(name, revision);
  const taken = tryLock(repository.lock);
  if ('holders' in taken)
    throw new DownloadError(
      'busy',
      `Process ${taken.holders.join(', ')} downloads ${name} already.`,
    );
  await using _lock = taken.lock;
  await mkdir(join(repository.path, 'blobs'), { recursive: true });
  const missing = await missingFiles(repository, model.files);
  await options.reserve?.(sum(missing));
  const small = missing.filter(({ name: file }) => !file.endsWith('.safetensors'));
  const download = downloader(options, repository, { missing, files: model.files });
  await download(small);
  options.onFit(await checkFit(repository, model, options.force));
  await requireSpace(repository.path, sum(missing), 'HF_HOME chooses another disk.');
  await download(missing.filter((file) => !small.includes(file)));
  await publish(repository, model, revision);
  return model;
}

/** Whether a model could run here; downloads only its configuration. */
export async function inspectModel(
  hub: HubApi,
  name: string,
  revision: string,
): Promise<{ model: HubModel; fit: Fit }> {
  const model = await hub.model(name, revision);
  const file = model.files.find((each) => each.name === 'config.json');
  if (file === undefined) throw notAModel(name);
  const response = await fetch(file.url, { headers: hub.headers });
  const config = (await response.json()) as Record<string, unknown>;
  return { model, fit: fitOf(config, weightBytes(model)) };
}

function downloader(
  { hub, signal, onProgress, pausesMs, silenceMs }: PullOptions,
  repository: CachedRepository,
  { missing, files }: { missing: readonly HubFile[]; files: readonly HubFile[] },
): (wanted: readonly HubFile[]) => Promise<void> {
  const totalBytes = sum(files);
  let doneBytes = totalBytes - sum(missing);
  const onBytes = (bytes: number): void => {
    doneBytes += bytes;
    onProgress({ doneBytes, totalBytes });
  };
  return async (wanted) => {
    const queue = [...wanted];
    const work = async (): Promise<void> => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        const path = repository.blob(file.digest);
        const already = await stat(`${path}.incomplete`).catch(() => undefined);
        if (already !== undefined) onBytes(already.size);
        await downloadFile({
          file,
          path,
          headers: hub.headers,
          signal,
          onBytes,
          ...(pausesMs && { pausesMs }),
          ...(silenceMs !== undefined && { silenceMs }),
        });
      }
    };
    await Promise.all(Array.from({ length: FILES_AT_ONCE }, work));
  };
}

/** Files whose content is not in the cache. A file in the cache was checked when it arrived. */
async function missingFiles(
  repository: CachedRepository,
  files: readonly HubFile[],
): Promise<HubFile[]> {
  const found = await Promise.all(
    files.map(({ digest }) =>
      access(repository.blob(digest)).then(
        () => true,
        () => false,
      ),
    ),
  );
  // Two names may have the same content.
  const wanted = new Map(
    files.flatMap((file, index) => (found[index] ? [] : [[file.digest, file] as const])),
  );
  return [...wanted.values()];
}

async function checkFit(
  repository: CachedRepository,
  model: HubModel,
  force: boolean,
): Promise<Fit> {
  const config = model.files.find(({ name }) => name === 'config.json');
  if (config === undefined) throw notAModel(model.name);
  const text = await readFile(repository.blob(config.digest), 'utf8');
  const fit = fitOf(JSON.parse(text) as Record<string, unknown>, weightBytes(model));
  if (fit.problem !== undefined && !force)
    throw new DownloadError('unfit', `${model.name}: ${fit.problem} --force downloads it anyway.`);
  return fit;
}

async function publish(
  repository: CachedRepository,
  { commit, files }: HubModel,
  revision: string,
): Promise<void> {
  const snapshot = repository.snapshot(commit);
  for (const { name, digest } of files) {
    const path = join(snapshot, name);
    await mkdir(dirname(path), { recursive: true });
    await symlink(relative(dirname(path), repository.blob(digest)), path).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      },
    );
  }
  // A revision that is a commit has no file of its own.
  if (revision === commit) return;
  await mkdir(dirname(repository.ref(revision)), { recursive: true });
  await replace(repository.ref(revision), commit, FILE_MODE);
}

const notAModel = (name: string): DownloadError =>
  new DownloadError('unfit', `${name} has no config.json, so it is not a model for these engines.`);
const sum = (files: readonly HubFile[]): number =>
  files.reduce((total, { bytes }) => total + bytes, 0);
const weightBytes = ({ files }: HubModel): number =>
  sum(files.filter(({ name }) => name.endsWith('.safetensors')));
