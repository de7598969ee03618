import type { ImageSize } from '../../images/scale-image.ts';
import { TensorReader } from '../../models/tensor-reader.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import {
  type GatedShape,
  numbersOfPatch,
  type VisionShape,
} from '../../models/vision/vision-shape.ts';
import type {
  Affine,
  Merger,
  VisionLayer,
  VisionWeights,
} from '../../models/vision/vision-weights.ts';
import { geluTanh, normaliseVector } from '../decoders/reference-parts.ts';
import {
  added,
  attention,
  gelu,
  multiplyAffine,
  normaliseAffine,
  type ReadAffine,
} from '../encoders/affine-parts.ts';
import { type PatchPlace, patchNumbers, patchPlaces } from './patches.ts';
import { loadReferenceGemma4Tower } from './reference-gemma4-tower.ts';
import type { VisionTower } from './vision-tower.ts';

/**
 * Vision towers in plain TypeScript, in the order of the published formulas: SigLIP with the projector
 * of Gemma 3, and the tower of Qwen. That of Gemma 4 is in a file of its own. They are slow, run on any
 * machine, and the tests compare the towers in C++ with them.
 */
export async function loadReferenceTower(model: VisionModel): Promise<VisionTower> {
  const { shape, weights } = model;
  if (weights.kind === 'gated') return loadReferenceGemma4Tower(shape as GatedShape, weights);
  const read = await readWeights(weights);
  return {
    name: 'reference',
    embed: async (pixels) => {
      const numbers = patchNumbers(pixels, model);
      return tokenNumbers(shape, read, { numbers, width: pixels.width, height: pixels.height });
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

type Weights = Awaited<ReturnType<typeof readWeights>>;
type ReadMerger = Record<keyof Merger, ReadAffine>;
type ReadLayer = Record<keyof VisionLayer, ReadAffine>;

async function readWeights({ patches, positions, layers, head, deep }: VisionWeights) {
  await using reader = new TensorReader();
  const affine = async ({ weight, bias }: Affine): Promise<ReadAffine> => ({
    weight: await reader.numbers(weight),
    bias: await reader.numbers(bias),
  });
  const all = async <Name extends string>(parts: Readonly<Record<Name, Affine>>) => {
    const read: [string, ReadAffine][] = [];
    for (const [name, part] of Object.entries<Affine>(parts)) read.push([name, await affine(part)]);
    return Object.fromEntries(read) as Record<Name, ReadAffine>;
  };
  const layerWeights: ReadLayer[] = [];
  for (const layer of layers) layerWeights.push(await all<keyof VisionLayer>({ ...layer }));
  const deepWeights: ReadMerger[] = [];
  for (const merger of deep) deepWeights.push(await all<keyof Merger>({ ...merger }));
  return {
    patches: await affine(patches),
    positions: await reader.numbers(positions),
    layers: layerWeights,
    head:
      head.kind === 'merger'
        ? { kind: head.kind, merger: await all<keyof Merger>({ ...head.merger }) }
        : {
            kind: head.kind,
            norm: await affine(head.norm),
            tokenNorm: await reader.numbers(head.tokenNorm),
            projection: await reader.numbers(head.projection),
          },
    deep: deepWeights,
  };
}

function tokenNumbers(
  shape: VisionShape,
  weights: Weights,
  { numbers, ...image }: ImageSize & { readonly numbers: Float32Array },
): Float32Array<ArrayBuffer> {
  const { heads, normEps, deepLayers, patch } = shape;
  const size = numbersOfPatch(shape);
  const places = patchPlaces(shape, image);
  const grid = { rows: image.height / patch, columns: image.width / patch };
  let states = places.map((place, index) => {
    const made = multiplyAffine(
      weights.patches,
      numbers.subarray(index * size, (index + 1) * size),
    );
    return added(made, positionAt(weights.positions, { place, grid, shape }));
  });
  /** For each of the deep layers, the numbers of all tokens. */
  const deep: Float32Array[][] = [];
  for (const [index, layer] of weights.layers.entries()) {
    const inputs = states.map((state) => normaliseAffine(state, layer.attentionNorm, normEps));
    const made = (matrix: ReadAffine) => inputs.map((input) => multiplyAffine(matrix, input));
    const turned = (vectors: Float32Array[]) => vectors.map((v, i) => rotated(v, places[i], shape));
    const attended = attention(
      [turned(made(layer.q)), turned(made(layer.k)), made(layer.v)],
      heads,
    );
    states = states.map((state, i) => {
      const settled = added(state, multiplyAffine(layer.o, attended[i] as Float32Array));
      const inner = multiplyAffine(layer.up, normaliseAffine(settled, layer.mlpNorm, normEps)).map(
        geluTanh,
      );
      return added(settled, multiplyAffine(layer.down, inner));
    });
    const merger = weights.deep[deepLayers.indexOf(index)];
    if (merger !== undefined) deep.push(merged(merger, states, shape));
  }
  const tokens = headOf(weights.head, states, shape);
  const parts = tokens.flatMap((token, index) => [token, ...deep.map((all) => all[index])]);
  const joined = new Float32Array(parts.length * shape.out);
  for (const [index, part] of parts.entries()) joined.set(part as Float32Array, index * shape.out);
  return joined;
}

/**
 * The position of a patch: that of the table where the image has as many patches, otherwise one between
 * its four neighbours in the table, whose corners are those of the image.
 */
function positionAt(
  table: Float32Array,
  {
    place,
    grid,
    shape,
  }: { place: PatchPlace; grid: { rows: number; columns: number }; shape: VisionShape },
): Float32Array {
  const { hidden, positionsAcross } = shape;
  const along = (index: number, count: number) => {
    const at = (index * (positionsAcross - 1)) / Math.max(1, count - 1);
    const first = Math.min(Math.floor(at), positionsAcross - 1);
    return { first, second: Math.min(first + 1, positionsAcross - 1), share: at - first };
  };
  const row = along(place.row, grid.rows);
  const column = along(place.column, grid.columns);
  const sum = new Float32Array(hidden);
  for (const [y, ofRow] of [
    [row.first, 1 - row.share],
    [row.second, row.share],
  ] as const)
    for (const [x, ofColumn] of [
      [column.first, 1 - column.share],
      [column.second, column.share],
    ] as const)
      for (let i = 0; i < hidden; i += 1)
        sum[i] =
          (sum[i] as number) +
          ofRow * ofColumn * (table[(y * positionsAcross + x) * hidden + i] as number);
  return sum;
}

/** Rotates the first half of each head's pairs by the row of a patch, and the second by its column. */
function rotated(
  vector: Float32Array,
  place: PatchPlace | undefined,
  { hidden, heads, ropeTheta }: VisionShape,
): Float32Array {
  if (ropeTheta === 0 || place === undefined) return vector;
  const size = hidden / heads;
  const pairs = size / 2;
  const out = new Float32Array(vector);
  for (let from = 0; from < hidden; from += size)
    for (let pair = 0; pair < pairs; pair += 1) {
      const isOfRow = pair < pairs / 2;
      const at = isOfRow ? pair : pair - pairs / 2;
      const angle = (isOfRow ? place.row : place.column) * ropeTheta ** ((-2 * at) / pairs);
      const [one, other] = [vector[from + pair] as number, vector[from + pairs + pair] as number];
      out[from + pair] = one * Math.cos(angle) - other * Math.sin(angle);
      out[from + pairs + pair] = other * Math.cos(angle) + one * Math.sin(angle);
    }
  return out;
}

/** The vectors of each token's square of patches, one after the other. */
function squares(states: readonly Float32Array[], { hidden, pooled }: VisionShape): Float32Array[] {
  const count = pooled ** 2;
  return Array.from({ length: states.length / count }, (_, token) => {
    const square = new Float32Array(count * hidden);
    for (let i = 0; i < count; i += 1)
      square.set(states[token * count + i] as Float32Array, i * hidden);
    return square;
  });
}

function merged(
  { norm, up, down }: ReadMerger,
  states: readonly Float32Array[],
  shape: VisionShape,
): Float32Array[] {
  const isOfPatches = norm.weight.length === shape.hidden;
  const normed = (vector: Float32Array) => normaliseAffine(vector, norm, shape.normEps);
  const inputs = isOfPatches
    ? squares(states.map(normed), shape)
    : squares(states, shape).map(normed);
  return inputs.map((input) => multiplyAffine(down, multiplyAffine(up, input).map(gelu)));
}

function headOf(
  head: Weights['head'],
  states: readonly Float32Array[],
  shape: VisionShape,
): Float32Array[] {
  if (head.kind === 'merger') return merged(head.merger, states, shape);
  const { hidden, out, normEps, pooled } = shape;
  const weight = head.tokenNorm.map((value) => 1 + value);
  return squares(
    states.map((state) => normaliseAffine(state, head.norm, normEps)),
    shape,
  ).map((square) => {
    const average = new Float32Array(hidden);
    for (const [i, value] of square.entries())
      average[i % hidden] = (average[i % hidden] as number) + value / pooled ** 2;
    const made = new Float32Array(out);
    for (const [row, value] of normaliseVector(average, { weight, eps: normEps }).entries())
      for (let i = 0; i < out; i += 1)
        made[i] = (made[i] as number) + value * (head.projection[row * out + i] as number);
    return made;
  });
}
