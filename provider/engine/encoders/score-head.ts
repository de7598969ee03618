import type { EncoderModel } from '../../models/encoders/encoder-model.ts';
import type { TensorReader } from '../../models/tensor-reader.ts';
import { readDense } from '../decoders/reference-weights.ts';

interface Affine {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/**
 * The last matrices of a reranker, from the vector of one token to one number. Those of BERT are two;
 * a decoder has a row for a relevant document and one for an irrelevant one.
 */
export type Head =
  | { readonly k: 'classifier'; readonly pooler: Affine; readonly classifier: Affine }
  | { readonly k: 'tokens'; readonly rows: Float32Array };

export async function readHead(
  model: EncoderModel,
  reader: TensorReader,
): Promise<Head | undefined> {
  if (model.kind === 'decoder') {
    const { scoreRows } = model;
    return scoreRows && { k: 'tokens', rows: (await readDense(reader, scoreRows)).values };
  }
  const { head } = model.weights;
  if (head === undefined) return undefined;
  const { pooler, classifier } = head;
  return {
    k: 'classifier',
    pooler: {
      weight: await reader.numbers(pooler.weight),
      bias: await reader.numbers(pooler.bias),
    },
    classifier: {
      weight: await reader.numbers(classifier.weight),
      bias: await reader.numbers(classifier.bias),
    },
  };
}

/** The sigmoid of the score that the head computes from a state. */
export function scoreOf(head: Head, state: Float32Array): number {
  return 1 / (1 + Math.exp(-logitOf(head, state)));
}

function logitOf(head: Head, state: Float32Array): number {
  if (head.k === 'tokens') {
    const { length } = state;
    return dot(head.rows.subarray(0, length), state) - dot(head.rows.subarray(length), state);
  }
  const { pooler, classifier } = head;
  const pooled = pooler.bias.map((bias, row) =>
    Math.tanh(bias + dot(pooler.weight.subarray(row * state.length), state)),
  );
  return (classifier.bias[0] as number) + dot(classifier.weight, pooled);
}

const dot = (weight: Float32Array, input: Float32Array): number =>
  input.reduce((sum, value, i) => sum + value * (weight[i] as number), 0);
