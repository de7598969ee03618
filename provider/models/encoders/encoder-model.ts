import { basename } from 'node:path';
import type { Encoding } from '#bus-schemas';
import { FieldReader } from '../field-reader.ts';
import { ModelFolder } from '../model-folder.ts';
import { readTensors, type Tensor } from '../safetensors.ts';
import { weightsDigest } from '../weights-digest.ts';
import { type EncoderShape, readEncoderShape } from './encoder-shape.ts';
import { type EncoderWeights, findEncoderWeights, listWeights } from './encoder-weights.ts';
import { type Pooling, readPooling } from './pooling.ts';
import { WordTokenizer } from './word-tokenizer.ts';

/** An encoder whose folder has been read and checked. */
export interface EncoderModel {
  readonly build: string;
  /** SHA-256 over the model's files, as `weightsDigest` computes it. */
  readonly digest: Uint8Array;
  readonly task: Encoding;
  readonly shape: EncoderShape;
  readonly weights: EncoderWeights;
  /** Bytes of the weights in memory, where each number has 32 bits. */
  readonly weightBytes: number;
  /** Most tokens of a text, with its marks. */
  readonly contextTokens: number;
  readonly tokenizer: WordTokenizer;
  /** Undefined for a reranker, which has a score instead of a vector. */
  readonly pooling: Pooling | undefined;
}

/** Throws ModelError if the folder holds no encoder, or one that cannot be served correctly. */
export async function openEncoder(path: string, build = basename(path)): Promise<EncoderModel> {
  const folder = await ModelFolder.open(path);
  const config = await folder.json('config.json');
  const { task, ...shape } = readEncoderShape(config);
  const weights = findEncoderWeights({ ...shape, task }, await readTensors(folder), config);
  const tokenizer = WordTokenizer.read(
    await folder.json('tokenizer.json'),
    (await folder.jsonIfAny('tokenizer_config.json')) ?? {},
    shape.vocabulary,
  );
  const limits = new FieldReader(
    (await folder.jsonIfAny('sentence_bert_config.json')) ?? {},
    'sentence_bert_config.json',
  );
  const trained = limits.integer('max_seq_length', { min: 4, or: shape.positions });
  return {
    build,
    digest: await weightsDigest(folder),
    task,
    shape,
    weights,
    weightBytes: bytesIn32Bits(listWeights(weights)),
    contextTokens: Math.min(trained, shape.positions),
    tokenizer,
    pooling: task === 'embeddings' ? await readPooling(folder) : undefined,
  };
}

const bytesIn32Bits = (tensors: readonly Tensor[]): number =>
  tensors.reduce(
    (sum, { shape }) =>
      sum + Float32Array.BYTES_PER_ELEMENT * shape.reduce((size, side) => size * side, 1),
    0,
  );
