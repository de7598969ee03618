import type { DecoderShape } from './decoder-shape.ts';
import { gemma4Shape } from './families/gemma4.ts';
import { FieldReader } from './field-reader.ts';
import type { JsonObject } from './json.ts';
import { ModelError } from './model-error.ts';

/** The values of `model_type` of assistants. The second one is that of Gemma 4 12B. */
const TYPES: readonly unknown[] = ['gemma4_assistant', 'gemma4_unified_assistant'];

/** In place of the layer whose keys are read, until the model that has them is known. */
const NOT_KNOWN_YET = -1;

interface AssistantShape {
  readonly shape: DecoderShape;
  /** The size of the states of the model that it assists. */
  readonly modelHidden: number;
  /** Set if tokens of some groups of the vocabulary get logits. */
  readonly groups?: { readonly count: number; readonly chosen: number };
}

export const isAssistant = (config: JsonObject): boolean => TYPES.includes(config['model_type']);

/** Throws ModelError. */
export function readAssistantShape(config: JsonObject): AssistantShape {
  const outer = new FieldReader(config, 'config.json');
  const fields = outer.object('text_config');
  if (fields === undefined)
    throw new ModelError('malformed_config', 'an assistant has no text_config');
  const shape = gemma4Shape({ fields, outer }, () => NOT_KNOWN_YET);
  // Four is how many numbers the kernels of a GPU process at a time.
  if (shape.perLayer || shape.layers.some((layer) => layer.expertsBeside) || shape.hidden % 4 !== 0)
    throw new ModelError(
      'unsupported_architecture',
      'an assistant with experts, with embeddings for each layer or with an odd size is not supported',
    );
  const modelHidden = outer.integer('backbone_hidden_size', { max: 1 << 16 });
  // Only the most likely token counts, and a cap would not change which one it is.
  const made = { shape: { ...shape, prefix: '', logitSoftcap: 0 }, modelHidden };
  if (!outer.flag('use_ordered_embeddings', false)) return made;
  const count = outer.integer('num_centroids', { max: shape.vocabulary, or: 2048 });
  if (shape.vocabulary % count !== 0)
    throw new ModelError(
      'malformed_config',
      `vocab_size is ${shape.vocabulary} but must be a multiple of num_centroids, ${count}`,
    );
  const chosen = outer.integer('centroid_intermediate_top_k', { max: count, or: 32 });
  return { ...made, groups: { count, chosen } };
}
