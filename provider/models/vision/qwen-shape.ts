import type { DecoderShape } from '../decoder-shape.ts';
import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import { deepLayersOf } from './deep-layers.ts';
import { MOST_TOKENS, type Scaling, type VisionShape } from './vision-shape.ts';

/**
 * Reads the tower of Qwen3-VL and Qwen 3.5 from `config.json`, and the preparation of images from
 * `preprocessor_config.json`. Throws ModelError for anything that is not computed.
 */
export function readQwenShape(
  config: JsonObject,
  preparation: JsonObject | undefined,
  decoder: DecoderShape,
): VisionShape {
  const outer = new FieldReader(config, 'config.json');
  const fields = outer.object('vision_config');
  if (fields === undefined) throw new ModelError('malformed_config', 'vision_config is missing');
  fields.text('hidden_act', ['gelu_pytorch_tanh'], { or: undefined });
  fields.integer('in_channels', { min: COLOURS, max: COLOURS, or: COLOURS });
  const shape = {
    family: 'qwen',
    hidden: fields.integer('hidden_size', { max: 8_192 }),
    heads: fields.integer('num_heads', { max: 256 }),
    inner: fields.integer('intermediate_size', { max: 65_536 }),
    layers: fields.integer('depth', { max: 128 }),
    normEps: 1e-6,
    patch: fields.integer('patch_size', { max: 64 }),
    frames: fields.integer('temporal_patch_size', { max: 4 }),
    pooled: fields.integer('spatial_merge_size', { max: 8 }),
    out: fields.integer('out_hidden_size', { max: 1 << 16 }),
    positionsAcross: Math.sqrt(fields.integer('num_position_embeddings', { max: 1 << 16 })),
    ropeTheta: fields.object('rope_parameters')?.number('rope_theta', { min: 1, or: 1e4 }) ?? 1e4,
    deepLayers: deepLayersOf(outer),
  } as const;
  checkShape(shape, decoder);
  return { ...shape, scaling: readScaling(preparation, shape) };
}

const COLOURS = 3;

type ReadShape = Omit<VisionShape, 'scaling'>;

function checkShape(shape: ReadShape, decoder: DecoderShape): void {
  const { hidden, heads, layers, positionsAcross, deepLayers, out } = shape;
  const wrong = (what: string) =>
    new ModelError('malformed_config', `config.json.vision_config: ${what}`);
  if (hidden % (4 * heads) !== 0)
    throw wrong(
      `hidden_size is ${hidden} but must be a multiple of four times num_heads, ${heads}, because rows and columns rotate pairs of numbers`,
    );
  if (!Number.isInteger(positionsAcross))
    throw wrong(`num_position_embeddings is ${positionsAcross ** 2} but must be a square number`);
  if (out !== decoder.hidden)
    throw wrong(`out_hidden_size is ${out} but the decoder has the width ${decoder.hidden}`);
  if (deepLayers.some((layer, i) => layer >= layers || layer <= (deepLayers[i - 1] ?? -1)))
    throw wrong(`deepstack_visual_indexes must name some of the ${layers} layers, in rising order`);
  if (decoder.ropes.some(({ sections }) => sections === undefined))
    throw wrong('the decoder rotates by the places of tokens alone, without rows and columns');
}

function readScaling(
  preparation: JsonObject | undefined,
  { patch, frames, pooled }: ReadShape,
): Scaling {
  if (preparation === undefined)
    throw new ModelError(
      'missing_file',
      'preprocessor_config.json, which says how images are prepared for the vision tower',
    );
  const fields = new FieldReader(preparation, 'preprocessor_config.json');
  const same = (name: string, value: number) =>
    fields.integer(name, { min: value, max: value, or: value });
  same('patch_size', patch);
  same('temporal_patch_size', frames);
  same('merge_size', pooled);
  same('resample', BICUBIC);
  for (const name of ['image_mean', 'image_std']) {
    const isHalf = (item: unknown): item is number => item === 0.5;
    if (fields.list(name, isHalf, COLOURS)?.length !== COLOURS)
      throw new ModelError(
        'unsupported_architecture',
        `preprocessor_config.json.${name} must be [0.5, 0.5, 0.5]`,
      );
  }
  for (const name of ['do_resize', 'do_rescale', 'do_normalize'])
    if (!fields.flag(name, true))
      throw new ModelError('unsupported_architecture', `preprocessor_config.json: ${name} is off`);
  return boundsOf(fields, (patch * pooled) ** 2);
}

/**
 * The bounds of an image's pixels. Older files name them `min_pixels` and `max_pixels`. A larger image
 * than one of MOST_TOKENS is made smaller: the largest that the files allow would need about a hundred
 * times the time of a usual one.
 */
function boundsOf(fields: FieldReader, pixelsOfToken: number): Scaling {
  const size = fields.object('size');
  const bound = (older: string, newer: string): number => {
    const from = fields.has(older) ? fields : size;
    if (from === undefined)
      throw new ModelError('malformed_config', 'preprocessor_config.json.size is missing');
    return from.integer(fields.has(older) ? older : newer, { max: 1 << 30 });
  };
  const leastPixels = bound('min_pixels', 'shortest_edge');
  const wanted = bound('max_pixels', 'longest_edge');
  const most = MOST_TOKENS * pixelsOfToken;
  if (leastPixels > wanted || leastPixels > most / 4)
    throw new ModelError(
      'malformed_config',
      `preprocessor_config.json: the least number of pixels, ${leastPixels}, is above the largest one or above ${most / 4}`,
    );
  return { kind: 'within', leastPixels, mostPixels: Math.min(wanted, most) };
}

const BICUBIC = 3;
