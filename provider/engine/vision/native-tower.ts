import { availableParallelism } from 'node:os';
import { loadCpuVisionTowers } from '#native';
import type { VisionModel } from '../../models/vision/vision-model.ts';
import { patchesOf, type VisionShape } from '../../models/vision/vision-shape.ts';
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

/**
 * The time in milliseconds that this computer needs for one image, by its time for one layer and a few
 * patches.
 */
export async function expectedImageMs(model: VisionModel): Promise<number> {
  const trial = trialOf(model);
  await using tower = await loadTower(trial);
  const pixels = new Uint8Array(3 * trial.shape.side ** 2);
  await tower.embed(pixels);
  const began = performance.now();
  await tower.embed(pixels);
  return ((performance.now() - began) * operationsOf(model.shape)) / operationsOf(trial.shape);
}

/** Patches on a side of the image of a trial. */
const TRIAL_ACROSS = 8;

function trialOf({ shape, weights, ...rest }: VisionModel): VisionModel {
  const { positions, layers } = weights;
  const [rows = 1, ...width] = positions.shape;
  const patches = Math.min(rows, TRIAL_ACROSS ** 2);
  return {
    ...rest,
    shape: { ...shape, layers: 1, side: Math.sqrt(patches) * shape.patch, pooled: 1 },
    weights: {
      ...weights,
      positions: {
        ...positions,
        shape: [patches, ...width],
        bytes: (positions.bytes / rows) * patches,
      },
      layers: layers.slice(0, 1),
    },
  };
}

/** Number of multiplications, of which all other work is a small part. */
function operationsOf(shape: VisionShape): number {
  const { hidden, inner, layers, pooled, out } = shape;
  const patches = patchesOf(shape);
  const ofLayer = hidden * (4 * hidden + 2 * inner + 2 * patches);
  return (
    patches * (hidden * numbersOfPatch(shape) + layers * ofLayer + (hidden * out) / pooled ** 2)
  );
}

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
