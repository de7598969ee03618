import { TensorReader } from '../../models/tensor-reader.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import type { VisionShape } from '../../models/vision/vision-shape.ts';
import type { Affine, VisionLayer } from '../../models/vision/vision-weights.ts';
import { normaliseVector, softmax } from '../decoders/reference-parts.ts';
import { numbersOfPatch, patchNumbers, type VisionTower } from './vision-tower.ts';

/**
 * SigLIP and the projector of Gemma 3 in plain TypeScript, in the order of the published formulas. It
 * is slow, runs on any machine, and the tests compare the tower in C++ with it.
 */
export async function loadReferenceTower(model: VisionModel): Promise<VisionTower> {
  const weights = await readWeights(model);
  return {
    name: 'reference',
    embed: async (pixels) => embeddings(model, weights, patchNumbers(pixels, model)),
    [Symbol.asyncDispose]: async () => {},
  };
}

interface ReadAffine {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

type Weights = Awaited<ReturnType<typeof readWeights>>;
type Layer = Weights['layers'][number];

async function readWeights({ weights }: VisionModel) {
  await using reader = new TensorReader();
  const affine = async ({ weight, bias }: Affine): Promise<ReadAffine> => ({
    weight: await reader.numbers(weight),
    bias: await reader.numbers(bias),
  });
  const layer = async ({ attentionNorm, q, k, v, o, mlpNorm, up, down }: VisionLayer) => ({
    attentionNorm: await affine(attentionNorm),
    q: await affine(q),
    k: await affine(k),
    v: await affine(v),
    o: await affine(o),
    mlpNorm: await affine(mlpNorm),
    up: await affine(up),
    down: await affine(down),
  });
  const layers = [];
  for (const each of weights.layers) layers.push(await layer(each));
  return {
    patches: await affine(weights.patches),
    positions: await reader.numbers(weights.positions),
    layers,
    norm: await affine(weights.norm),
    tokenNorm: await reader.numbers(weights.tokenNorm),
    projection: await reader.numbers(weights.projection),
  };
}

function embeddings(
  { shape }: VisionModel,
  weights: Weights,
  numbers: Float32Array,
): Float32Array<ArrayBuffer> {
  const { hidden, normEps } = shape;
  const size = numbersOfPatch(shape);
  let states = Array.from({ length: numbers.length / size }, (_, patch) => {
    const place = weights.positions.subarray(patch * hidden, (patch + 1) * hidden);
    const made = multiply(weights.patches, numbers.subarray(patch * size, (patch + 1) * size));
    return added(made, place);
  });
  for (const layer of weights.layers) {
    const attended = attention(states, layer, shape);
    states = states.map((state, i) => {
      const settled = added(state, multiply(layer.o, attended[i] as Float32Array));
      const inner = multiply(layer.up, normalise(settled, layer.mlpNorm, normEps)).map(gelu);
      return added(settled, multiply(layer.down, inner));
    });
  }
  const finished = states.map((state) => normalise(state, weights.norm, normEps));
  const tokens = averages(finished, shape).map((token) => project(token, weights, shape));
  const all = new Float32Array(tokens.length * shape.out);
  for (const [index, token] of tokens.entries()) all.set(token, index * shape.out);
  return all;
}

function attention(
  states: readonly Float32Array[],
  { attentionNorm, q, k, v }: Layer,
  { hidden, heads, normEps }: VisionShape,
): Float32Array[] {
  const inputs = states.map((state) => normalise(state, attentionNorm, normEps));
  const [queries, keys, values] = [q, k, v].map((matrix) =>
    inputs.map((input) => multiply(matrix, input)),
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

/** The average of each square of patches. */
function averages(
  states: readonly Float32Array[],
  { side, patch, pooled, hidden }: VisionShape,
): Float32Array[] {
  const across = side / patch;
  const tokensAcross = across / pooled;
  return Array.from({ length: tokensAcross ** 2 }, (_, token) => {
    const sum = new Float32Array(hidden);
    const top = Math.floor(token / tokensAcross) * pooled;
    const left = (token % tokensAcross) * pooled;
    for (let y = top; y < top + pooled; y += 1)
      for (let x = left; x < left + pooled; x += 1)
        for (const [i, value] of (states[y * across + x] as Float32Array).entries())
          sum[i] = (sum[i] as number) + value;
    return sum.map((value) => value / pooled ** 2);
  });
}

function project(
  token: Float32Array,
  { tokenNorm, projection }: Weights,
  { out, normEps }: VisionShape,
): Float32Array {
  const weight = tokenNorm.map((value) => 1 + value);
  const made = new Float32Array(out);
  for (const [row, value] of normaliseVector(token, { weight, eps: normEps }).entries())
    for (let i = 0; i < out; i += 1)
      made[i] = (made[i] as number) + value * (projection[row * out + i] as number);
  return made;
}

function multiply({ weight, bias }: ReadAffine, input: Float32Array): Float32Array {
  return bias.map((start, row) => {
    let sum = start;
    const from = row * input.length;
    for (let i = 0; i < input.length; i += 1)
      sum += (weight[from + i] as number) * (input[i] as number);
    return sum;
  });
}

function normalise(input: Float32Array, { weight, bias }: ReadAffine, eps: number): Float32Array {
  const mean = input.reduce((sum, value) => sum + value, 0) / input.length;
  const variance = input.reduce((sum, value) => sum + (value - mean) ** 2, 0) / input.length;
  const factor = 1 / Math.sqrt(variance + eps);
  return input.map(
    (value, i) => (value - mean) * factor * (weight[i] as number) + (bias[i] as number),
  );
}

const added = (one: Float32Array, other: Float32Array): Float32Array =>
  one.map((value, i) => value + (other[i] as number));

const gelu = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
