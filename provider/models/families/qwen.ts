import type { FieldReader } from '../field-reader.ts';
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
  read: (config) => ({ ...plainShape(config), qkNorm: true }),
};

export const QWEN3_MOE: Family = {
  types: ['qwen3_moe'],
  read: (config) => ({ ...plainShape(config, { layerOf: layerWithExperts }), qkNorm: true }),
};

function layerWithExperts(fields: FieldReader, place: LayerPlace): LayerWithoutHeads {
  const layer = plainLayer(fields, place);
  if (!hasExperts(fields, place.index)) return layer;
  return {
    ...layer,
    mlp: { ...qwenExperts(fields), normalised: fields.flag('norm_topk_prob', false) },
  };
}

export const qwenExperts = (fields: FieldReader) =>
  expertsOf(fields, {
    width: 'moe_intermediate_size',
    experts: 'num_experts',
    perToken: 'num_experts_per_tok',
  });

export function hasExperts(fields: FieldReader, index: number): boolean {
  const isIndex = (item: unknown): item is number => Number.isSafeInteger(item);
  const dense = fields.list('mlp_only_layers', isIndex, MAX_LAYERS) ?? [];
  return (
    !dense.includes(index) && (index + 1) % fields.integer('decoder_sparse_step', { or: 1 }) === 0
  );
}
