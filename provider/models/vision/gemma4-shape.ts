import type { DecoderShape } from '../decoder-shape.ts';
import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { GatedShape } from './vision-shape.ts';

/** The largest numbers of tokens of an image with which the models were trained. */
const TRAINED_TOKENS: readonly number[] = [70, 140, 280, 560, 1_120];
/**
 * Most tokens of an image here. Small images are made larger, so that an image has about as many tokens
 * as are allowed, and money is held for at most 320 tokens of a small image.
 */
const MOST_TOKENS_OF_IMAGE = 280;

/**
 * Reads the tower of Gemma 4 from `config.json`, and the preparation of images. Throws ModelError for
 * anything that is not computed.
 */
export function readGemma4Shape(
  config: JsonObject,
  preparation: FieldReader,
  decoder: DecoderShape,
): GatedShape {
  const outer = new FieldReader(config, 'config.json');
  const fields = outer.object('vision_config');
  if (fields === undefined) throw new ModelError('malformed_config', 'vision_config is missing');
  fields.text('hidden_activation', ['gelu_pytorch_tanh'], { or: undefined });
  const heads = fields.integer('num_attention_heads', { max: 256 });
  fields.integer('num_key_value_heads', { min: heads, max: heads, or: heads });
  if (fields.flag('attention_bias', false))
    throw new ModelError(
      'unsupported_architecture',
      'config.json.vision_config.attention_bias is not supported',
    );
  const rope = fields.object('rope_parameters');
  rope?.text('rope_type', ['default', 'axial'], { or: undefined });
  const patch = fields.integer('patch_size', { max: 64 });
  const pooled = fields.integer('pooling_kernel_size', { max: 8 });
  const tokens = readTokens(outer, preparation, { patch, pooled });
  const shape: GatedShape = {
    family: 'gemma4',
    hidden: fields.integer('hidden_size', { max: 8_192 }),
    heads,
    inner: fields.integer('intermediate_size', { max: 65_536 }),
    layers: fields.integer('num_hidden_layers', { max: 128 }),
    normEps: fields.number('rms_norm_eps', { max: 1, or: 1e-6 }),
    patch,
    frames: 1,
    pooled,
    out: decoder.hidden,
    positionsAcross: fields.integer('position_embedding_size', { max: 1 << 16, or: 10_240 }),
    ropeTheta: rope?.number('rope_theta', { min: 1, or: 100 }) ?? 100,
    deepLayers: [],
    scaling: { kind: 'budget', tokens },
    gated: {
      headDim: fields.integer('head_dim', { max: 1_024 }),
      clips: fields.flag('use_clipped_linears', false),
      standardises: fields.flag('standardize', false),
      isWhole: outer.object('text_config')?.anyText('use_bidirectional_attention') === 'vision',
    },
  };
  checkShape(shape, decoder, tokens);
  return shape;
}

function checkShape(
  { gated, pooled, positionsAcross }: GatedShape,
  decoder: DecoderShape,
  tokens: number,
): void {
  const wrong = (what: string) =>
    new ModelError('malformed_config', `config.json.vision_config: ${what}`);
  if (gated.headDim % 4 !== 0)
    throw wrong(
      `head_dim is ${gated.headDim} but must be a multiple of four, because rows and columns rotate pairs of numbers`,
    );
  // An image with the most extreme proportions has all of its tokens in one row.
  if (positionsAcross < tokens * pooled)
    throw wrong(
      `position_embedding_size is ${positionsAcross} but an image may have ${tokens * pooled} patches on a side`,
    );
  if (gated.isWhole && decoder.layers.some(({ window }) => window > 0 && window < tokens))
    throw new ModelError('malformed_config', `a window has fewer tokens than an image, ${tokens}`);
}

/**
 * Returns the most tokens of an image, after checking that images are prepared in the way that is
 * computed: scaled by a bicubic filter, without a normalisation of colours.
 */
function readTokens(
  outer: FieldReader,
  preparation: FieldReader,
  { patch, pooled }: { patch: number; pooled: number },
): number {
  const same = (name: string, value: number) =>
    preparation.integer(name, { min: value, max: value, or: value });
  same('patch_size', patch);
  same('pooling_kernel_size', pooled);
  same('resample', BICUBIC);
  preparation.number('rescale_factor', { min: 1 / 256, max: 1 / 254, or: 1 / 255 });
  const isUsual =
    preparation.flag('do_resize', true) &&
    preparation.flag('do_rescale', true) &&
    !preparation.flag('do_normalize', false);
  if (!isUsual)
    throw new ModelError(
      'unsupported_architecture',
      'the preparation of images does not scale them, or normalises their colours',
    );
  const most = TRAINED_TOKENS.at(-1) as number;
  const ofModel = outer.integer('vision_soft_tokens_per_image', { max: most, or: 280 });
  const wanted = preparation.integer('max_soft_tokens', { max: most, or: ofModel });
  if (!TRAINED_TOKENS.includes(wanted))
    throw new ModelError(
      'unsupported_architecture',
      `images of ${wanted} tokens are not supported; supported are ${TRAINED_TOKENS.join(', ')}`,
    );
  return Math.min(wanted, MOST_TOKENS_OF_IMAGE);
}

const BICUBIC = 3;
