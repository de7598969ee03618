import type { LayerShape } from '../../../../models/decoder-shape.ts';
import type { LayerWeights } from '../../../../models/decoder-weights.ts';
import { PAGE_TOKENS } from '../../decoder.ts';
import type { DecoderBuild } from '../decoder-build.ts';
import { present } from '../dispatches.ts';
import type { CacheBuffer } from '../gpu-cache.ts';
import {
  attend,
  attendRun,
  normaliseProjections,
  place,
  projectedHeads,
} from '../kernels/attention.ts';
import { gateOutput } from '../kernels/delta.ts';
import { THREADS } from '../kernels/wgsl.ts';

interface AttentionParts {
  readonly shape: LayerShape;
  readonly keys: CacheBuffer;
  readonly values: CacheBuffer;
}

/** Computes attention for the tokens in `normed`. */
export async function addAttention(
  build: DecoderBuild,
  layer: LayerWeights,
  parts: AttentionParts,
): Promise<void> {
  const { scratch } = build;
  const stride = await project(build, layer, parts);
  await attendTo(build, layer, { ...parts, stride });
  if (layer.outputGate) {
    const width = build.shape.heads * parts.shape.headDim;
    await build.multiply([layer.outputGate], {
      from: scratch.normed,
      to: scratch.outputGates,
      stride: width,
    });
    await build.run(
      gateOutput(width),
      [scratch.attentionOut, scratch.outputGates],
      ({ tokens }) => [Math.ceil(width / THREADS), tokens],
    );
  }
  await build.addResult(layer.o, { from: scratch.attentionOut, norm: layer.attentionNorm });
}

/** Computes queries, keys and values, and returns how many numbers each token has in `qkv`. */
async function project(
  build: DecoderBuild,
  layer: LayerWeights,
  { shape, keys, values }: AttentionParts,
): Promise<number> {
  const { scratch } = build;
  const { heads, normEps: eps, qkNorm, valueNorm } = build.shape;
  const { kvHeads, headDim, rope } = shape;
  const projected = layer.v ? 'keys and values' : layer.k ? 'keys' : 'none';
  const qkvHeads = projectedHeads({ heads, kvHeads, projected });
  await build.multiply(present(layer.q, layer.k, layer.v), {
    from: scratch.normed,
    to: scratch.qkv,
    stride: qkvHeads * headDim,
  });
  const norms = [];
  for (const norm of present(layer.qNorm, layer.kNorm)) norms.push(await build.norm(norm));
  if (qkNorm === 'projections')
    await build.run(
      normaliseProjections({ heads, kvHeads, headDim, stride: qkvHeads * headDim, eps }),
      [scratch.qkv, ...norms],
      ({ tokens }) => [norms.length, tokens],
    );
  const cached = layer.k ? [keys, values, scratch.places] : [];
  await build.run(
    place({
      ...{ heads, kvHeads, headDim, eps, valueNorm, projected },
      qkNorm: qkNorm === 'heads',
      pairs: build.shape.headDim / 2,
      rope,
    }),
    [scratch.qkv, ...cached, scratch.ropeAngles, ...(qkNorm === 'heads' ? norms : [])],
    ({ tokens }) => [Math.ceil((tokens * qkvHeads) / THREADS), 1],
  );
  return qkvHeads * headDim;
}

async function attendTo(
  build: DecoderBuild,
  layer: LayerWeights,
  { shape, keys, values, stride }: AttentionParts & { readonly stride: number },
): Promise<void> {
  const { scratch } = build;
  const { heads, attentionScale, globalIsCausal } = build.shape;
  const { kvHeads, headDim, window } = shape;
  const bothWays = build.attendsLater && !(globalIsCausal && window === 0);
  const sinks = layer.sinks ? [await build.vector(layer.sinks)] : [];
  const attention = {
    heads,
    kvHeads,
    headDim,
    stride,
    window,
    scale: attentionScale,
    pageTokens: PAGE_TOKENS,
    sinks: sinks.length > 0,
    bothWays,
  };
  const buffersWith = (rows: GPUBuffer) => [
    scratch.attentionOut,
    scratch.qkv,
    keys,
    values,
    scratch.positions,
    rows,
    scratch.tables,
    ...(bothWays ? [scratch.ends] : sinks),
  ];
  await build.run(attend(attention), buffersWith(scratch.decodeRows), ({ decodeRows }) => [
    heads,
    decodeRows,
  ]);
  await build.run(attendRun(attention), buffersWith(scratch.prefillRuns), ({ prefillRuns }) => [
    heads,
    prefillRuns,
  ]);
}
