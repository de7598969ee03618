import type { BertModel } from '../../models/encoders/bert-model.ts';
import type { EncoderInput } from '../../models/encoders/encoder-tokenizer.ts';
import { type Encoder, readWeights } from './encoder.ts';

/**
 * BERT in plain TypeScript, in the order of the published formulas. It is slow, runs on any machine,
 * and the tests compare the encoder in C++ with it.
 */
export async function loadReferenceEncoder(model: BertModel): Promise<Encoder> {
  const layersOf = partsOf(model, await readWeights(model));
  return {
    name: 'reference',
    vectorsPer: 'token',
    pass: async (inputs) => {
      const out = inputs.map((input) => encode(model, layersOf, input));
      return joinedRows(out.flat(), model.shape.hidden);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A matrix with `out` rows and its bias. */
interface Affine {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

type Parts = ReturnType<typeof partsOf>;

/** Divides the numbers into the weights, in the order of `listWeights`. */
function partsOf({ shape }: BertModel, numbers: Float32Array) {
  const { vocabulary, hidden, inner, positions, kinds } = shape;
  let at = 0;
  const next = (size: number): Float32Array => {
    at += size;
    return numbers.subarray(at - size, at);
  };
  const affine = (out: number, width = 1): Affine => ({
    weight: next(out * width),
    bias: next(out),
  });
  return {
    words: next(vocabulary * hidden),
    positions: next(positions * hidden),
    kinds: next(kinds * hidden),
    norm: affine(hidden),
    layers: Array.from({ length: shape.layers }, () => ({
      q: affine(hidden, hidden),
      k: affine(hidden, hidden),
      v: affine(hidden, hidden),
      o: affine(hidden, hidden),
      attentionNorm: affine(hidden),
      up: affine(inner, hidden),
      down: affine(hidden, inner),
      outputNorm: affine(hidden),
    })),
  };
}

function encode({ shape }: BertModel, parts: Parts, { tokens, first }: EncoderInput) {
  const { hidden, normEps } = shape;
  const row = (table: Float32Array, index: number) =>
    table.subarray(index * hidden, (index + 1) * hidden);
  let states = Array.from(tokens, (token, position) => {
    const word = row(parts.words, token);
    const place = row(parts.positions, position);
    const kind = row(parts.kinds, position < first ? 0 : 1);
    const sum = word.map((value, i) => value + (place[i] as number) + (kind[i] as number));
    return normalise(sum, parts.norm, normEps);
  });
  for (const layer of parts.layers) {
    const attended = attention(states, layer, shape);
    const settled = states.map((state, i) =>
      normalise(
        added(state, multiply(layer.o, attended[i] as Float32Array)),
        layer.attentionNorm,
        normEps,
      ),
    );
    states = settled.map((state) => {
      const inner = multiply(layer.up, state).map(gelu);
      return normalise(added(state, multiply(layer.down, inner)), layer.outputNorm, normEps);
    });
  }
  return states;
}

function attention(
  states: readonly Float32Array[],
  { q, k, v }: Parts['layers'][number],
  { hidden, heads }: BertModel['shape'],
): Float32Array[] {
  const [queries, keys, values] = [q, k, v].map((matrix) =>
    states.map((state) => multiply(matrix, state)),
  ) as [Float32Array[], Float32Array[], Float32Array[]];
  const size = hidden / heads;
  return queries.map((query) => {
    const out = new Float32Array(hidden);
    for (let from = 0; from < hidden; from += size) {
      const scores = keys.map((key) => {
        let sum = 0;
        for (let i = from; i < from + size; i += 1)
          sum += (query[i] as number) * (key[i] as number);
        return sum / Math.sqrt(size);
      });
      for (const [n, share] of softmax(scores).entries()) {
        const value = values[n] as Float32Array;
        for (let i = from; i < from + size; i += 1)
          out[i] = (out[i] as number) + share * (value[i] as number);
      }
    }
    return out;
  });
}

function multiply({ weight, bias }: Affine, input: Float32Array): Float32Array {
  return bias.map((start, row) => {
    let sum = start;
    const from = row * input.length;
    for (let i = 0; i < input.length; i += 1)
      sum += (weight[from + i] as number) * (input[i] as number);
    return sum;
  });
}

function normalise(input: Float32Array, { weight, bias }: Affine, eps: number): Float32Array {
  const mean = input.reduce((sum, value) => sum + value, 0) / input.length;
  const variance = input.reduce((sum, value) => sum + (value - mean) ** 2, 0) / input.length;
  const factor = 1 / Math.sqrt(variance + eps);
  return input.map(
    (value, i) => (value - mean) * factor * (weight[i] as number) + (bias[i] as number),
  );
}

function softmax(scores: readonly number[]): number[] {
  const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const parts = scores.map((score) => Math.exp(score - most));
  const total = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / total);
}

const added = (one: Float32Array, other: Float32Array): Float32Array =>
  one.map((value, i) => value + (other[i] as number));

const gelu = (x: number): number => 0.5 * x * (1 + errorFunction(x / Math.SQRT2));

/** The error function with an absolute error of at most 1.2e-7 (Numerical Recipes, `erfc`). */
function errorFunction(x: number): number {
  const t = 1 / (1 + 0.5 * Math.abs(x));
  const series = COEFFICIENTS.reduceRight((sum, coefficient) => sum * t + coefficient, 0);
  const rest = t * Math.exp(-x * x + series);
  return x >= 0 ? 1 - rest : rest - 1;
}

const COEFFICIENTS = [
  -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
  -0.82215223, 0.17087277,
];

function joinedRows(rows: readonly Float32Array[], width: number): Float32Array {
  const all = new Float32Array(rows.length * width);
  for (const [index, row] of rows.entries()) all.set(row, index * width);
  return all;
}
