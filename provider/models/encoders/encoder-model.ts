import { basename } from 'node:path';
import type { Encoding } from '#bus-schemas';
import { ModelFolder } from '../model-folder.ts';
import { weightsDigest } from '../weights-digest.ts';
import { type BertModel, openBert } from './bert-model.ts';
import { isBert } from './encoder-shape.ts';
import type { EncoderTokenizer } from './encoder-tokenizer.ts';
import type { Pooling } from './pooling.ts';
import { openReadingDecoder, type ReadingDecoder } from './reading-decoder.ts';

/** What all models for embeddings and reranking have. */
export interface EncoderCommon {
  readonly build: string;
  /** SHA-256 over the model's files, as `weightsDigest` computes it. */
  readonly digest: Uint8Array;
  readonly task: Encoding;
  /** Bytes of the weights in memory. */
  readonly weightBytes: number;
  /** Most tokens of a text, with its marks. */
  readonly contextTokens: number;
  /** Size of the vectors of texts. */
  readonly dimensions: number;
  readonly tokenizer: EncoderTokenizer;
  /** Undefined for a reranker, which has a score instead of a vector. */
  readonly pooling: Pooling | undefined;
}

/** A model for embeddings or reranking whose folder has been read and checked. */
export type EncoderModel = BertModel | ReadingDecoder;

interface EncoderOptions {
  /** The owner says that a folder without `modules.json` is a reranker of the kind of Qwen3-Reranker. */
  readonly isReranker?: boolean;
}

/** Throws ModelError if the folder holds no such model, or one that cannot be served correctly. */
export async function openEncoder(
  path: string | ModelFolder,
  name?: string,
  { isReranker = false }: EncoderOptions = {},
): Promise<EncoderModel> {
  const folder = await ModelFolder.open(path);
  const build = name ?? basename(typeof path === 'string' ? path : path.path);
  const config = await folder.json('config.json');
  const model = isBert(config)
    ? await openBert(folder, config)
    : await openReadingDecoder(folder, config, isReranker);
  return { ...model, build, digest: await weightsDigest(folder) };
}
