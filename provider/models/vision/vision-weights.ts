import type { Matrix } from '../decoder-weights.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { Tensor, Tensors } from '../safetensors.ts';
import { WeightFinder } from '../weight-finder.ts';
import {
  findGatedWeights,
  type GatedWeights,
  GEMMA4_PATCHES,
  listGatedWeights,
} from './gemma4-tower-weights.ts';
import { isGated, type VisionShape } from './vision-shape.ts';

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

/** Makes numbers of a token from the vectors of its square of patches, one after the other. */
export interface Merger {
  /** Of each patch if it has the size of its vector, otherwise of the whole square. */
  readonly norm: Affine;
  readonly up: Affine;
  readonly down: Affine;
}

export interface VisionWeights {
  readonly kind: 'plain';
  readonly patches: Affine;
  /**
   * Order of the numbers of a patch in the rows of `patches`: colour by colour in the files of
   * transformers, pixel by pixel in those of MLX.
   */
  readonly order: 'colours' | 'pixels';
  readonly positions: Tensor;
  readonly layers: readonly VisionLayer[];
  readonly head: Average | { readonly kind: 'merger'; readonly merger: Merger };
  /** The mergers of the shape's `deepLayers`. */
  readonly deep: readonly Merger[];
}

/** Averages the vectors of a token's patches and projects them. */
interface Average {
  readonly kind: 'average';
  readonly norm: Affine;
  readonly tokenNorm: Tensor;
  /** Has a row for each number of a patch's vector. */
  readonly projection: Tensor;
}

const TOWER = 'vision_tower.';
const PATCHES = {
  siglip: 'vision_model.embeddings.patch_embedding',
  qwen: 'patch_embed.proj',
  gemma4: GEMMA4_PATCHES,
} as const;

/** Whether the files have the tower, and its matrices are not quantized. */
export const hasTowerWeights = (tensors: Tensors): boolean =>
  Object.values(PATCHES).some((name) => tensors.has(`${TOWER}${name}.weight`)) &&
  !tensors.keys().some((name) => name.startsWith(TOWER) && name.endsWith('.scales'));

/** Finds every weight that the shape requires, and checks its size. */
export function findVisionWeights(
  shape: VisionShape,
  tensors: Tensors,
  config: JsonObject,
): VisionWeights | GatedWeights {
  if (isGated(shape)) return findGatedWeights(shape, tensors, config);
  const find = new VisionFinder(new WeightFinder(tensors, config, TOWER));
  if (shape.family === 'qwen') return findQwen(shape, find);
  return findSiglip(shape, find, new WeightFinder(tensors, config, 'multi_modal_projector.'));
}

class VisionFinder {
  readonly find: WeightFinder;

  constructor(find: WeightFinder) {
    this.find = find;
  }

  affine(path: string, ...size: readonly number[]): Affine {
    return {
      weight: this.find.tensor(`${path}.weight`, size),
      bias: this.find.tensor(`${path}.bias`, size.slice(0, 1)),
    };
  }

  /** The matrix of patches, whose numbers have one of two orders. */
  patches(
    path: string,
    { hidden, patch, frames }: VisionShape,
  ): Pick<VisionWeights, 'patches' | 'order'> {
    const pictures = path === PATCHES.qwen ? [frames] : [];
    const byPixels = [...pictures, patch, patch, COLOURS];
    const order = this.find.shapeOf(`${path}.weight`)?.[1] === byPixels[0] ? 'pixels' : 'colours';
    const byColours = [COLOURS, ...pictures, patch, patch];
    return {
      patches: this.affine(path, hidden, ...(order === 'pixels' ? byPixels : byColours)),
      order,
    };
  }
}

function findSiglip(
  shape: VisionShape,
  finder: VisionFinder,
  projector: WeightFinder,
): VisionWeights {
  const { hidden, inner, layers, out, positionsAcross } = shape;
  const layer = (index: number): VisionLayer => {
    const at = `vision_model.encoder.layers.${index}`;
    return {
      attentionNorm: finder.affine(`${at}.layer_norm1`, hidden),
      q: finder.affine(`${at}.self_attn.q_proj`, hidden, hidden),
      k: finder.affine(`${at}.self_attn.k_proj`, hidden, hidden),
      v: finder.affine(`${at}.self_attn.v_proj`, hidden, hidden),
      o: finder.affine(`${at}.self_attn.out_proj`, hidden, hidden),
      mlpNorm: finder.affine(`${at}.layer_norm2`, hidden),
      up: finder.affine(`${at}.mlp.fc1`, inner, hidden),
      down: finder.affine(`${at}.mlp.fc2`, hidden, inner),
    };
  };
  return {
    kind: 'plain',
    ...finder.patches(PATCHES.siglip, shape),
    positions: finder.find.tensor('vision_model.embeddings.position_embedding.weight', [
      positionsAcross ** 2,
      hidden,
    ]),
    layers: Array.from({ length: layers }, (_, index) => layer(index)),
    head: {
      kind: 'average',
      norm: finder.affine('vision_model.post_layernorm', hidden),
      tokenNorm: projector.tensor('mm_soft_emb_norm.weight', [hidden]),
      projection: projector.tensor('mm_input_projection_weight', [hidden, out]),
    },
    deep: [],
  };
}

function findQwen(shape: VisionShape, finder: VisionFinder): VisionWeights {
  const { hidden, inner, layers, out, pooled, positionsAcross, deepLayers } = shape;
  const rows = [hidden, hidden, hidden] as const;
  const layer = (index: number): VisionLayer => {
    const at = `blocks.${index}`;
    const [q, k, v] = finder.find.matrices(`${at}.attn.qkv`, { rows, in: hidden });
    return {
      attentionNorm: finder.affine(`${at}.norm1`, hidden),
      q: affineOf(q, `${at}.attn.qkv`),
      k: affineOf(k, `${at}.attn.qkv`),
      v: affineOf(v, `${at}.attn.qkv`),
      o: finder.affine(`${at}.attn.proj`, hidden, hidden),
      mlpNorm: finder.affine(`${at}.norm2`, hidden),
      up: finder.affine(`${at}.mlp.linear_fc1`, inner, hidden),
      down: finder.affine(`${at}.mlp.linear_fc2`, hidden, inner),
    };
  };
  const square = hidden * pooled ** 2;
  const merger = (at: string, normed: number): Merger => ({
    norm: finder.affine(`${at}.norm`, normed),
    up: finder.affine(`${at}.linear_fc1`, square, square),
    down: finder.affine(`${at}.linear_fc2`, out, square),
  });
  return {
    kind: 'plain',
    ...finder.patches(PATCHES.qwen, shape),
    positions: finder.find.tensor('pos_embed.weight', [positionsAcross ** 2, hidden]),
    layers: Array.from({ length: layers }, (_, index) => layer(index)),
    head: { kind: 'merger', merger: merger('merger', hidden) },
    deep: deepLayers.map((_, index) => merger(`deepstack_merger_list.${index}`, square)),
  };
}

function affineOf({ weight, bias }: Matrix, path: string): Affine {
  if (bias === undefined) throw new ModelError('missing_weight', `${TOWER}${path}.bias`);
  return { weight, bias };
}

const COLOURS = 3;

const ofAffine = ({ weight, bias }: Affine): Tensor[] => [weight, bias];
const ofMerger = ({ norm, up, down }: Merger): Tensor[] => [norm, up, down].flatMap(ofAffine);

/**
 * Every weight of the tower, in the order in which the addon takes them, except the projection of
 * Gemma 4.
 */
export const listVisionWeights = (weights: VisionWeights | GatedWeights): Tensor[] =>
  weights.kind === 'gated' ? listGatedWeights(weights) : listPlainWeights(weights);

const listPlainWeights = ({ patches, positions, layers, head, deep }: VisionWeights): Tensor[] => [
  ...ofAffine(patches),
  positions,
  ...layers.flatMap(({ attentionNorm, q, k, v, o, mlpNorm, up, down }) =>
    [attentionNorm, q, k, v, o, mlpNorm, up, down].flatMap(ofAffine),
  ),
  ...(head.kind === 'average'
    ? [...ofAffine(head.norm), head.tokenNorm, head.projection]
    : ofMerger(head.merger)),
  ...deep.flatMap(ofMerger),
];
