import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import type { ModelFolder } from '../model-folder.ts';
import { readTensors, type Tensor } from '../safetensors.ts';
import type { EncoderCommon } from './encoder-model.ts';
import { type EncoderShape, readEncoderShape } from './encoder-shape.ts';
import { type EncoderWeights, findEncoderWeights, listWeights } from './encoder-weights.ts';
import { readPooling } from './pooling.ts';
import { readModules } from './sentence-modules.ts';
import { openWordTokenizer } from './word-tokenizer.ts';

/** BERT, whose weights have 32 bits in memory. */
export interface BertModel extends EncoderCommon {
  readonly kind: 'bert';
  readonly shape: EncoderShape;
  readonly weights: EncoderWeights;
}

export async function openBert(
  folder: ModelFolder,
  config: JsonObject,
): Promise<Omit<BertModel, 'build' | 'digest'>> {
  const { task, ...shape } = readEncoderShape(config);
  const weights = findEncoderWeights({ ...shape, task }, await readTensors(folder), config);
  const tokenizer = openWordTokenizer(
    await folder.json('tokenizer.json'),
    (await folder.jsonIfAny('tokenizer_config.json')) ?? {},
    shape.vocabulary,
  );
  const limits = new FieldReader(
    (await folder.jsonIfAny('sentence_bert_config.json')) ?? {},
    'sentence_bert_config.json',
  );
  const trained = limits.integer('max_seq_length', { min: 4, or: shape.positions });
  const pooling =
    task === 'embeddings'
      ? await readPooling(folder, {
          hidden: shape.hidden,
          modules: await readModules(folder),
          allowed: ['first', 'mean'],
        })
      : undefined;
  return {
    kind: 'bert',
    task,
    shape,
    weights,
    weightBytes: bytesIn32Bits(listWeights(weights)),
    contextTokens: Math.min(trained, shape.positions),
    dimensions: pooling?.projections.at(-1)?.matrix.out ?? shape.hidden,
    tokenizer,
    pooling,
  };
}

const bytesIn32Bits = (tensors: readonly Tensor[]): number =>
  tensors.reduce(
    (sum, { shape }) =>
      sum + Float32Array.BYTES_PER_ELEMENT * shape.reduce((size, side) => size * side, 1),
    0,
  );
