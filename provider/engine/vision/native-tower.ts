import { availableParallelism } from 'node:os';
import { loadCpuVisionTowers } from '#native';
import { TensorReader } from '../../models/tensor-reader.ts';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import { operationsOf, scaledFor, USUAL_IMAGE } from '../../models/vision/vision-shape.ts';
import { listVisionWeights } from '../../models/vision/vision-weights.ts';
import { readDense } from '../decoders/reference-weights.ts';
import { loadReferenceTower } from './reference-tower.ts';
import type { VisionTower } from './vision-tower.ts';

/** Most weights of a tower that plain TypeScript computes in an acceptable time. */
const MOST_IN_TYPESCRIPT = 4_000_000;

/**
 * The reason why this machine cannot compute a tower; undefined if it can: in C++, or in plain TypeScript
 * if the addon is not built and the tower is very small. Towers run on the processor, whatever engine the
 * decoder has.
 */
export function whyNoTower(
  { size }: Pick<VisionModel, 'size'>,
  addon: { available: true } | { available: false; reason: string } = loadCpuVisionTowers('cpu'),
): string | undefined {
  return addon.available || size <= MOST_IN_TYPESCRIPT ? undefined : addon.reason;
}

/**
 * The time in milliseconds that this computer needs for one operation of a tower, by its time for one
 * layer and a few patches.
 */
export async function msPerOperation(model: VisionModel): Promise<number> {
  const trial = trialOf(model);
  await using tower = await loadTower(trial);
  const side = TRIAL_ACROSS * trial.shape.pooled * trial.shape.patch;
  const pixels = { numbers: new Uint8Array(3 * side ** 2), width: side, height: side };
  await tower.embed(pixels);
  const began = performance.now();
  await tower.embed(pixels);
  return (performance.now() - began) / operationsOf(trial.shape, pixels);
}

/** The operations of an image of the usual size. */
export const usualOperations = ({ shape }: VisionModel): number =>
  operationsOf(shape, scaledFor(shape, USUAL_IMAGE));

/** Tokens on a side of the image of a trial. */
const TRIAL_ACROSS = 4;

const trialOf = ({ shape, weights, ...rest }: VisionModel): VisionModel => ({
  ...rest,
  shape: { ...shape, layers: 1, deepLayers: [] },
  weights:
    weights.kind === 'gated'
      ? { ...weights, layers: weights.layers.slice(0, 1) }
      : { ...weights, layers: weights.layers.slice(0, 1), deep: [] },
});

export const loadTower = async (model: VisionModel): Promise<VisionTower> =>
  (await loadNativeTower(model)) ?? loadReferenceTower(model);

/** Returns undefined if the addon is not built. */
export async function loadNativeTower(
  model: VisionModel,
  { threads = availableParallelism(), addon: name = 'cpu' as 'cpu' | 'cpu-sanitized' } = {},
): Promise<VisionTower | undefined> {
  const addon = loadCpuVisionTowers(name);
  if (!addon.available) return undefined;
  const { VisionTower: Native, kernels } = addon.exports;
  const native = new Native(await nativeTowerOrder(model, threads));
  return {
    name: `cpu (${kernels})`,
    embed: (pixels) => native.embed(pixels),
    [Symbol.asyncDispose]: () => native.close(),
  };
}

/** What the addon needs to load a tower. */
export async function nativeTowerOrder(
  { shape, weights }: VisionModel,
  threads: number,
): Promise<object> {
  const { family, scaling, deepLayers, gated, ...sizes } = shape;
  const common = { ...sizes, threads, tensors: listVisionWeights(weights) };
  if (weights.kind === 'gated') {
    await using reader = new TensorReader();
    const projection = (await readDense(reader, weights.projection)).values;
    return { ...common, ...gated, isGated: true, projection };
  }
  return {
    ...common,
    isGated: false,
    merges: weights.head.kind === 'merger',
    byPixels: weights.order === 'pixels',
    deepLayers: Int32Array.from(deepLayers),
  };
}
