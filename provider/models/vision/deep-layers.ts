import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';

/** Most layers whose numbers go to the decoder. */
const MOST_DEEP = 16;

/**
 * The layers of a tower of Qwen after which numbers for the decoder's first layers are made. Qwen 3.5 has
 * none.
 */
export function deepLayersOf(config: FieldReader): readonly number[] {
  const isIndex = (item: unknown): item is number =>
    Number.isSafeInteger(item) && (item as number) >= 0;
  const tower = config.object('vision_config');
  const layers = tower?.list('deepstack_visual_indexes', isIndex, MOST_DEEP) ?? [];
  const isDeep = ['qwen3_vl', 'qwen3_vl_moe'].includes(config.anyText('model_type') ?? '');
  if (isDeep || layers.length === 0) return layers;
  throw new ModelError(
    'unsupported_architecture',
    'deepstack_visual_indexes is supported for Qwen3-VL alone',
  );
}
