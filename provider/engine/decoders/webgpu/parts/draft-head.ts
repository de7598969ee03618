import type { LayerShape } from '../../../../models/decoder-shape.ts';
import type { HeadWeights } from '../../../../models/decoder-weights.ts';
import type { DecoderBuild } from '../decoder-build.ts';
import type { GpuCache } from '../gpu-cache.ts';
import { joinInputs, normalise } from '../kernels/rows.ts';
import type { Counts } from '../webgpu-decoder.ts';
import { addAttention } from './attention.ts';
import { addMlp } from './mlp.ts';

/** Writes the normalised states after the draft head for the tokens whose embeddings are in `state`. */
export async function addDraftHead(
  build: DecoderBuild,
  { embeddingNorm, hiddenNorm, join, layer, norm }: HeadWeights,
  { shape, cache }: { shape: LayerShape; cache: GpuCache },
): Promise<void> {
  const { hidden, normEps: eps } = build.shape;
  const { state, normed, joined, before, outputs, steppedStates, draftedStates } = build.scratch;
  const added = build.shape.normPlusOne ? 1 : 0;
  const norms = [...(await build.read(embeddingNorm)), ...(await build.read(hiddenNorm))];
  const weights = await build.upload.vector(Float32Array.from(norms, (value) => value + added));
  const joinFrom = (kept: GPUBuffer, isUsed: (counts: Counts) => boolean) =>
    build.run(
      joinInputs({ width: hidden, eps }),
      [joined, state, kept, before, weights],
      (counts) => [isUsed(counts) ? counts.tokens : 0, 1],
    );
  await joinFrom(steppedStates, ({ isChained }) => !isChained);
  await joinFrom(draftedStates, ({ isChained }) => isChained);
  await build.multiply([join], { from: joined, to: state, stride: hidden });
  await build.writeInput(layer.inputNorm);
  const [keys, values] = [cache.buffer(0), cache.buffer(1)];
  await addAttention(build, layer, { shape, keys, values });
  await addMlp(build, layer, shape);
  const last = await build.norm(norm);
  await build.writeNormed(draftedStates, state, last);
  await build.run(
    normalise({ width: hidden, eps, picks: true, adds: false }),
    [normed, state, last, outputs],
    (counts) => [counts.outputs, 1],
  );
}
