import type { ImageSize } from '../../images/scale-image.ts';
import type { Tensor } from '../../models/safetensors.ts';
import { TensorReader } from '../../models/tensor-reader.ts';
import type {
  Clipped,
  GatedLayer,
  GatedWeights,
} from '../../models/vision/gemma4-tower-weights.ts';
import { type GatedShape, numbersOfPatch } from '../../models/vision/vision-shape.ts';
import {
  eachHead,
  geluTanh,
  multiplyMatrix,
  normaliseVector,
} from '../decoders/reference-parts.ts';
import { type Dense, readDense } from '../decoders/reference-weights.ts';
import { added, attention } from '../encoders/affine-parts.ts';
import { type PatchPlace, patchNumbers, patchPlaces } from './patches.ts';
import type { VisionTower } from './vision-tower.ts';

/** The vision tower of Gemma 4 in plain TypeScript, in the order of the published formulas. */
export async function loadReferenceGemma4Tower(
  shape: GatedShape,
  weights: GatedWeights,
): Promise<VisionTower> {
  const read = await readWeights(shape, weights);
  return {
    name: 'reference',
    embed: async (pixels) => {
      const numbers = patchNumbers(pixels, { shape, weights });
      return tokenNumbers(shape, read, { numbers, width: pixels.width, height: pixels.height });
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A matrix, and the bounds of its inputs and outputs in the order in which it applies them. */
interface ReadClipped {
  readonly matrix: Dense;
  readonly clips: readonly number[];
}

type ReadLayer = {
  readonly [Part in keyof GatedLayer]: GatedLayer[Part] extends Clipped
    ? ReadClipped
    : Float32Array;
};

interface ReadWeights {
  readonly patches: Dense;
  readonly positions: Float32Array;
  readonly layers: readonly ReadLayer[];
  readonly standard: { readonly bias: Float32Array; readonly scale: Float32Array } | undefined;
  readonly projection: Dense;
}

async function readWeights(
  shape: GatedShape,
  { patches, positions, layers, standard, projection }: GatedWeights,
): Promise<ReadWeights> {
  await using reader = new TensorReader();
  const { hidden, inner, heads, gated } = shape;
  const all = heads * gated.headDim;
  const matrix = async (weight: Tensor, rows: number): Promise<Dense> => {
    const values = await reader.numbers(weight);
    return { values, out: rows, in: values.length / rows, bias: undefined };
  };
  const clipped = async ({ weight, clips }: Clipped, rows: number): Promise<ReadClipped> => {
    const bounds: number[] = [];
    for (const clip of clips) bounds.push((await reader.numbers(clip))[0] as number);
    return { matrix: await matrix(weight, rows), clips: bounds };
  };
  const layerWeights: ReadLayer[] = [];
  for (const layer of layers)
    layerWeights.push({
      attentionNorm: await reader.numbers(layer.attentionNorm),
      q: await clipped(layer.q, all),
      k: await clipped(layer.k, all),
      v: await clipped(layer.v, all),
      o: await clipped(layer.o, hidden),
      qNorm: await reader.numbers(layer.qNorm),
      kNorm: await reader.numbers(layer.kNorm),
      attentionOutputNorm: await reader.numbers(layer.attentionOutputNorm),
      mlpNorm: await reader.numbers(layer.mlpNorm),
      gate: await clipped(layer.gate, inner),
      up: await clipped(layer.up, inner),
      down: await clipped(layer.down, hidden),
      mlpOutputNorm: await reader.numbers(layer.mlpOutputNorm),
    });
  return {
    patches: await matrix(patches, hidden),
    positions: await reader.numbers(positions),
    layers: layerWeights,
    standard: standard && {
      bias: await reader.numbers(standard.bias),
      scale: await reader.numbers(standard.scale),
    },
    projection: await readDense(reader, projection),
  };
}

function tokenNumbers(
  shape: GatedShape,
  weights: ReadWeights,
  { numbers, ...image }: ImageSize & { readonly numbers: Float32Array },
): Float32Array<ArrayBuffer> {
  const size = numbersOfPatch(shape);
  const places = patchPlaces(shape, image);
  let states = places.map((place, index) =>
    added(
      multiplyMatrix(weights.patches, numbers.subarray(index * size, (index + 1) * size)),
      positionAt(weights.positions, place, shape),
    ),
  );
  for (const layer of weights.layers) states = afterLayer(layer, { states, places, shape });
  const tokens = averages(states, shape).map((average) => {
    const { standard } = weights;
    const made = standard
      ? average.map((x, i) => (x - (standard.bias[i] as number)) * (standard.scale[i] as number))
      : average;
    const normed = normaliseVector(made, { weight: undefined, eps: shape.normEps });
    return multiplyMatrix(weights.projection, normed);
  });
  const joined = new Float32Array(tokens.length * shape.out);
  for (const [index, token] of tokens.entries()) joined.set(token, index * shape.out);
  return joined;
}

function afterLayer(
  layer: ReadLayer,
  {
    states,
    places,
    shape,
  }: {
    readonly states: readonly Float32Array[];
    readonly places: readonly PatchPlace[];
    readonly shape: GatedShape;
  },
): Float32Array[] {
  const { heads, normEps: eps, gated } = shape;
  const normed = (vector: Float32Array, weight: Float32Array | undefined) =>
    normaliseVector(vector, { weight, eps });
  const inputs = states.map((state) => normed(state, layer.attentionNorm));
  const projected = (by: ReadClipped, weight: Float32Array | undefined) =>
    inputs.map((input) =>
      eachHead(multiplyClipped(by, input), gated.headDim, (head) => head.set(normed(head, weight))),
    );
  const turned = (vectors: readonly Float32Array[]) =>
    vectors.map((vector, i) =>
      eachHead(vector, gated.headDim, (head) => turn(head, places[i] as PatchPlace, shape)),
    );
  // Scores are not divided by the root of a head's size.
  const queries = turned(projected(layer.q, layer.qNorm)).map((query) =>
    query.map((value) => value * Math.sqrt(gated.headDim)),
  );
  const keys = turned(projected(layer.k, layer.kNorm));
  const attended = attention([queries, keys, projected(layer.v, undefined)], heads);
  return states.map((state, i) => {
    const mixed = multiplyClipped(layer.o, attended[i] as Float32Array);
    const settled = added(state, normed(mixed, layer.attentionOutputNorm));
    const input = normed(settled, layer.mlpNorm);
    const up = multiplyClipped(layer.up, input);
    const inner = multiplyClipped(layer.gate, input).map(
      (value, n) => geluTanh(value) * (up[n] as number),
    );
    return added(settled, normed(multiplyClipped(layer.down, inner), layer.mlpOutputNorm));
  });
}

function multiplyClipped({ matrix, clips }: ReadClipped, input: Float32Array): Float32Array {
  const [least, most, leastMade, mostMade] = clips;
  return within(multiplyMatrix(matrix, within(input, least, most)), leastMade, mostMade);
}

const within = (
  vector: Float32Array,
  least = Number.NEGATIVE_INFINITY,
  most = Number.POSITIVE_INFINITY,
): Float32Array => vector.map((value) => Math.min(Math.max(value, least), most));

/** The sum of the entries of a patch's column and row, each of which has a table of its own. */
function positionAt(
  tables: Float32Array,
  { row, column }: PatchPlace,
  { hidden, positionsAcross }: GatedShape,
): Float32Array {
  const entry = (index: number) => tables.subarray(index * hidden, (index + 1) * hidden);
  return added(entry(column), entry(positionsAcross + row));
}

/** Rotates the pairs in the first half of a head by the column of a patch, those in the second by its row. */
function turn(head: Float32Array, { row, column }: PatchPlace, { ropeTheta }: GatedShape): void {
  const half = head.length / 2;
  const pairs = half / 2;
  for (const [from, along] of [
    [0, column],
    [half, row],
  ] as const)
    for (let pair = 0; pair < pairs; pair += 1) {
      const angle = along * ropeTheta ** (-pair / pairs);
      const [one, other] = [head[from + pair] as number, head[from + pairs + pair] as number];
      head[from + pair] = one * Math.cos(angle) - other * Math.sin(angle);
      head[from + pairs + pair] = other * Math.cos(angle) + one * Math.sin(angle);
    }
}

/** The averages of each token's square of patches, times the root of their size. */
function averages(states: readonly Float32Array[], { hidden, pooled }: GatedShape): Float32Array[] {
  const count = pooled ** 2;
  return Array.from({ length: states.length / count }, (_, token) => {
    const sum = states
      .slice(token * count, (token + 1) * count)
      .reduce(added, new Float32Array(hidden));
    return sum.map((value) => (value / count) * Math.sqrt(hidden));
  });
}
