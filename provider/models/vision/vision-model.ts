import type { DecoderShape } from '../decoder-shape.ts';
import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import type { ModelFolder } from '../model-folder.ts';
import type { Tensors } from '../safetensors.ts';
import { readGemma4Shape } from './gemma4-shape.ts';
import type { GatedWeights } from './gemma4-tower-weights.ts';
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
  readonly weights: VisionWeights | GatedWeights;
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
  const files = {
    preparation: await folder.jsonIfAny('preprocessor_config.json'),
    processor: await folder.jsonIfAny('processor_config.json'),
  };
  const shape = readVisionShape(config, files, decoder);
  if (shape === undefined) return undefined;
  const weights = findVisionWeights(shape, tensors, config);
  const numbers = listVisionWeights(weights).map((tensor) =>
    tensor.shape.reduce((product, side) => product * side, 1),
  );
  const projected = weights.kind === 'gated' ? weights.projection.out * weights.projection.in : 0;
  return { shape, weights, size: numbers.reduce((sum, count) => sum + count, projected) };
}

interface PreparationFiles {
  readonly preparation: JsonObject | undefined;
  /** Newer files have the settings of all preparations, in one object for each. */
  readonly processor: JsonObject | undefined;
}

/**
 * Reads the tower of a model, and how images are prepared for it. Returns undefined if the model has
 * none that is computed: it then reads only text. Throws ModelError for a tower of a known family that
 * is malformed.
 */
function readVisionShape(
  config: JsonObject,
  { preparation, processor }: PreparationFiles,
  decoder: DecoderShape,
): VisionShape | undefined {
  if (config['vision_config'] === undefined) return undefined;
  switch (config['model_type']) {
    case 'gemma3':
      return readSiglipShape(config, preparation ?? {}, decoder);
    case 'qwen3_vl':
    case 'qwen3_vl_moe':
    case 'qwen3_5':
    case 'qwen3_5_moe':
      return readQwenShape(config, preparation, decoder);
    case 'gemma4':
      return readGemma4Shape(config, preparationOf({ preparation, processor }), decoder);
    default:
      return undefined;
  }
}

/** The settings of the preparation of images. As in transformers, those of the newer file count. */
function preparationOf({ preparation, processor = {} }: PreparationFiles): FieldReader {
  const newer = new FieldReader(processor, 'processor_config.json').object('image_processor');
  return newer ?? new FieldReader(preparation ?? {}, 'preprocessor_config.json');
}
