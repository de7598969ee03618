import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import type { Family } from './family.ts';
import {
  expertsOf,
  type LayerPlace,
  type LayerWithoutHeads,
  MAX_LAYERS,
  plainLayer,
  plainShape,
} from './plain-shape.ts';

/** Its projections have biases, which are found beside their weights. */
export const QWEN2: Family = { types: ['qwen2'], read: plainShape };

export const QWEN3: Family = {
  types: ['qwen3'],
  read: (config) => ({ ...plainShape(config), qkNorm: 'heads' }),
};

export const QWEN3_MOE: Family = {
  types: ['qwen3_moe'],
  read: (config) => ({
    ...plainShape(config, { layerOf: layersWithExperts(false) }),
    qkNorm: 'heads',
  }),
};

/** Its projections have biases like those of Qwen2. */
export const QWEN2_MOE: Family = {
  types: ['qwen2_moe'],
  read: (config) => {
    if (config.fields.flag('use_sliding_window', false))
      throw new ModelError(
        'unsupported_architecture',
        'use_sliding_window is not supported for qwen2_moe, because implementations disagree about its layers',
      );
    return plainShape(config, { defaults: { normEps: 1e-6 }, layerOf: layerWithShared });
  },
};

function layerWithShared(fields: FieldReader, place: LayerPlace): LayerWithoutHeads {
  const layer = plainLayer(fields, place);
  if (!hasExperts(fields, place.index)) return layer;
  return {
    ...layer,
    mlp: { ...expertsWithShared(fields), normalised: fields.flag('norm_topk_prob', false) },
  };
}

/** The layers of Qwen3 with experts. `normalised` applies if the configuration does not say it. */
export const layersWithExperts =
  (normalised: boolean) =>
  (fields: FieldReader, place: LayerPlace): LayerWithoutHeads => {
    const layer = plainLayer(fields, place);
    if (!hasExperts(fields, place.index)) return layer;
    return {
      ...layer,
      mlp: { ...qwenExperts(fields), normalised: fields.flag('norm_topk_prob', normalised) },
    };
  };

const qwenExperts = (fields: FieldReader) =>
  expertsOf(fields, {
    width: 'moe_intermediate_size',
    experts: 'num_experts',
    perToken: 'num_experts_per_tok',
  });

/** Experts beside one that every token uses. */
export const expertsWithShared = (fields: FieldReader) => ({
  ...qwenExperts(fields),
  shared: {
    width: fields.integer('shared_expert_intermediate_size', { max: 1 << 18 }),
    isGated: true,
  },
});

export function hasExperts(fields: FieldReader, index: number): boolean {
  const isIndex = (item: unknown): item is number => Number.isSafeInteger(item);
  const dense = fields.list('mlp_only_layers', isIndex, MAX_LAYERS) ?? [];
  return (
    !dense.includes(index) && (index + 1) % fields.integer('decoder_sparse_step', { or: 1 }) === 0
  );
}
