import type { DecoderShape } from '../decoder-shape.ts';
import type { JsonObject } from '../json.ts';
import type { ModelFolder } from '../model-folder.ts';
import type { Tensors } from '../safetensors.ts';
import {
  checkPreparation,
  hasKnownTower,
  readVisionShape,
  type VisionShape,
} from './vision-shape.ts';
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
  if (!hasKnownTower(config) || !hasTowerWeights(tensors)) return undefined;
  const shape = readVisionShape(config, decoder);
  checkPreparation((await folder.jsonIfAny('preprocessor_config.json')) ?? {}, shape);
  const weights = findVisionWeights(shape, tensors, config);
  const numbers = listVisionWeights(weights).map((tensor) =>
    tensor.shape.reduce((product, side) => product * side, 1),
  );
  return { shape, weights, size: numbers.reduce((sum, count) => sum + count, 0) };
}
