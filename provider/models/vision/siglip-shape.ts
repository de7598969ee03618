import type { DecoderShape } from '../decoder-shape.ts';
import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { VisionShape } from './vision-shape.ts';

/** Most tokens of an image: all of them are computed in one step, with room for others. */
const MOST_TOKENS_OF_STEP = 256;

/**
 * Reads the tower of Gemma 3, SigLIP, from `config.json`, and the preparation of images from
 * `preprocessor_config.json`. Throws ModelError if it is not exactly that of Gemma 3.
 */
export function readSiglipShape(
  config: JsonObject,
  preparation: JsonObject,
  decoder: DecoderShape,
): VisionShape {
  const outer = new FieldReader(config, 'config.json');
  const fields = outer.object('vision_config');
  if (fields === undefined) throw new ModelError('malformed_config', 'vision_config is missing');
  fields.text('model_type', ['siglip_vision_model']);
  fields.text('hidden_act', ['gelu_pytorch_tanh'], { or: undefined });
  const shape = {
    family: 'siglip',
    hidden: fields.integer('hidden_size', { max: 8_192 }),
    heads: fields.integer('num_attention_heads', { max: 256 }),
    inner: fields.integer('intermediate_size', { max: 65_536 }),
    layers: fields.integer('num_hidden_layers', { max: 128 }),
    normEps: fields.number('layer_norm_eps', { max: 1, or: 1e-6 }),
    patch: fields.integer('patch_size', { max: 64 }),
    frames: 1,
    out: decoder.hidden,
    ropeTheta: 0,
    deepLayers: [],
  } as const;
  const side = fields.integer('image_size', { max: 2_048 });
  const tokens = outer.integer('mm_tokens_per_image', { max: MOST_TOKENS_OF_STEP, or: 256 });
  const pooled = side / shape.patch / Math.sqrt(tokens);
  if (shape.hidden % shape.heads !== 0 || !Number.isInteger(pooled))
    throw new ModelError(
      'malformed_config',
      `config.json.vision_config: ${shape.heads} heads do not divide the width, or ${tokens} tokens do not divide the patches`,
    );
  // A token of an image sees all tokens of the image, so that a window must not be smaller.
  if (decoder.layers.some(({ window }) => window > 0 && window < tokens))
    throw new ModelError('malformed_config', `a window has fewer tokens than an image, ${tokens}`);
  checkPreparation(preparation, side);
  return {
    ...shape,
    pooled,
    positionsAcross: side / shape.patch,
    scaling: { kind: 'square', side },
  };
}

/**
 * Checks that images are prepared in the way that is computed: scaled to the side of the tower, with
 * numbers from -1 to 1. Throws ModelError if not.
 */
function checkPreparation(config: JsonObject, side: number): void {
  const fields = new FieldReader(config, 'preprocessor_config.json');
  const isHalf = (item: unknown): item is number => item === 0.5;
  fields.list('image_mean', isHalf, 3);
  fields.list('image_std', isHalf, 3);
  const isUsual =
    fields.integer('resample', { min: 0, or: BILINEAR }) === BILINEAR &&
    fields.object('size')?.integer('height', { or: side }) === side &&
    !fields.flag('do_pan_and_scan', false);
  if (!isUsual)
    throw new ModelError(
      'unsupported_architecture',
      `preprocessor_config.json prepares images in another way than scaling them to ${side} pixels on a side`,
    );
}

const BILINEAR = 2;
