import { availableParallelism } from 'node:os';
import { loadCpuVisionTowers } from '#native';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import { listVisionWeights } from '../../models/vision/vision-weights.ts';
import { loadReferenceTower } from './reference-tower.ts';
import { numbersOfPatch, patchNumbers, type VisionTower } from './vision-tower.ts';

/** Most weights of a tower that plain TypeScript computes in an acceptable time. */
const MOST_IN_TYPESCRIPT = 4_000_000;

/**
 * Whether this machine can compute a tower: in C++, or in plain TypeScript if the addon is not built and
 * the tower is very small. Towers run on the processor, whatever engine the decoder has.
 */
export const canRunTower = ({ size }: VisionModel): boolean =>
  loadCpuVisionTowers('cpu').available || size <= MOST_IN_TYPESCRIPT;

export const loadTower = (model: VisionModel): Promise<VisionTower> =>
  loadNativeTower(model) ?? loadReferenceTower(model);

export function loadNativeTower(
  model: VisionModel,
  { threads = availableParallelism(), addon: name = 'cpu' as 'cpu' | 'cpu-sanitized' } = {},
): Promise<VisionTower> | undefined {
  const addon = loadCpuVisionTowers(name);
  if (!addon.available) return undefined;
  const { VisionTower: Native, kernels } = addon.exports;
  const native = new Native(nativeTowerOrder(model, threads));
  return Promise.resolve({
    name: `cpu (${kernels})`,
    embed: (pixels) => native.embed({ numbers: patchNumbers(pixels, model) }),
    [Symbol.asyncDispose]: () => native.close(),
  });
}

/** What the addon needs to load a tower. */
export function nativeTowerOrder(model: VisionModel, threads: number): object {
  const { side, patch, ...shape } = model.shape;
  return {
    ...shape,
    across: side / patch,
    patchNumbers: numbersOfPatch(model.shape),
    threads,
    tensors: listVisionWeights(model.weights),
  };
}
