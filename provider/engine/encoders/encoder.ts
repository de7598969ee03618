import type { BertModel } from '../../models/encoders/bert-model.ts';
import type { EncoderInput } from '../../models/encoders/encoder-tokenizer.ts';
import { listWeights } from '../../models/encoders/encoder-weights.ts';
import { ModelError } from '../../models/model-error.ts';
import { TensorReader } from '../../models/tensor-reader.ts';

/** Most tokens of all inputs of one pass, unless one input alone is longer. */
export const PASS_TOKENS = 512;

/** An encoder in memory. It runs one pass at a time; further ones wait. */
export interface Encoder extends AsyncDisposable {
  /** Name of the implementation, for the log. */
  readonly name: string;
  /** Whether a pass returns a vector for each token, or only that of a text's last token. */
  readonly vectorsPer: 'token' | 'text';
  /** The vectors of the last layer, one input after the other. */
  pass(inputs: readonly EncoderInput[]): Promise<Float32Array>;
}

/** Reads all weights of BERT as 32-bit numbers, in the order of `listWeights`. */
export async function readWeights(model: BertModel): Promise<Float32Array<ArrayBuffer>> {
  const all = new Float32Array(model.weightBytes / Float32Array.BYTES_PER_ELEMENT);
  await using reader = new TensorReader();
  let at = 0;
  for (const tensor of listWeights(model.weights)) {
    const numbers = await reader.numbers(tensor);
    if (!numbers.every(Number.isFinite)) throw new ModelError('not_finite', tensor.name);
    all.set(numbers, at);
    at += numbers.length;
  }
  return all;
}

/** The tokens of all inputs in one list, with their kinds and the lengths of the inputs. */
export function textsOf(inputs: readonly EncoderInput[]) {
  const size = inputs.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const tokens = new Int32Array(size);
  const kinds = new Int32Array(size);
  let at = 0;
  for (const input of inputs) {
    tokens.set(input.tokens, at);
    kinds.fill(1, at + input.first, at + input.tokens.length);
    at += input.tokens.length;
  }
  return { tokens, kinds, lengths: Int32Array.from(inputs, (input) => input.tokens.length) };
}
