import type { Experts } from '../../../../models/decoder-shape.ts';
import type { Matrix, Mlp } from '../../../../models/decoder-weights.ts';
import { ModelError } from '../../../../models/model-error.ts';
import type { DecoderBuild } from '../decoder-build.ts';
import { present } from '../dispatches.ts';
import { chooseExperts, combine } from '../kernels/experts.ts';
import { activate } from '../kernels/rows.ts';
import { THREADS } from '../kernels/wgsl.ts';

interface Routing {
  readonly experts: Experts;
  /** The input of the router. That of the experts is `normed`. */
  readonly routed: GPUBuffer;
  /** A factor for the share of each expert. */
  readonly scales?: GPUBuffer;
  readonly to: GPUBuffer;
  /** True if the output is added to the numbers in `to`. */
  readonly adds: boolean;
}

/** Chooses experts for each token in `normed`, and computes what they make together. */
export async function addExperts(
  build: DecoderBuild,
  mlp: Mlp,
  { experts: shape, routed, scales, to, adds }: Routing,
): Promise<void> {
  const { scratch } = build;
  const { hidden, activation, activationLimit } = build.shape;
  const { experts, perToken, width } = shape;
  const { normed, gateUp, gated, partOut } = scratch;
  const [scores, chosen, shares] = [
    build.numbers(experts),
    build.numbers(perToken),
    build.numbers(perToken),
  ];
  const bias = mlp.choiceBias && (await build.vector(mlp.choiceBias));
  await build.multiply([mlp.router as Matrix], { from: routed, to: scores, stride: experts });
  await build.run(
    chooseExperts(shape, { isScaled: scales !== undefined, isBiased: bias !== undefined }),
    [scores, chosen, shares, ...present(scales, bias)],
    ({ tokens }) => [Math.ceil(tokens / THREADS), 1],
  );
  const ofInput = { from: normed, to: gateUp, stride: 2 * width, shared: perToken, chosen };
  await multiplyChosen(build, mlp.gate, { ...ofInput, firstRow: 0 });
  await multiplyChosen(build, mlp.up, { ...ofInput, firstRow: width });
  await build.run(
    activate({ width, activation, activationLimit, counted: 'slots' }),
    [gated, gateUp],
    ({ tokens }) => [Math.ceil(width / THREADS), tokens * perToken],
  );
  await multiplyChosen(build, mlp.down, {
    ...{ from: gated, to: partOut, stride: hidden, shared: 1, chosen },
    firstRow: 0,
  });
  await build.run(combine({ hidden, perToken, adds }), [to, partOut, shares], ({ tokens }) => [
    Math.ceil(hidden / THREADS),
    tokens,
  ]);
}

/** Multiplies each input with the matrix of the expert that was chosen for it. */
async function multiplyChosen(
  build: DecoderBuild,
  matrix: Matrix,
  {
    shared,
    ...product
  }: {
    from: GPUBuffer;
    to: GPUBuffer;
    stride: number;
    firstRow: number;
    /** Number of consecutive slots that have the same input. */
    shared: number;
    chosen: GPUBuffer;
  },
): Promise<void> {
  const [part, more] = await build.upload.matrices([matrix]);
  if (part === undefined || more !== undefined)
    throw new ModelError(
      'unsupported_architecture',
      `the experts of a layer do not fit into one buffer of this device`,
    );
  const experts = { rows: matrix.out, shared };
  await build.dispatches.multiply([part], { ...product, counted: 'slots', experts });
}
