import type { DecoderShape, Experts } from '../../models/decoder-shape.ts';
import type { PerLayerWeights } from '../../models/decoder-weights.ts';
import { sigmoid } from './reference-delta.ts';
import type { Dense, Layer, ReadExpertsBeside, ReadMlp, ReadParts } from './reference-weights.ts';

export function eachHead(
  heads: Float32Array,
  headDim: number,
  change: (head: Float32Array) => void,
): Float32Array {
  for (let from = 0; from < heads.length; from += headDim)
    change(heads.subarray(from, from + headDim));
  return heads;
}

/** Multiplies with the matrix at index `expert` of those stacked in `matrix`. */
export function multiplyMatrix(matrix: Dense, input: Float32Array, expert = 0): Float32Array {
  const { out, in: width, values, bias } = matrix;
  const result = new Float32Array(out);
  for (let row = 0; row < out; row += 1) {
    const from = (expert * out + row) * width;
    let sum = 0;
    for (let i = 0; i < width; i += 1) sum += (values[from + i] as number) * (input[i] as number);
    result[row] = sum + (bias?.[expert * out + row] ?? 0);
  }
  return result;
}

export function normaliseVector(
  input: Float32Array,
  { weight, eps }: { weight: Float32Array | undefined; eps: number },
): Float32Array {
  const factor =
    1 / Math.sqrt(input.reduce((sum, value) => sum + value * value, 0) / input.length + eps);
  return input.map((value, i) => value * factor * (weight?.[i] ?? 1));
}

/** Normalises a state, if the layer has a norm for it. */
export const normalisedIf = (
  state: Float32Array,
  { weight, eps }: { weight: Float32Array | undefined; eps: number },
): Float32Array => (weight ? normaliseVector(state, { weight, eps }) : state);

/** Rotates a head. `angles` has a cosine and then a sine for each pair of the largest heads. */
export function rotate(head: Float32Array, angles: Float32Array): void {
  const half = head.length / 2;
  for (let i = 0; i < half; i += 1) {
    const [a, b] = [head[i] as number, head[half + i] as number];
    const [cos, sin] = [angles[i] as number, angles[angles.length / 2 + i] as number];
    head[i] = a * cos - b * sin;
    head[half + i] = b * cos + a * sin;
  }
}

/** Computes a dense MLP and experts beside it, and adds up what they make. */
export function mlpAndExperts(
  layer: Layer,
  state: Float32Array,
  shape: DecoderShape,
): Float32Array {
  const beside = layer.expertsBeside as ReadExpertsBeside;
  const normed = (input: Float32Array, weight: Float32Array) =>
    normaliseVector(input, { weight, eps: shape.normEps });
  const input = normed(state, layer.mlpNorm as Float32Array);
  const dense = denseMlp(layer.mlp, { input, shape, expert: 0 });
  const out = normed(dense, beside.denseOutputNorm);
  const experts = routedMlp(beside.mlp, {
    input: normed(state, beside.inputNorm),
    routed: normed(state, beside.routerNorm),
    experts: layer.shape.expertsBeside as Experts,
    shareScales: beside.shareScales,
    shape,
  });
  add(out, normed(experts, beside.outputNorm));
  return out;
}

/** What a layer adds to the state because of its own embedding of the token. */
export function fromPerLayer(
  { gate, projection, norm }: ReadParts<PerLayerWeights>,
  { state, own, shape }: { state: Float32Array; own: Float32Array; shape: DecoderShape },
): Float32Array {
  const gated = multiplyMatrix(gate, state).map((x, i) =>
    gatedBy(shape, { gate: x, up: own[i] as number }),
  );
  return normaliseVector(multiplyMatrix(projection, gated), { weight: norm, eps: shape.normEps });
}

export function mlp(
  { shape: { mlp: mlpShape }, mlp: weights }: Layer,
  input: Float32Array,
  shape: DecoderShape,
): Float32Array {
  if (mlpShape.kind === 'dense') return denseMlp(weights, { input, shape, expert: 0 });
  return routedMlp(weights, { input, routed: input, experts: mlpShape, shape });
}

interface Routing {
  readonly input: Float32Array;
  /** The input of the router. */
  readonly routed: Float32Array;
  readonly experts: Experts;
  readonly shareScales?: Float32Array;
  readonly shape: DecoderShape;
}

function routedMlp(
  weights: ReadMlp,
  { input, routed, experts, shareScales, shape }: Routing,
): Float32Array {
  const { router, choiceBias, shared } = weights;
  const scores = Array.from(multiplyMatrix(router as Dense, routed));
  const shares = experts.usesSigmoid ? scores.map(sigmoid) : softmax(scores);
  const ranks = shares.map((share, expert) => share + (choiceBias?.[expert] ?? 0));
  const chosen = chooseExperts(ranks, experts).map((expert) => ({
    share: shares[expert] as number,
    expert,
  }));
  const total = experts.normalised ? chosen.reduce((sum, { share }) => sum + share, 0) : 1;
  const out = new Float32Array(input.length);
  for (const { share, expert } of chosen)
    addPart(out, {
      made: denseMlp(weights, { input, shape, expert }),
      share: (share / total) * experts.shareScale * (shareScales?.[expert] ?? 1),
    });
  if (shared !== undefined)
    addPart(out, {
      made: denseMlp(shared, { input, shape, expert: 0 }),
      share: shared.share ? sigmoid(multiplyMatrix(shared.share, input)[0] as number) : 1,
    });
  return out;
}

/** Returns the experts with the highest ranks, of the best groups only if the model has groups. */
function chooseExperts(ranks: readonly number[], { perToken, groups }: Experts): number[] {
  if (groups === undefined) return largestOf(ranks, perToken);
  const size = ranks.length / groups.count;
  const best = Array.from({ length: groups.count }, (_, group) => {
    const own = ranks.slice(group * size, (group + 1) * size);
    return largestOf(own, 2).reduce((sum, expert) => sum + (own[expert] as number), 0);
  });
  const chosen = new Set(largestOf(best, groups.chosen));
  return largestOf(
    ranks.map((rank, expert) =>
      chosen.has(Math.floor(expert / size)) ? rank : Number.NEGATIVE_INFINITY,
    ),
    perToken,
  );
}

/** Returns the indexes of the `count` largest numbers, the lowest first of equal ones. */
export const largestOf = (list: readonly number[], count: number): number[] =>
  list
    .map((value, index) => ({ value, index }))
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, count)
    .map(({ index }) => index);

export function multiplyBy(state: Float32Array, factor: number): void {
  for (let i = 0; i < state.length; i += 1) state[i] = (state[i] as number) * factor;
}

function addPart(into: Float32Array, { made, share }: { made: Float32Array; share: number }): void {
  for (let i = 0; i < into.length; i += 1)
    into[i] = (into[i] as number) + (made[i] as number) * share;
}

function denseMlp(
  weights: Pick<ReadMlp, 'gate' | 'up' | 'down'>,
  { input, shape, expert }: { input: Float32Array; shape: DecoderShape; expert: number },
): Float32Array {
  const gate = multiplyMatrix(weights.gate, input, expert);
  const up = multiplyMatrix(weights.up, input, expert);
  const gated = up.map((value, i) => gatedBy(shape, { gate: gate[i] as number, up: value }));
  return multiplyMatrix(weights.down, gated, expert);
}

function gatedBy(
  { activation, activationLimit: limit }: DecoderShape,
  { gate, up }: { gate: number; up: number },
): number {
  switch (activation) {
    case 'silu':
      return up * silu(gate);
    case 'gelu_tanh':
      return up * geluTanh(gate);
    case 'clamped_silu': {
      const g = Math.min(gate, limit);
      return (g / (1 + Math.exp(-1.702 * g))) * (Math.max(-limit, Math.min(up, limit)) + 1);
    }
  }
}

export const silu = (x: number): number => x * sigmoid(x);
export const geluTanh = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

export function softmax(scores: readonly number[]): number[] {
  const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const parts = scores.map((score) => Math.exp(score - most));
  const total = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / total);
}

export function add(into: Float32Array, addend: Float32Array): void {
  for (let i = 0; i < into.length; i += 1) into[i] = (into[i] as number) + (addend[i] as number);
}

/** The index of the largest number; of equal ones, the lowest. */
export const indexOfLargest = (row: Float32Array): number =>
  row.reduce((found, value, i) => (value > (row[found] as number) ? i : found), 0);
