import type { Experts } from './decoder-shape.ts';
import type { Matrix, Mlp } from './decoder-weights.ts';
import { ModelError } from './model-error.ts';
import { chooseRows, type Tensor } from './safetensors.ts';
import type { WeightFinder } from './weight-finder.ts';

interface Place {
  readonly experts: Experts;
  readonly hidden: number;
  readonly path: string;
}

/** Number of weights in one group of MXFP4, and of the bytes that hold them. */
const GROUP = 32;
const GROUP_BYTES = 16;

/**
 * Finds the router and the experts of a layer of gpt-oss, either as mlx-lm stores them, with one
 * tensor each for gate, up and down, or as OpenAI published them.
 */
export function findGptOssExperts(
  find: WeightFinder,
  { experts: { experts: count, width }, hidden, path }: Place,
): Mlp {
  const requiresBias = true;
  const router = find.matrix(`${path}.router`, { out: count, in: hidden, requiresBias });
  const inside = `${path}.experts`;
  if (find.has(`${inside}.gate_up_proj_blocks`))
    return { router, ...findPublished(find, { count, width, hidden, inside }) };
  if (find.has(`${inside}.gate_up_proj`))
    throw new ModelError(
      'unsupported_architecture',
      `${inside}.gate_up_proj is not quantized; supported are experts in MXFP4, as OpenAI and mlx-lm store them`,
    );
  const stacked = { count, isStacked: true, requiresBias, mayBeMxfp4: true };
  return {
    router,
    gate: find.matrix(`${inside}.gate_proj`, { out: width, in: hidden, ...stacked }),
    up: find.matrix(`${inside}.up_proj`, { out: width, in: hidden, ...stacked }),
    down: find.matrix(`${inside}.down_proj`, { out: hidden, in: width, ...stacked }),
  };
}

interface Published {
  readonly count: number;
  readonly width: number;
  readonly hidden: number;
  readonly inside: string;
}

/** Finds experts whose gate and up have alternating rows in one tensor. */
function findPublished(
  find: WeightFinder,
  { count, width, hidden, inside }: Published,
): Omit<Mlp, 'router'> {
  const matrix = (
    name: string,
    size: { out: number; in: number },
    half?: { first: number },
  ): Matrix => {
    const rows = half === undefined ? size.out : 2 * size.out;
    const groups = size.in / GROUP;
    if (!Number.isInteger(groups))
      throw new ModelError(
        'wrong_shape',
        `${inside}.${name}: the width of ${size.in} is not a multiple of the group size ${GROUP}`,
      );
    const path = `${inside}.${name}`;
    const part = (tensor: Tensor) => (half === undefined ? tensor : halfOf(tensor, half.first));
    const shape = [count, rows, groups];
    return {
      ...size,
      count,
      weight: part(find.tensor(`${path}_blocks`, [...shape, GROUP_BYTES], ['U8'])),
      bias: part(find.tensor(`${path}_bias`, [count, rows])),
      quantized: {
        bits: 4,
        group: GROUP,
        scales: part(find.tensor(`${path}_scales`, shape, ['U8'])),
      },
    };
  };
  return {
    gate: matrix('gate_up_proj', { out: width, in: hidden }, { first: 0 }),
    up: matrix('gate_up_proj', { out: width, in: hidden }, { first: 1 }),
    down: matrix('down_proj', { out: hidden, in: width }),
  };
}

/** The even or the odd rows of a tensor; a row is the last dimensions after the first two. */
function halfOf(tensor: Tensor, first: number): Tensor {
  const [count, rows, ...rest] = tensor.shape as [number, number, ...number[]];
  return chooseRows(tensor, {
    rows: count * rows,
    shape: [count, rows / 2, ...rest],
    period: 2,
    of: Int32Array.of(first),
  });
}
