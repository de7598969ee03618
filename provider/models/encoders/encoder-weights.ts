import type { Encoding } from '#bus-schemas';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { Tensor, Tensors } from '../safetensors.ts';
import { WeightFinder } from '../weight-finder.ts';
import type { EncoderShape } from './encoder-shape.ts';

/** A matrix with its bias, or the weight and bias of a normalisation. */
interface Affine {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

interface EncoderLayer {
  readonly q: Affine;
  readonly k: Affine;
  readonly v: Affine;
  readonly o: Affine;
  readonly attentionNorm: Affine;
  readonly up: Affine;
  readonly down: Affine;
  readonly outputNorm: Affine;
}

export interface EncoderWeights {
  readonly words: Tensor;
  readonly positions: Tensor;
  readonly kinds: Tensor;
  readonly norm: Affine;
  readonly layers: readonly EncoderLayer[];
  /** Of a reranker: from the first token to the score. */
  readonly head: { readonly pooler: Affine; readonly classifier: Affine } | undefined;
}

/** Finds every weight that the shape requires, and checks its size. */
export function findEncoderWeights(
  shape: EncoderShape & { task: Encoding },
  tensors: Tensors,
  config: JsonObject,
): EncoderWeights {
  const { hidden, inner } = shape;
  const prefix = tensors.has('embeddings.word_embeddings.weight') ? '' : 'bert.';
  const find = new WeightFinder(tensors, config, prefix);
  const affine = (path: string, out: number, width?: number): Affine => ({
    weight: find.tensor(`${path}.weight`, width === undefined ? [out] : [out, width]),
    bias: find.tensor(`${path}.bias`, [out]),
  });
  const layer = (index: number): EncoderLayer => {
    const at = `encoder.layer.${index}`;
    return {
      q: affine(`${at}.attention.self.query`, hidden, hidden),
      k: affine(`${at}.attention.self.key`, hidden, hidden),
      v: affine(`${at}.attention.self.value`, hidden, hidden),
      o: affine(`${at}.attention.output.dense`, hidden, hidden),
      attentionNorm: affine(`${at}.attention.output.LayerNorm`, hidden),
      up: affine(`${at}.intermediate.dense`, inner, hidden),
      down: affine(`${at}.output.dense`, hidden, inner),
      outputNorm: affine(`${at}.output.LayerNorm`, hidden),
    };
  };
  return {
    words: find.tensor('embeddings.word_embeddings.weight', [shape.vocabulary, hidden]),
    positions: find.tensor('embeddings.position_embeddings.weight', [shape.positions, hidden]),
    kinds: find.tensor('embeddings.token_type_embeddings.weight', [shape.kinds, hidden]),
    norm: affine('embeddings.LayerNorm', hidden),
    layers: Array.from({ length: shape.layers }, (_, index) => layer(index)),
    head: shape.task === 'rerank' ? headOf(shape, tensors, config) : undefined,
  };
}

function headOf({ hidden }: EncoderShape, tensors: Tensors, config: JsonObject) {
  const find = new WeightFinder(tensors, config, '');
  const classes = tensors.get('classifier.weight')?.shape[0];
  if (classes !== 1)
    throw new ModelError(
      'unsupported_architecture',
      `the model has ${classes ?? 'no'} classes; a reranker has one score`,
    );
  return {
    pooler: {
      weight: find.tensor('bert.pooler.dense.weight', [hidden, hidden]),
      bias: find.tensor('bert.pooler.dense.bias', [hidden]),
    },
    classifier: {
      weight: find.tensor('classifier.weight', [1, hidden]),
      bias: find.tensor('classifier.bias', [1]),
    },
  };
}

/** Every weight of the model, in the order in which the addon takes them. */
export const listWeights = ({
  words,
  positions,
  kinds,
  norm,
  layers,
}: EncoderWeights): Tensor[] => [
  words,
  positions,
  kinds,
  norm.weight,
  norm.bias,
  ...layers.flatMap(({ q, k, v, o, attentionNorm, up, down, outputNorm }) =>
    [q, k, v, o, attentionNorm, up, down, outputNorm].flatMap(({ weight, bias }) => [weight, bias]),
  ),
];
