import type { JsonObject } from '../json.ts';
import type { Tensor, Tensors } from '../safetensors.ts';
import { WeightFinder } from '../weight-finder.ts';
import { patchesOf, type VisionShape } from './vision-shape.ts';

/** A matrix with its bias, or the weight and bias of a normalisation. */
export interface Affine {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

export interface VisionLayer {
  readonly attentionNorm: Affine;
  readonly q: Affine;
  readonly k: Affine;
  readonly v: Affine;
  readonly o: Affine;
  readonly mlpNorm: Affine;
  readonly up: Affine;
  readonly down: Affine;
}

export interface VisionWeights {
  readonly patches: Affine;
  /**
   * Order of the numbers of a patch in the rows of `patches`: colour by colour in the files of
   * transformers, pixel by pixel in those of MLX.
   */
  readonly order: 'colours' | 'pixels';
  readonly positions: Tensor;
  readonly layers: readonly VisionLayer[];
  readonly norm: Affine;
  readonly tokenNorm: Tensor;
  /** Has a row for each number of a patch's vector. */
  readonly projection: Tensor;
}

const TOWER = 'vision_tower.';
const PATCHES = 'vision_model.embeddings.patch_embedding';

/** Whether the files have the tower, and its matrices are not quantized. */
export const hasTowerWeights = (tensors: Tensors): boolean =>
  tensors.has(`${TOWER}${PATCHES}.weight`) &&
  !tensors.keys().some((name) => name.startsWith(TOWER) && name.endsWith('.scales'));

/** Finds every weight that the shape requires, and checks its size. */
export function findVisionWeights(
  shape: VisionShape,
  tensors: Tensors,
  config: JsonObject,
): VisionWeights {
  const { hidden, inner, patch, layers, out } = shape;
  const find = new WeightFinder(tensors, config, TOWER);
  const affine = (path: string, ...size: readonly number[]): Affine => ({
    weight: find.tensor(`${path}.weight`, size),
    bias: find.tensor(`${path}.bias`, size.slice(0, 1)),
  });
  const isByPixels = find.shapeOf(`${PATCHES}.weight`)?.[3] === COLOURS;
  const ofPatch = isByPixels ? [patch, patch, COLOURS] : [COLOURS, patch, patch];
  const layer = (index: number): VisionLayer => {
    const at = `vision_model.encoder.layers.${index}`;
    return {
      attentionNorm: affine(`${at}.layer_norm1`, hidden),
      q: affine(`${at}.self_attn.q_proj`, hidden, hidden),
      k: affine(`${at}.self_attn.k_proj`, hidden, hidden),
      v: affine(`${at}.self_attn.v_proj`, hidden, hidden),
      o: affine(`${at}.self_attn.out_proj`, hidden, hidden),
      mlpNorm: affine(`${at}.layer_norm2`, hidden),
      up: affine(`${at}.mlp.fc1`, inner, hidden),
      down: affine(`${at}.mlp.fc2`, hidden, inner),
    };
  };
  const projector = new WeightFinder(tensors, config, 'multi_modal_projector.');
  return {
    patches: affine(PATCHES, hidden, ...ofPatch),
    order: isByPixels ? 'pixels' : 'colours',
    positions: find.tensor('vision_model.embeddings.position_embedding.weight', [
      patchesOf(shape),
      hidden,
    ]),
    layers: Array.from({ length: layers }, (_, index) => layer(index)),
    norm: affine('vision_model.post_layernorm', hidden),
    tokenNorm: projector.tensor('mm_soft_emb_norm.weight', [hidden]),
    projection: projector.tensor('mm_input_projection_weight', [hidden, out]),
  };
}

const COLOURS = 3;

const ofAffine = ({ weight, bias }: Affine): Tensor[] => [weight, bias];

/** Every weight of the tower, in the order in which the addon takes them. */
export const listVisionWeights = (weights: VisionWeights): Tensor[] => [
  ...ofAffine(weights.patches),
  weights.positions,
  ...weights.layers.flatMap(({ attentionNorm, q, k, v, o, mlpNorm, up, down }) =>
    [attentionNorm, q, k, v, o, mlpNorm, up, down].flatMap(ofAffine),
  ),
  ...ofAffine(weights.norm),
  weights.tokenNorm,
  weights.projection,
];
