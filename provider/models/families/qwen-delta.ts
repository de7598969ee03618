import type { DecoderShape, DeltaShape, LayerShape } from '../decoder-shape.ts';
import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import type { DecoderConfig, Family } from './family.ts';
import { denseMlp, type LayerPlace, layerTypesOf, plainShape, rotatedOf } from './plain-shape.ts';
import { expertsWithShared, hasExperts } from './qwen.ts';
import { withSections } from './qwen-vl.ts';

/**
 * Qwen 3.5 and the versions after it with the same `model_type`. Its experts, if it has any, are in
 * every layer.
 */
export const QWEN3_5: Family = {
  types: ['qwen3_5', 'qwen3_5_text', 'qwen3_5_moe', 'qwen3_5_moe_text'],
  nestedTypes: ['qwen3_5', 'qwen3_5_moe'],
  read: (config) =>
    withSections(
      hybridShape(config, (fields) =>
        fields.has('num_experts') ? expertsBesideShared(fields) : denseMlp(fields),
      ),
      config,
      [11, 11, 10],
    ),
};

export const QWEN3_NEXT: Family = {
  types: ['qwen3_next'],
  read: (config) =>
    hybridShape(config, (fields, { index }) =>
      hasExperts(fields, index) ? expertsBesideShared(fields) : denseMlp(fields),
    ),
};

type MlpOf = (fields: FieldReader, place: LayerPlace) => LayerShape['mlp'];

/** Most layers have Gated DeltaNet. Every fourth one, by default, has attention. */
function hybridShape(config: DecoderConfig, mlpOf: MlpOf): Omit<DecoderShape, 'prefix'> {
  const { fields } = config;
  const plain = plainShape(config, {
    defaults: { normEps: 1e-6 },
    layerOf: (_, place) => ({
      rope: 0,
      window: 0,
      mlp: mlpOf(fields, place),
      ...(isLinear(fields, place) && { delta: deltaOf(fields) }),
    }),
  });
  if (plain.layers.every(({ delta }) => delta !== undefined))
    throw new ModelError('unsupported_architecture', 'a model without attention is not supported');
  const rotated = rotatedOf(fields, { headDim: plain.headDim, factor: 0.25 });
  return {
    ...plain,
    qkNorm: 'heads',
    gatedAttention: fields.flag('attn_output_gate', true),
    ...headOf(fields, { ...plain, mlpOf }),
    ropes: plain.ropes.map((rope) => ({ ...rope, rotated })),
  };
}

/** The layer of the head that drafts tokens has attention, and is otherwise like the last layer. */
function headOf(
  fields: FieldReader,
  { layers, mlpOf }: Pick<DecoderShape, 'layers'> & { readonly mlpOf: MlpOf },
): Pick<DecoderShape, 'head'> {
  const [attention] = layers.filter(({ delta }) => delta === undefined);
  const count = fields.integer('mtp_num_hidden_layers', { min: 0, or: 1 });
  const isShared = !fields.flag('mtp_use_dedicated_embeddings', false);
  if (attention === undefined || count !== 1 || !isShared) return {};
  const place = { index: layers.length - 1, layers: layers.length };
  return { head: { ...attention, mlp: mlpOf(fields, place) } };
}

const LAYER_TYPES = ['linear_attention', 'full_attention'] as const;

function isLinear(fields: FieldReader, place: LayerPlace): boolean {
  const types = layerTypesOf(fields, LAYER_TYPES, place);
  const { index } = place;
  if (types === undefined)
    return (index + 1) % fields.integer('full_attention_interval', { or: 4 }) !== 0;
  return types[index] === 'linear_attention';
}

function deltaOf(fields: FieldReader): DeltaShape {
  const keyHeads = fields.integer('linear_num_key_heads', { max: 1024 });
  const valueHeads = fields.integer('linear_num_value_heads', { max: 1024 });
  if (valueHeads % keyHeads !== 0)
    throw new ModelError(
      'malformed_config',
      `linear_num_value_heads is ${valueHeads} but must be a multiple of linear_num_key_heads, ${keyHeads}`,
    );
  return {
    keyHeads,
    valueHeads,
    keyDim: fields.integer('linear_key_head_dim', { max: 512 }),
    valueDim: fields.integer('linear_value_head_dim', { max: 512 }),
    convolution: fields.integer('linear_conv_kernel_dim', { min: 2, max: 16 }),
  };
}

const expertsBesideShared = (fields: FieldReader): LayerShape['mlp'] => ({
  ...expertsWithShared(fields),
  normalised: fields.flag('norm_topk_prob', true),
});
