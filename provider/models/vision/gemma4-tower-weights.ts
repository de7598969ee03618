import type { Matrix } from '../decoder-weights.ts';
import type { JsonObject } from '../json.ts';
import type { Tensor, Tensors } from '../safetensors.ts';
import { WeightFinder } from '../weight-finder.ts';
import type { GatedShape } from './vision-shape.ts';

/** A matrix without a bias. */
export interface Clipped {
  readonly weight: Tensor;
  /** Bounds of its inputs and of its outputs, in the order of CLIPS, if it has any. */
  readonly clips: readonly Tensor[];
}

export interface GatedLayer {
  readonly attentionNorm: Tensor;
  readonly q: Clipped;
  readonly k: Clipped;
  readonly v: Clipped;
  readonly o: Clipped;
  readonly qNorm: Tensor;
  readonly kNorm: Tensor;
  readonly attentionOutputNorm: Tensor;
  readonly mlpNorm: Tensor;
  readonly gate: Clipped;
  readonly up: Clipped;
  readonly down: Clipped;
  readonly mlpOutputNorm: Tensor;
}

/** The weights of the tower of Gemma 4. */
export interface GatedWeights {
  readonly kind: 'gated';
  readonly patches: Tensor;
  /** The numbers of a patch stand pixel by pixel in the rows of `patches`. */
  readonly order: 'pixels';
  /** A table for columns, and then one for rows. */
  readonly positions: Tensor;
  readonly layers: readonly GatedLayer[];
  /** The numbers that are subtracted from averages, and the factors that these are multiplied by after that. */
  readonly standard?: { readonly bias: Tensor; readonly scale: Tensor };
  /** Quantized in the files of mlx-community, unlike all other matrices of the tower. */
  readonly projection: Matrix;
}

/** In the order in which a matrix applies them. */
const CLIPS = ['input_min', 'input_max', 'output_min', 'output_max'] as const;

export const GEMMA4_PATCHES = 'patch_embedder.input_proj';
const TOWER = 'vision_tower.';
const PROJECTOR = 'embed_vision.';
const COLOURS = 3;

/** Finds every weight that the shape requires, and checks its size. */
export function findGatedWeights(
  shape: GatedShape,
  tensors: Tensors,
  config: JsonObject,
): GatedWeights {
  const { hidden, inner, heads, layers, out, patch, positionsAcross, gated } = shape;
  const { headDim, clips, standardises } = gated;
  const find = new WeightFinder(tensors, config, TOWER);
  const projector = new WeightFinder(tensors, config, PROJECTOR);
  const all = heads * headDim;
  const clipped = (path: string, rows: number, columns: number): Clipped => ({
    weight: find.tensor(`${path}.linear.weight`, [rows, columns]),
    clips: clips ? CLIPS.map((name) => find.tensor(`${path}.${name}`, [])) : [],
  });
  const layer = (index: number): GatedLayer => {
    const at = `encoder.layers.${index}`;
    return {
      attentionNorm: find.vector(`${at}.input_layernorm`, hidden),
      q: clipped(`${at}.self_attn.q_proj`, all, hidden),
      k: clipped(`${at}.self_attn.k_proj`, all, hidden),
      v: clipped(`${at}.self_attn.v_proj`, all, hidden),
      o: clipped(`${at}.self_attn.o_proj`, hidden, all),
      qNorm: find.vector(`${at}.self_attn.q_norm`, headDim),
      kNorm: find.vector(`${at}.self_attn.k_norm`, headDim),
      attentionOutputNorm: find.vector(`${at}.post_attention_layernorm`, hidden),
      mlpNorm: find.vector(`${at}.pre_feedforward_layernorm`, hidden),
      gate: clipped(`${at}.mlp.gate_proj`, inner, hidden),
      up: clipped(`${at}.mlp.up_proj`, inner, hidden),
      down: clipped(`${at}.mlp.down_proj`, hidden, inner),
      mlpOutputNorm: find.vector(`${at}.post_feedforward_layernorm`, hidden),
    };
  };
  return {
    kind: 'gated',
    patches: find.tensor(`${GEMMA4_PATCHES}.weight`, [hidden, COLOURS * patch * patch]),
    order: 'pixels',
    positions: find.tensor('patch_embedder.position_embedding_table', [2, positionsAcross, hidden]),
    layers: Array.from({ length: layers }, (_, index) => layer(index)),
    ...(standardises && {
      standard: {
        bias: find.tensor('std_bias', [hidden]),
        scale: find.tensor('std_scale', [hidden]),
      },
    }),
    projection: projector.matrix('embedding_projection', { out, in: hidden }),
  };
}

const ofClipped = ({ weight, clips }: Clipped): Tensor[] => [weight, ...clips];

/** Every weight of the tower but its projection, in the order in which the addon takes them. */
export const listGatedWeights = ({
  patches,
  positions,
  layers,
  standard,
}: GatedWeights): Tensor[] => [
  patches,
  positions,
  ...layers.flatMap((layer) => [
    layer.attentionNorm,
    ...[layer.q, layer.k, layer.v].flatMap(ofClipped),
    layer.qNorm,
    layer.kNorm,
    ...ofClipped(layer.o),
    layer.attentionOutputNorm,
    layer.mlpNorm,
    ...[layer.gate, layer.up, layer.down].flatMap(ofClipped),
    layer.mlpOutputNorm,
  ]),
  ...(standard ? [standard.bias, standard.scale] : []),
];
