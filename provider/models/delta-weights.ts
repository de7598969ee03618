import { chosenMatrix, range } from './chosen-rows.ts';
import { type DecoderShape, type DeltaShape, deltaChannels } from './decoder-shape.ts';
import type { LayerWeights } from './decoder-weights.ts';
import type { Tensor, Tensors } from './safetensors.ts';
import type { WeightFinder } from './weight-finder.ts';

interface Place {
  readonly delta: DeltaShape;
  readonly hidden: number;
  readonly path: string;
}

type Found = Pick<LayerWeights, 'q' | 'k' | 'v' | 'o' | 'outputGate' | 'delta'>;

/** Finds the weights of a layer of Gated DeltaNet. */
export function findDelta(find: WeightFinder, place: Place): Found {
  const { delta, hidden, path } = place;
  const { valueHeads, valueDim, convolution } = delta;
  const { write, fade, ...projections } = find.has(`${path}.in_proj_qkvz.weight`)
    ? findJoined(find, place)
    : findSeparate(find, place);
  return {
    ...projections,
    o: find.matrix(`${path}.out_proj`, { out: hidden, in: valueHeads * valueDim }),
    delta: {
      write,
      fade,
      fadeBias: find.tensor(`${path}.dt_bias`, [valueHeads]),
      fadeRate: find.tensor(`${path}.A_log`, [valueHeads]),
      convolution: findConvolution(find, {
        path: `${path}.conv1d.weight`,
        channels: deltaChannels(delta),
        convolution,
      }),
      norm: find.vector(`${path}.norm`, valueDim),
    },
  };
}

/** Qwen 3.5 has one matrix for queries, keys and values, and one for each of the others. */
function findSeparate(find: WeightFinder, { delta, hidden, path }: Place) {
  const { keyHeads, valueHeads, keyDim, valueDim } = delta;
  const [keys, values] = [keyHeads * keyDim, valueHeads * valueDim];
  const period = 2 * keys + values;
  const all = find.matrix(`${path}.in_proj_qkv`, { out: period, in: hidden });
  const part = (from: number, to: number) => chosenMatrix(all, { period, of: range(from, to) });
  return {
    q: part(0, keys),
    k: part(keys, 2 * keys),
    v: part(2 * keys, period),
    outputGate: find.matrix(`${path}.in_proj_z`, { out: values, in: hidden }),
    write: find.matrix(`${path}.in_proj_b`, { out: valueHeads, in: hidden }),
    fade: find.matrix(`${path}.in_proj_a`, { out: valueHeads, in: hidden }),
  };
}

/** Qwen3-Next has two matrices, with the rows of each key head and of its value heads together. */
function findJoined(find: WeightFinder, { delta, hidden, path }: Place) {
  const { keyHeads, valueHeads, keyDim, valueDim } = delta;
  const valuesOfKey = valueHeads / keyHeads;
  const values = valuesOfKey * valueDim;
  const period = 2 * keyDim + 2 * values;
  const all = find.matrix(`${path}.in_proj_qkvz`, { out: keyHeads * period, in: hidden });
  const part = (from: number, to: number) => chosenMatrix(all, { period, of: range(from, to) });
  const both = find.matrix(`${path}.in_proj_ba`, { out: 2 * valueHeads, in: hidden });
  const half = (from: number) =>
    chosenMatrix(both, { period: 2 * valuesOfKey, of: range(from, from + valuesOfKey) });
  return {
    q: part(0, keyDim),
    k: part(keyDim, 2 * keyDim),
    v: part(2 * keyDim, 2 * keyDim + values),
    outputGate: part(2 * keyDim + values, period),
    write: half(0),
    fade: half(valuesOfKey),
  };
}

/** mlx-lm stores the same numbers as transformers, with other dimensions. */
function findConvolution(
  find: WeightFinder,
  { path, channels, convolution }: { path: string; channels: number; convolution: number },
): Tensor {
  const shape = [channels, convolution];
  const published = [channels, 1, convolution];
  const isPublished = find.shapeOf(path)?.[1] === 1;
  return { ...find.tensor(path, isPublished ? published : [...shape, 1]), shape };
}

/**
 * Returns the shape of a hybrid model as its files need it. transformers stores its norms with one
 * subtracted, and mlx-lm adds it; only the dimensions of the convolutions tell the two apart, as in
 * mlx-lm itself.
 */
export function asStored(shape: DecoderShape, tensors: Tensors): DecoderShape {
  const isPublished = tensors
    .values()
    .some(({ name, shape: [, second] }) => name.endsWith('.conv1d.weight') && second === 1);
  const isHybrid = shape.layers.some(({ delta }) => delta !== undefined);
  return isHybrid && isPublished ? { ...shape, normPlusOne: true } : shape;
}
