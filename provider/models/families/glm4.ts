import type { LayerShape } from '../decoder-shape.ts';
import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import type { Family } from './family.ts';
import {
  denseMlp,
  expertsOf,
  type LayerPlace,
  type LayerWithoutHeads,
  plainShape,
  rotatedOf,
} from './plain-shape.ts';

/** GLM-4-0414, which rotates pairs of adjacent numbers in the first half of a head. */
export const GLM4: Family = {
  types: ['glm4'],
  read: (config) => {
    const plain = plainShape(config, { defaults: { headDim: 128, contextTokens: 131_072 } });
    const rotated = rotatedOf(config.fields, { headDim: plain.headDim, factor: 0.5 });
    return {
      ...plain,
      fused: ['gateUp'],
      norms: {
        attentionInput: 'input_layernorm',
        attentionOutput: 'post_self_attn_layernorm',
        mlpInput: 'post_attention_layernorm',
        mlpOutput: 'post_mlp_layernorm',
      },
      ropes: plain.ropes.map((rope) => ({ ...rope, rotated, pairsNeighbours: true })),
    };
  },
};

/** GLM-4.5 and 4.6. The layer that drafts tokens is not read. */
export const GLM4_MOE: Family = {
  types: ['glm4_moe'],
  read: (config) => {
    const { fields } = config;
    const plain = plainShape(config, {
      defaults: { headDim: 128, contextTokens: 131_072 },
      layerOf,
    });
    const rotated = rotatedOf(fields, { headDim: plain.headDim, factor: 0.5 });
    return {
      ...plain,
      qkNorm: fields.flag('use_qk_norm', false) ? 'heads' : 'none',
      ropes: plain.ropes.map((rope) => ({ ...rope, rotated })),
    };
  },
};

const layerOf = (fields: FieldReader, { index, layers }: LayerPlace): LayerWithoutHeads => ({
  rope: 0,
  window: 0,
  mlp:
    index < fields.integer('first_k_dense_replace', { min: 0, max: layers, or: 1 })
      ? denseMlp(fields)
      : glmExperts(fields),
});

function glmExperts(fields: FieldReader): LayerShape['mlp'] {
  fields.text('scoring_func', ['sigmoid'], { or: undefined });
  fields.text('topk_method', ['noaux_tc'], { or: undefined });
  const experts = expertsOf(fields, {
    width: 'moe_intermediate_size',
    experts: 'n_routed_experts',
    perToken: 'num_experts_per_tok',
  });
  const shared = fields.integer('n_shared_experts', { min: 0, max: 64, or: 1 });
  return {
    ...experts,
    ...groupsOf(fields, experts),
    usesSigmoid: true,
    normalised: fields.flag('norm_topk_prob', true),
    shareScale: fields.number('routed_scaling_factor', { min: 1e-4, max: 1e4, or: 1 }),
    ...(shared > 0 && { shared: { width: shared * experts.width, isGated: false } }),
  };
}

function groupsOf(
  fields: FieldReader,
  { experts, perToken }: { experts: number; perToken: number },
): { groups?: { count: number; chosen: number } } {
  const count = fields.integer('n_group', { max: experts, or: 1 });
  if (count === 1) return {};
  const chosen = fields.integer('topk_group', { max: count });
  const each = experts / count;
  if (!Number.isInteger(each) || each < 2 || perToken > chosen * each)
    throw new ModelError(
      'malformed_config',
      `n_group divides ${experts} experts into ${count} groups, but each must have two or more, and ${chosen} of them at least num_experts_per_tok, ${perToken}`,
    );
  return { groups: { count, chosen } };
}
