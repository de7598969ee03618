import type { DecoderShape } from '../../../../models/decoder-shape.ts';
import { type Activation, productOf } from './rows.ts';
import { literal, STEP, THREADS } from './wgsl.ts';

interface PerLayer {
  readonly width: number;
  readonly layers: number;
}

/**
 * Computes the embeddings of tokens for all layers from their two parts. One thread for each token
 * and layer.
 */
export function joinPerLayer({
  width,
  layers,
  projectionScale,
  eps,
}: PerLayer & { projectionScale: number; eps: DecoderShape['normEps'] }): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> found: array<f32>;
@group(0) @binding(2) var<storage, read> projected: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.tokens * ${layers}u) { return; }
  let at = id.x * ${width}u;
  var sum = 0.0;
  for (var i = 0u; i < rounds(${width}u); i++) { let x = projected[at + i] * ${literal(projectionScale)}; sum += x * x; }
  let factor = inverseSqrt(sum / ${width}.0 + ${eps}) * ${literal(projectionScale)};
  for (var i = 0u; i < rounds(${width}u); i++) { found[at + i] = (found[at + i] + projected[at + i] * factor * weight[i]) * ${Math.SQRT1_2}; }
}`;
}

/** Computes act(gate) · embedding of the layer number `index`, with one thread for each number. */
export function gatePerLayer({
  width,
  layers,
  index,
  ...activation
}: PerLayer & Activation & { index: number }): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> gate: array<f32>;
@group(0) @binding(3) var<storage, read> embeddings: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width}u || id.y >= step.tokens) { return; }
  let g = gate[id.y * ${width}u + id.x];
  let u = embeddings[id.y * ${width * layers}u + ${index * width}u + id.x];
  out[id.y * ${width}u + id.x] = ${productOf(activation)};
}`;
}

/** Multiplies the state by one number. */
export function scaleState({ hidden }: { hidden: number }): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${hidden}u || id.y >= step.tokens) { return; }
  state[id.y * ${hidden}u + id.x] *= scale[0];
}`;
}
