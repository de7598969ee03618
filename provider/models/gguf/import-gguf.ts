import {
  constants,
  type FileHandle,
  mkdir,
  open,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { tryLock } from '#bus-schemas/file-lock.ts';
import { requireSpace } from '../../downloads/disk-space.ts';
import type { JsonObject } from '../json.ts';
import { openModel } from '../model.ts';
import { ModelError } from '../model-error.ts';
import { ModelFolder } from '../model-folder.ts';
import { configOf, factsOf } from './config-of.ts';
import type { ScaleType } from './convert-rows.ts';
import { type GgufTensor, readGgufHeader } from './gguf-header.ts';
import { planTensors, quantizationOf, ROPE_FACTORS } from './planned-tensors.ts';
import { endTokensOf, tokenizerConfigOf, tokenizerOf } from './tokenizer-of.ts';
import { writeSafetensors, writtenBytes } from './write-safetensors.ts';

export interface ImportOptions {
  readonly file: string;
  /** The folder that is made; it must not exist. */
  readonly to: string;
  /** A folder with the tokenizer and the template of the model, instead of those in the file. */
  readonly tokenizerFrom?: string;
  /** Sampling settings for generation_config.json, which a GGUF file does not have. */
  readonly defaults?: Readonly<Record<string, number>>;
  readonly onProgress?: (progress: { doneBytes: number; totalBytes: number }) => void;
}

export interface ImportedModel {
  readonly folder: string;
  /** SHA-256 over the files of the folder, as `weightsDigest` computes it. */
  readonly digest: Uint8Array;
  /** Formats of the file that cannot be taken over exactly, with the number of their tensors. */
  readonly rounded: ReadonlyMap<string, number>;
}

type Files = Readonly<Record<string, string>>;

/** Files of another folder that replace what the GGUF file states about text. */
const TEXT_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'generation_config.json',
];

/**
 * Converts a GGUF file into a folder for MLX. The folder gets its name when it is complete and an
 * engine can open it.
 */
export async function importGguf(options: ImportOptions): Promise<ImportedModel> {
  const to = resolve(options.to);
  if ((await stat(to).catch(() => undefined)) !== undefined)
    throw new ModelError(
      'folder_exists',
      `${to} is there already; delete it, or choose another folder`,
    );
  const taken = tryLock(`${to}.lock`);
  if ('holders' in taken)
    throw new ModelError('folder_exists', `process ${taken.holders.join(', ')} writes ${to}`);
  await using _lock = taken.lock;
  const incomplete = `${to}.incomplete`;
  await rm(incomplete, { recursive: true, force: true });
  await mkdir(incomplete, { recursive: true });
  try {
    const rounded = await convert(options, incomplete);
    const { digest } = await openModel(incomplete);
    await rename(incomplete, to);
    return { folder: to, digest, rounded };
  } finally {
    await rm(incomplete, { recursive: true, force: true });
  }
}

async function convert(
  { file, tokenizerFrom, defaults, onProgress = () => undefined }: ImportOptions,
  folder: string,
): Promise<ReadonlyMap<string, number>> {
  await using source = await openFile(file);
  const header = await readGgufHeader(source, (await source.stat()).size);
  const facts = factsOf(header);
  const config = configOf({
    facts,
    tensors: header.tensors,
    ropeFactors: await ropeFactors(source, header.tensors.get(ROPE_FACTORS)),
  });
  const planned = planTensors(header.tensors.values(), {
    architecture: facts.architecture,
    headDim: config['head_dim'] as number,
  });
  const texts =
    tokenizerFrom === undefined ? textFilesOf(facts.all, config) : await textFilesIn(tokenizerFrom);
  const scaleType: ScaleType = facts.architecture === 'gemma3' ? 'F32' : 'F16';
  const totalBytes = writtenBytes({ planned, scaleType });
  await requireSpace(dirname(folder), totalBytes);
  await writeFiles(folder, {
    ...texts,
    ...(defaults && { 'generation_config.json': json({ do_sample: true, ...defaults }) }),
    'config.json': json({
      ...config,
      eos_token_id: endTokensOf(facts.all),
      quantization: quantizationOf(planned),
    }),
  });
  let doneBytes = 0;
  await writeSafetensors(source, join(folder, 'model.safetensors'), {
    planned,
    scaleType,
    onBytes: (bytes) => {
      doneBytes += bytes;
      onProgress({ doneBytes, totalBytes });
    },
  });
  return roundedFormats(planned.map((plan) => plan.source.type.name));
}

async function openFile(file: string): Promise<FileHandle> {
  // Without O_NONBLOCK, opening a named pipe would block until another process writes to it.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (cause: unknown) => {
      throw new ModelError('missing_file', `${file} cannot be opened`, { cause });
    },
  );
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new ModelError('missing_file', `${file} is not a regular file`);
}

const MAX_ROPE_FACTORS = 512;

async function ropeFactors(
  source: FileHandle,
  tensor: GgufTensor | undefined,
): Promise<Float32Array | undefined> {
  if (tensor === undefined) return undefined;
  if (tensor.type.layout !== 'F32' || tensor.bytes > MAX_ROPE_FACTORS * 4)
    throw new ModelError('malformed_gguf', `${tensor.name} is not a short list of F32 numbers`);
  const factors = new Float32Array(tensor.bytes / 4);
  await source.read(factors, 0, tensor.bytes, tensor.offset);
  return factors;
}

type Facts = Parameters<typeof tokenizerOf>[0];

const textFilesOf = (facts: Facts, config: JsonObject): Files => ({
  'tokenizer.json': json(tokenizerOf(facts)),
  'tokenizer_config.json': json(
    tokenizerConfigOf(facts, config['max_position_embeddings'] as number),
  ),
});

async function textFilesIn(path: string): Promise<Files> {
  const folder = await ModelFolder.open(path);
  const texts: Record<string, string> = {};
  for (const name of TEXT_FILES) {
    const text = await folder.textIfAny(name);
    if (text !== undefined) texts[name] = text;
  }
  return texts;
}

async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}

function roundedFormats(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) if (name.endsWith('_K')) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

const json = (value: JsonObject): string => `${JSON.stringify(value, undefined, 1)}\n`;
