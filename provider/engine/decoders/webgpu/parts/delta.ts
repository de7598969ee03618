import { type DeltaShape, deltaChannels } from '../../../../models/decoder-shape.ts';
import type { DeltaWeights, LayerWeights, Matrix } from '../../../../models/decoder-weights.ts';
import { keptTokens } from '../../check-step.ts';
import type { DecoderBuild } from '../decoder-build.ts';
import type { CacheBuffer } from '../gpu-cache.ts';
import { convolve, recall, remember } from '../kernels/delta.ts';
import { copyRows } from '../kernels/rows.ts';
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
  const { normed, qkv, attentionOut, writeFade, outputGates } = build.scratch;
  const multiplyInput = (matrices: Matrix[], to: GPUBuffer, stride: number) =>
    build.multiply(matrices, { from: normed, to, stride });
  await multiplyInput([layer.q, layer.k as Matrix, layer.v as Matrix], qkv, channels);
  await multiplyInput([write, fade], writeFade, 2 * valueHeads);
  await multiplyInput([layer.outputGate as Matrix], outputGates, valueHeads * valueDim);
  const numbers = [];
  for (const tensor of [of.fadeBias, of.fadeRate, of.norm])
    numbers.push(...(await build.read(tensor)));
  const parts = {
    delta,
    states,
    convolution: await build.vector(of.convolution),
    numbers: await build.upload.vector(Float32Array.from(numbers)),
  };
  await addStates(build, { ...parts, qkv, writeFade });
  const kept = keptTokens(build.maxTokens);
  const keptQkv = await keep(build, qkv, channels, kept);
  const keptWriteFade = await keep(build, writeFade, 2 * valueHeads, kept);
  await build.dispatches.addTo('advance', () =>
    addStates(build, { ...parts, qkv: keptQkv, writeFade: keptWriteFade }),
  );
  await build.addResult(layer.o, { from: attentionOut, norm: layer.attentionNorm });
}

/** Copies the rows of the step's first tokens to a buffer that later steps leave as it is. */
async function keep(
  build: DecoderBuild,
  rows: GPUBuffer,
  width: number,
  most: number,
): Promise<GPUBuffer> {
  const kept = build.upload.buffer(4 * most * width);
  await build.run(copyRows(width), [kept, rows], ({ tokens }) => [
    Math.ceil(width / THREADS),
    Math.min(tokens, most),
  ]);
  return kept;
}

interface StateParts {
  readonly delta: DeltaShape;
  readonly states: CacheBuffer;
  readonly convolution: GPUBuffer;
  readonly numbers: GPUBuffer;
  /** What the projections made of each token. */
  readonly qkv: GPUBuffer;
  readonly writeFade: GPUBuffer;
}

/** Changes the states of the step's runs, and computes what their tokens read from them. */
async function addStates(
  build: DecoderBuild,
  { delta, states, convolution, numbers, qkv, writeFade }: StateParts,
): Promise<void> {
  const { mixed, stateRuns, runOf, attentionOut, outputGates } = build.scratch;
  const perChannel = Math.ceil(deltaChannels(delta) / THREADS);
  await build.run(
    convolve(delta),
    [mixed, qkv, states, stateRuns, runOf, convolution],
    ({ tokens }) => [perChannel, tokens],
  );
  await build.run(remember(delta), [states, qkv, stateRuns], (counts) => [
    perChannel,
    counts.stateRuns,
  ]);
  await build.run(
    recall(delta, build.shape.normEps),
    [attentionOut, states, mixed, writeFade, outputGates, stateRuns, numbers],
    (counts) => [delta.valueHeads, counts.stateRuns],
  );
}
