import { chosenMatrix, range } from './chosen-rows.ts';
import type { DecoderShape, LayerShape } from './decoder-shape.ts';
import type { Matrix, Mlp, SharedExpert } from './decoder-weights.ts';
import { turnedColumns } from './safetensors.ts';
import type { WeightFinder } from './weight-finder.ts';

/** Finds the MLP of a layer, or its experts. */
export function findMlp(
  find: WeightFinder,
  { shape, layer, path }: { shape: DecoderShape; layer: LayerShape; path: string },
): Mlp {
  const { mlp } = layer;
  const { hidden, fused } = shape;
  if (mlp.kind === 'dense')
    return findPlainMlp(find, {
      width: mlp.width,
      hidden,
      path,
      isFused: fused.includes('gateUp'),
    });
  const { width, experts: count, shared, usesSigmoid } = mlp;
  return {
    ...findExperts(find, { width, count, hidden, path, inside: 'switch_mlp' }),
    router: find.matrix(`${path}.gate`, { out: count, in: hidden }),
    ...(usesSigmoid && {
      choiceBias: find.tensor(`${path}.gate.e_score_correction_bias`, [count]),
    }),
    ...(shared && { shared: findSharedExpert(find, { ...shared, hidden, path }) }),
  };
}

function findSharedExpert(
  find: WeightFinder,
  {
    width,
    isGated,
    hidden,
    path,
  }: { width: number; isGated: boolean; hidden: number; path: string },
): SharedExpert {
  const name = isGated ? 'shared_expert' : 'shared_experts';
  return {
    ...findPlainMlp(find, { width, hidden, path: `${path}.${name}` }),
    ...(isGated && { share: find.matrix(`${path}.shared_expert_gate`, { out: 1, in: hidden }) }),
  };
}

type PlainMlp = Pick<Mlp, 'gate' | 'up' | 'down'>;

function findPlainMlp(
  find: WeightFinder,
  {
    width,
    hidden,
    path,
    isFused = false,
  }: { width: number; hidden: number; path: string; isFused?: boolean },
): PlainMlp {
  const down = find.matrix(`${path}.down_proj`, { out: hidden, in: width });
  if (isFused) {
    const rows = [width, width] as const;
    const [gate, up] = find.matrices(`${path}.gate_up_proj`, { rows, in: hidden });
    return { gate, up, down };
  }
  return {
    gate: find.matrix(`${path}.gate_proj`, { out: width, in: hidden }),
    up: find.matrix(`${path}.up_proj`, { out: width, in: hidden }),
    down,
  };
}

/** Finds experts as mlx-lm stores them, or as transformers does: with gate and up in one tensor. */
export function findExperts(
  find: WeightFinder,
  {
    width,
    count,
    hidden,
    path,
    inside: name,
  }: { width: number; count: number; hidden: number; path: string; inside: string },
): PlainMlp {
  const inside = `${path}.${name}`;
  const isStacked = true;
  const turned = findTurnedExperts(find, { width, count, hidden, path });
  if (turned !== undefined) return turned;
  if (find.has(`${path}.experts.gate_up_proj`)) {
    const both = find.stacked(`${path}.experts.gate_up_proj`, {
      out: 2 * width,
      in: hidden,
      count,
    });
    const half = (first: number) =>
      chosenMatrix(both, { period: 2 * width, of: range(first, first + width) });
    return {
      gate: half(0),
      up: half(width),
      down: find.stacked(`${path}.experts.down_proj`, { out: hidden, in: width, count }),
    };
  }
  return {
    gate: find.matrix(`${inside}.gate_proj`, { out: width, in: hidden, count, isStacked }),
    up: find.matrix(`${inside}.up_proj`, { out: width, in: hidden, count, isStacked }),
    down: find.matrix(`${inside}.down_proj`, { out: hidden, in: width, count, isStacked }),
  };
}

/**
 * Finds experts as Qwen3-VL stores them: as above, but with rows and columns exchanged. At most one of
 * the two tensors is square, so that their dimensions tell the layouts apart.
 */
function findTurnedExperts(
  find: WeightFinder,
  { width, count, hidden, path }: { width: number; count: number; hidden: number; path: string },
): PlainMlp | undefined {
  const [both, down] = [`${path}.experts.gate_up_proj`, `${path}.experts.down_proj`];
  const isTurned = find.shapeOf(both)?.[1] === hidden && find.shapeOf(down)?.[1] === width;
  if (!isTurned) return undefined;
  const joined = find.tensor(both, [count, hidden, 2 * width]);
  const half = (first: number): Matrix => ({
    out: width,
    in: hidden,
    count,
    weight: turnedColumns(joined, { first, columns: width }),
  });
  const downs = find.tensor(down, [count, width, hidden]);
  return {
    gate: half(0),
    up: half(width),
    down: {
      out: hidden,
      in: width,
      count,
      weight: turnedColumns(downs, { first: 0, columns: hidden }),
    },
  };
}
