import { softmax } from '../decoders/reference-parts.ts';

/** A matrix with its bias, or the weight and bias of a normalisation, as 32-bit numbers. */
export interface ReadAffine {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

export function multiplyAffine({ weight, bias }: ReadAffine, input: Float32Array): Float32Array {
  return bias.map((start, row) => {
    let sum = start;
    const from = row * input.length;
    for (let i = 0; i < input.length; i += 1)
      sum += (weight[from + i] as number) * (input[i] as number);
    return sum;
  });
}

/** Layer normalisation. */
export function normaliseAffine(
  input: Float32Array,
  { weight, bias }: ReadAffine,
  eps: number,
): Float32Array {
  const mean = input.reduce((sum, value) => sum + value, 0) / input.length;
  const variance = input.reduce((sum, value) => sum + (value - mean) ** 2, 0) / input.length;
  const factor = 1 / Math.sqrt(variance + eps);
  return input.map(
    (value, i) => (value - mean) * factor * (weight[i] as number) + (bias[i] as number),
  );
}

/** Attention of every vector to all of them. */
export function attention(
  [queries, keys, values]: readonly [Float32Array[], Float32Array[], Float32Array[]],
  heads: number,
): Float32Array[] {
  return queries.map((query) => {
    const out = new Float32Array(query.length);
    const size = query.length / heads;
    for (let from = 0; from < query.length; from += size) {
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

export const added = (one: Float32Array, other: Float32Array): Float32Array =>
  one.map((value, i) => value + (other[i] as number));

export const gelu = (x: number): number => 0.5 * x * (1 + errorFunction(x / Math.SQRT2));

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
