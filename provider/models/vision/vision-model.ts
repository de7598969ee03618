import type { DecoderShape } from '../decoder-shape.ts';
import type { JsonObject } from '../json.ts';
import type { ModelFolder } from '../model-folder.ts';
import type { Tensors } from '../safetensors.ts';
import { readQwenShape } from './qwen-shape.ts';
import { readSiglipShape } from './siglip-shape.ts';
import type { VisionShape } from './vision-shape.ts';
import {
  findVisionWeights,
  hasTowerWeights,
  listVisionWeights,
  type VisionWeights,
} from './vision-weights.ts';

/** The part of a model that makes embeddings of images, and the positions of its weights. */
export interface VisionModel {
  readonly shape: VisionShape;
  readonly weights: VisionWeights;
  /** Number of its weights. */
  readonly size: number;
}

/**
 * Returns undefined if the folder has no tower, or one of another kind: the model then reads only text.
 * Throws ModelError if the tower is malformed.
 */
export async function openVision(
  folder: ModelFolder,
  { config, tensors, decoder }: { config: JsonObject; tensors: Tensors; decoder: DecoderShape },
): Promise<VisionModel | undefined> {
  if (!hasTowerWeights(tensors)) return undefined;
  const preparation = await folder.jsonIfAny('preprocessor_config.json');
  const shape = readVisionShape(config, preparation, decoder);
  if (shape === undefined) return undefined;
  const weights = findVisionWeights(shape, tensors, config);
  const numbers = listVisionWeights(weights).map((tensor) =>
    tensor.shape.reduce((product, side) => product * side, 1),
  );
  return { shape, weights, size: numbers.reduce((sum, count) => sum + count, 0) };
}

/**
 * Reads the tower of a model, and how images are prepared for it. Returns undefined if the model has
 * none that is computed: it then reads only text. Throws ModelError for a tower of a known family that
 * is malformed.
 */
function readVisionShape(
  config: JsonObject,
  preparation: JsonObject | undefined,
  decoder: DecoderShape,
): VisionShape | undefined {
  if (config['vision_config'] === undefined) return undefined;
  switch (config['model_type']) {
    case 'gemma3':
      return readSiglipShape(config, preparation ?? {}, decoder);
    case 'qwen3_vl':
    case 'qwen3_5':
    case 'qwen3_5_moe':
      return readQwenShape(config, preparation, decoder);
    default:
      return undefined;
  }
}
