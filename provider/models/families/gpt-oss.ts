import type { LayerShape } from '../decoder-shape.ts';
import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import type { DecoderConfig, Family } from './family.ts';
import { type LayerPlace, layerTypesOf, plainShape, windowOf } from './plain-shape.ts';

const LAYER_TYPES = ['sliding_attention', 'full_attention'] as const;

export const GPT_OSS: Family = {
  types: ['gpt_oss'],
  read: (config: DecoderConfig) => {
    const plain = plainShape(config, {
      defaults: { headDim: 64, ropeTheta: 150_000 },
      activation: () => 'clamped_silu',
      layerOf: (fields, place) => ({
        rope: 0,
        window: gptOssWindow(fields, place),
        mlp: gptOssExperts(fields),
      }),
    });
    if (plain.ropes.some(({ scaling }) => scaling.kind !== 'yarn'))
      throw new ModelError(
        'malformed_config',
        'config.json.rope_scaling must have the type yarn, because gpt-oss was trained with it',
      );
    return {
      ...plain,
      activationLimit: config.fields.number('swiglu_limit', { min: 0.1, max: 1e4, or: 7 }),
      attentionSinks: true,
      requiresBiases: true,
    };
  },
};

/** Without `layer_types`, every second layer sees all tokens. */
function gptOssWindow(fields: FieldReader, place: LayerPlace): number {
  const types = layerTypesOf(fields, LAYER_TYPES, place);
  const { index } = place;
  const type = types?.[index] ?? LAYER_TYPES[index % 2];
  return type === 'full_attention' ? 0 : windowOf(fields, 128);
}

function gptOssExperts(fields: FieldReader): LayerShape['mlp'] {
  const experts = fields.integer('num_local_experts', { max: 4096 });
  return {
    kind: 'experts',
    layout: 'gpt_oss',
    width: fields.integer('intermediate_size', { max: 1 << 18 }),
    experts,
    perToken: fields.integer(
      fields.has('num_experts_per_tok') ? 'num_experts_per_tok' : 'experts_per_token',
      { max: Math.min(experts, 64), or: 4 },
    ),
    usesSigmoid: false,
    normalised: true,
    shareScale: 1,
  };
}
