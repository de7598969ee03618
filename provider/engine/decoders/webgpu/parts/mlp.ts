import type { Experts, LayerShape } from '../../../../models/decoder-shape.ts';
import type {
  ExpertsBeside,
  LayerWeights,
  Mlp,
  SharedExpert,
} from '../../../../models/decoder-weights.ts';
import type { Tensor } from '../../../../models/safetensors.ts';
import type { DecoderBuild } from '../decoder-build.ts';
import { addShared } from '../kernels/delta.ts';
import { activate } from '../kernels/rows.ts';
import { THREADS } from '../kernels/wgsl.ts';
import { addExperts } from './experts.ts';

/** Adds to the state what the layer's MLP or experts make of it. */
export async function addMlp(
  build: DecoderBuild,
  layer: LayerWeights,
  { mlp, expertsBeside }: LayerShape,
): Promise<void> {
  const { state, normed, partOut, gated, besideOut } = build.scratch;
  await build.writeInput(layer.mlpNorm);
  if (mlp.kind === 'experts') {
    await addExperts(build, layer.mlp, { experts: mlp, routed: normed, to: state, adds: true });
    if (layer.mlp.shared) await addSharedExpert(build, layer.mlp.shared);
    return;
  }
  await multiplyGated(build, layer.mlp, mlp.width);
  if (layer.expertsBeside && expertsBeside) {
    const { hidden } = build.shape;
    await build.multiply([layer.mlp.down], { from: gated, to: partOut, stride: hidden });
    await joinExpertsBeside(build, layer.expertsBeside, expertsBeside);
    await build.addNormed(state, besideOut, await build.norm(layer.mlpOutputNorm as Tensor));
    return;
  }
  await build.addResult(layer.mlp.down, { from: gated, norm: layer.mlpOutputNorm });
}

/** Computes the product of a gate and its input for the tokens in `normed`. */
async function multiplyGated(
  build: DecoderBuild,
  { gate, up }: Pick<Mlp, 'gate' | 'up'>,
  width: number,
): Promise<void> {
  const { activation, activationLimit } = build.shape;
  const { normed, gateUp, gated } = build.scratch;
  await build.multiply([gate, up], { from: normed, to: gateUp, stride: 2 * width });
  await build.run(
    activate({ width, activation, activationLimit, counted: 'tokens' }),
    [gated, gateUp],
    ({ tokens }) => [Math.ceil(width / THREADS), tokens],
  );
}

/** Adds the expert that every token uses. */
async function addSharedExpert(build: DecoderBuild, shared: SharedExpert): Promise<void> {
  const { hidden } = build.shape;
  const { state, normed, gated, partOut, sharedScores } = build.scratch;
  const { gate, down, share } = shared;
  await multiplyGated(build, shared, gate.out);
  if (share === undefined) return build.addResult(down, { from: gated, norm: undefined });
  await build.multiply([down], { from: gated, to: partOut, stride: down.out });
  await build.multiply([share], { from: normed, to: sharedScores, stride: share.out });
  await build.run(addShared(hidden), [state, partOut, sharedScores], ({ tokens }) => [
    Math.ceil(hidden / THREADS),
    tokens,
  ]);
}

/** Writes to `besideOut` the outputs of the experts and of the dense MLP, which is in `partOut`. */
async function joinExpertsBeside(
  build: DecoderBuild,
  { mlp, inputNorm, outputNorm, denseOutputNorm, routerNorm, shareScales }: ExpertsBeside,
  experts: Experts,
): Promise<void> {
  const { hidden } = build.shape;
  const { state, normed, partOut, besideOut } = build.scratch;
  const [routed, made] = [build.numbers(hidden), build.numbers(hidden)];
  const ofRouter = (await build.read(routerNorm)).map((x) => x / Math.sqrt(hidden));
  await build.writeNormed(besideOut, partOut, await build.norm(denseOutputNorm));
  await build.writeNormed(routed, state, await build.upload.vector(ofRouter));
  await build.writeNormed(normed, state, await build.norm(inputNorm));
  const scales = await build.vector(shareScales);
  await addExperts(build, mlp, { experts, routed, scales, to: made, adds: false });
  await build.addNormed(besideOut, made, await build.norm(outputNorm));
}
