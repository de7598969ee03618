import type { DecoderModel } from '../../models/model.ts';
import { ModelError } from '../../models/model-error.ts';
import { bytesOfImage } from '../../models/vision/vision-shape.ts';
import {
  type Backend,
  keptBytes,
  kvBytesPerToken,
  layerStateBytes,
  stateBytes,
} from '../decoders/decoder.ts';

/** Context in tokens for which each model must have room. */
const LEAST_CONTEXT = 2_048;

interface NamedModel extends DecoderModel {
  readonly build: string;
  readonly drafter?: DecoderModel;
}

interface Memory {
  readonly backend: Pick<Backend, 'cacheNumberBytes'>;
  /** Memory for models and their caches, in bytes. */
  readonly memoryBytes: number;
}

/**
 * Divides models into those that this machine can load, each for itself, and those that it cannot. A
 * model that fits only without its draft model or its assistant gets none. A model is refused before it is loaded: a load that runs out of memory would end the whole program.
 */
export function modelsThatFit<M extends NamedModel>(
  models: readonly M[],
  { backend, memoryBytes }: Memory,
): { fitting: M[]; refused: { build: string; error: ModelError }[] } {
  const needs = models.map((given) => {
    const isTooLarge = leastBytes(given, backend) > memoryBytes;
    const model = isTooLarge ? withoutDrafter(given) : given;
    return { model, needed: leastBytes(model, backend) };
  });
  return {
    fitting: needs.filter(({ needed }) => needed <= memoryBytes).map(({ model }) => model),
    refused: needs
      .filter(({ needed }) => needed > memoryBytes)
      .map(({ model: { build }, needed }) => ({
        build,
        error: new ModelError(
          'too_large',
          `${build} needs ${needed} bytes of memory, and this machine has ${memoryBytes} bytes for models`,
        ),
      })),
  };
}

function withoutDrafter<M extends NamedModel>(model: M): M {
  const { drafter, assistant, ...rest } = model;
  return rest as M;
}

/**
 * Memory for the cache of each model, in bytes. The models that fit beside one another, in their
 * order, share what their weights leave free. Another model gets as large a cache as they have, if
 * there is room for that when it is alone.
 */
export function cacheShares(
  models: readonly NamedModel[],
  { backend, memoryBytes }: Memory,
): ReadonlyMap<string, number> {
  const together = new Set<NamedModel>();
  let free = memoryBytes;
  let weights = 0;
  for (const model of models) {
    const needed = leastBytes(model, backend);
    if (needed > free) continue;
    free -= needed;
    weights += weightBytesOf(model);
    together.add(model);
  }
  const share = Math.max(0, memoryBytes - weights) / Math.max(1, together.size);
  return new Map(
    models.map((model) => {
      const alone = Math.max(0, memoryBytes - weightBytesOf(model));
      const least = leastBytes(model, backend) - weightBytesOf(model);
      return [model.build, together.has(model) ? share : Math.min(alone, Math.max(share, least))];
    }),
  );
}

/** Memory for the weights of a model and its least cache, in bytes. */
export function leastBytes(model: DraftedModel, backend: Memory['backend']): number {
  const tokens = Math.min(LEAST_CONTEXT, model.shape.contextTokens);
  return weightBytesOf(model) + stateBytes(model) + tokens * tokenBytes(model, backend);
}

interface DraftedModel extends DecoderModel {
  readonly drafter?: DecoderModel;
}

/**
 * Memory for the weights of a model and of its draft model or assistant, for what its states are advanced by, and for
 * one image, in bytes.
 */
export const weightBytesOf = (model: DraftedModel): number => {
  const { weightBytes, drafter, assistant, vision } = model;
  const ofImage = vision ? bytesOfImage(vision.shape) : 0;
  const ofDrafts = (drafter?.weightBytes ?? 0) + (assistant?.weightBytes ?? 0);
  return weightBytes + ofDrafts + keptBytes(model) + ofImage;
};

/** Memory for the keys and values of one token in both caches, in bytes. */
export const tokenBytes = (model: DraftedModel, backend: Memory['backend']): number =>
  kvBytesPerToken(model, backend) +
  (model.drafter === undefined ? 0 : kvBytesPerToken(model.drafter, backend));

/** Maximum number of states that are stored so that later conversations can continue there. */
const STORED_STATES = 32;

/**
 * The state slots of a model, and how many sequences may run at once (`seats`). The slots fit into
 * half of its cache, whose other half is for keys and values, and into buffers of `maxBufferBytes`.
 * Slots beyond the seats hold stored states; if there is more than one slot, at least one does. A
 * model without states has no slots.
 */
export function stateSlots(
  model: DecoderModel,
  { cacheBytes, maxConcurrency, maxBufferBytes }: StateLimits,
): { slots: number; seats: number } {
  const largest = Math.max(0, ...layerStateBytes(model));
  if (largest === 0) return { slots: 0, seats: maxConcurrency };
  const fitting = Math.min(cacheBytes / 2 / stateBytes(model), maxBufferBytes / largest);
  const slots = Math.max(1, Math.min(maxConcurrency + STORED_STATES, Math.floor(fitting)));
  return { slots, seats: Math.min(maxConcurrency, Math.max(1, slots - 1)) };
}

interface StateLimits {
  readonly cacheBytes: number;
  readonly maxConcurrency: number;
  readonly maxBufferBytes: number;
}
