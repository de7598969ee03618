import type { Experts } from './decoder-shape.ts';
import type { FieldReader } from './field-reader.ts';
import { ModelError } from './model-error.ts';

const LAYER_TYPES = ['sliding_attention', 'full_attention'] as const;
type LayerType = (typeof LAYER_TYPES)[number];
const isLayerType = (item: unknown): item is LayerType => LAYER_TYPES.includes(item as LayerType);

/** The window of a layer of gpt-oss. Without `layer_types`, every second layer sees all tokens. */
export function gptOssWindow(
  fields: FieldReader,
  { index, layers }: { index: number; layers: number },
): number {
  const types = fields.list('layer_types', isLayerType, layers);
  if (types !== undefined && types.length !== layers)
    throw new ModelError(
      'malformed_config',
      `config.json.layer_types has ${types.length} items but must have ${layers}, one for each layer`,
    );
  const type = types?.[index] ?? LAYER_TYPES[index % 2];
  if (type === 'full_attention') return 0;
  return fields.integer('sliding_window', { max: 10_000_000, or: 128 });
}

export function gptOssExperts(fields: FieldReader): Experts {
  const experts = fields.integer('num_local_experts', { max: 4096 });
  return {
    kind: 'experts',
    width: fields.integer('intermediate_size', { max: 1 << 18 }),
    experts,
    perToken: fields.integer(
      fields.has('num_experts_per_tok') ? 'num_experts_per_tok' : 'experts_per_token',
      { max: Math.min(experts, 64), or: 4 },
    ),
    normalised: true,
  };
}
