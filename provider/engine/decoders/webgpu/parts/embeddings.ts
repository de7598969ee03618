import type { PerLayerShape } from '../../../../models/decoder-shape.ts';
import type { PerLayerEmbedding, PerLayerWeights } from '../../../../models/decoder-weights.ts';
import type { DecoderBuild } from '../decoder-build.ts';
import { present } from '../dispatches.ts';
import type { WeightRows } from '../gpu-weights.ts';
import { embed } from '../kernels/embedding.ts';
import { gatePerLayer, joinPerLayer } from '../kernels/per-layer.ts';
import { THREADS } from '../kernels/wgsl.ts';

/** Writes the embedding of each token. */
export async function addEmbedding(
  build: DecoderBuild,
  parts: readonly WeightRows[],
  { to, width, scale }: { to: GPUBuffer; width: number; scale: number },
): Promise<void> {
  for (const { format, firstRow, rows, weight, scales, biases } of parts)
    await build.run(
      embed({ format, width, firstRow, rows, scale }),
      [to, build.scratch.tokens, weight, ...present(scales, biases)],
      ({ tokens }) => [Math.ceil(width / 4 / THREADS), tokens],
    );
}

/** Writes the embeddings of each token for all layers. */
export async function addEmbeddingForLayers(
  build: DecoderBuild,
  { embedding, projection, norm }: PerLayerEmbedding,
  { width, embeddingScale, projectionScale }: PerLayerShape,
): Promise<void> {
  const { shape, scratch } = build;
  const layers = shape.layers.length;
  const all = width * layers;
  const parts = await build.upload.matrices([embedding]);
  await addEmbedding(build, parts, { to: scratch.perLayer, width: all, scale: embeddingScale });
  const projected = build.numbers(all);
  await build.multiply([projection], { from: scratch.state, to: projected, stride: all });
  await build.run(
    joinPerLayer({ width, layers, projectionScale, eps: shape.normEps }),
    [scratch.perLayer, projected, await build.vector(norm)],
    ({ tokens }) => [Math.ceil((tokens * layers) / THREADS), 1],
  );
}

/** Adds to the state what a layer makes of its own embeddings of the tokens. */
export async function addPerLayer(
  build: DecoderBuild,
  { gate, projection, norm }: PerLayerWeights,
  index: number,
): Promise<void> {
  const { shape, scratch } = build;
  const { hidden, activation, activationLimit, layers } = shape;
  const { width } = shape.perLayer as PerLayerShape;
  await build.multiply([gate], { from: scratch.state, to: scratch.gateUp, stride: width });
  await build.run(
    gatePerLayer({ width, layers: layers.length, index, activation, activationLimit }),
    [scratch.gated, scratch.gateUp, scratch.perLayer],
    ({ tokens }) => [Math.ceil(width / THREADS), tokens],
  );
  await build.multiply([projection], { from: scratch.gated, to: scratch.partOut, stride: hidden });
  await build.addNormed(scratch.state, scratch.partOut, await build.norm(norm));
}
