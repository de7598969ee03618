import { type DeltaShape, deltaChannels } from '../../../../models/decoder-shape.ts';
import type { DeltaWeights, LayerWeights, Matrix } from '../../../../models/decoder-weights.ts';
import type { DecoderBuild } from '../decoder-build.ts';
import type { CacheBuffer } from '../gpu-cache.ts';
import { convolve, recall, remember } from '../kernels/delta.ts';
import { THREADS } from '../kernels/wgsl.ts';

/** Computes Gated DeltaNet for the tokens in `normed`. */
export async function addDelta(
  build: DecoderBuild,
  layer: LayerWeights,
  { delta, states }: { delta: DeltaShape; states: CacheBuffer },
): Promise<void> {
  const { write, fade, ...of } = layer.delta as DeltaWeights;
  const { valueHeads, valueDim } = delta;
  const channels = deltaChannels(delta);
  const { normed, qkv, mixed, stateRuns, runOf, attentionOut, writeFade, outputGates } =
    build.scratch;
  const multiplyInput = (matrices: Matrix[], to: GPUBuffer, stride: number) =>
    build.multiply(matrices, { from: normed, to, stride });
  await multiplyInput([layer.q, layer.k as Matrix, layer.v as Matrix], qkv, channels);
  await multiplyInput([write, fade], writeFade, 2 * valueHeads);
  await multiplyInput([layer.outputGate as Matrix], outputGates, valueHeads * valueDim);
  const perChannel = Math.ceil(channels / THREADS);
  await build.run(
    convolve(delta),
    [mixed, qkv, states, stateRuns, runOf, await build.vector(of.convolution)],
    ({ tokens }) => [perChannel, tokens],
  );
  await build.run(remember(delta), [states, qkv, stateRuns], (counts) => [
    perChannel,
    counts.stateRuns,
  ]);
  const numbers = [];
  for (const tensor of [of.fadeBias, of.fadeRate, of.norm])
    numbers.push(...(await build.read(tensor)));
  await build.run(
    recall(delta, build.shape.normEps),
    [
      attentionOut,
      states,
      mixed,
      writeFade,
      outputGates,
      stateRuns,
      await build.upload.vector(Float32Array.from(numbers)),
    ],
    (counts) => [valueHeads, counts.stateRuns],
  );
  await build.addResult(layer.o, { from: attentionOut, norm: layer.attentionNorm });
}
