import type { DecoderShape } from '../../../../models/decoder-shape.ts';
import { literal, STEP, THREADS } from './wgsl.ts';

interface Normalisation {
  readonly width: number;
  readonly eps: number;
  /**
   * Normalises only the tokens that are outputs of the step, and writes them next to each other.
   */
  readonly picks: boolean;
  /** Adds the result to the state instead of writing it. */
  readonly adds: boolean;
}

/** RMS norm, with one workgroup for each token. */
export function normalise({ width, eps, picks, adds }: Normalisation): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> inputs: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
${picks ? '@group(0) @binding(4) var<storage, read> picked: array<u32>;' : ''}
var<workgroup> squares: array<f32, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  _ = step.tokens;
  let begin = ${picks ? 'picked[group.x]' : 'group.x'} * ${width}u;
  let to = group.x * ${width}u;
  var sum = 0.0;
  for (var i = local; i < ${width}u; i += ${THREADS}u) { sum += inputs[begin + i] * inputs[begin + i]; }
  squares[local] = sum;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < rounds(${THREADS}u); i++) { total += squares[i]; }
  let factor = inverseSqrt(total / ${width}.0 + ${eps});
  for (var i = local; i < ${width}u; i += ${THREADS}u) { out[to + i] = ${adds ? 'out[to + i] + ' : ''}inputs[begin + i] * factor * weight[i]; }
}`;
}

/** Copies rows with one thread for each number. */
export function copyRows(width: number): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> inputs: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < ${width}u && id.y < step.tokens) { out[id.y * ${width}u + id.x] = inputs[id.y * ${width}u + id.x]; }
}`;
}

/**
 * Joins the two normalised inputs of a draft head, with one workgroup for each token: its embedding, and
 * the kept state of the token before it.
 */
export function joinInputs({ width, eps }: { width: number; eps: number }): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> embeddings: array<f32>;
@group(0) @binding(3) var<storage, read> kept: array<f32>;
@group(0) @binding(4) var<storage, read> before: array<u32>;
@group(0) @binding(5) var<storage, read> weights: array<f32>;
var<workgroup> squares: array<vec2f, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  _ = step.tokens;
  let own = group.x * ${width}u;
  let state = before[group.x] * ${width}u;
  var sums = vec2f(0.0);
  for (var i = local; i < ${width}u; i += ${THREADS}u) {
    let pair = vec2f(embeddings[own + i], kept[state + i]);
    sums += pair * pair;
  }
  squares[local] = sums;
  workgroupBarrier();
  var total = vec2f(0.0);
  for (var i = 0u; i < rounds(${THREADS}u); i++) { total += squares[i]; }
  let factors = inverseSqrt(total / ${width}.0 + ${eps});
  for (var i = local; i < ${width}u; i += ${THREADS}u) {
    out[2u * own + i] = embeddings[own + i] * factors.x * weights[i];
    out[2u * own + ${width}u + i] = kept[state + i] * factors.y * weights[${width}u + i];
  }
}`;
}

/** Joins the inputs of an assistant, with one thread for each number: as `joinInputs`, but as they are. */
export function joinStates(width: number): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> embeddings: array<f32>;
@group(0) @binding(3) var<storage, read> kept: array<f32>;
@group(0) @binding(4) var<storage, read> before: array<u32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width}u || id.y >= step.tokens) { return; }
  let to = id.y * ${2 * width}u + id.x;
  out[to] = embeddings[id.y * ${width}u + id.x];
  out[to + ${width}u] = kept[before[id.y] * ${width}u + id.x];
}`;
}

export type Activation = Pick<DecoderShape, 'activation' | 'activationLimit'>;

/** Generates the product of the activated gate g and u. */
export function productOf({ activation, activationLimit: limit }: Activation): string {
  switch (activation) {
    case 'silu':
      return 'g / (1.0 + exp(-g)) * u';
    case 'gelu_tanh':
      return '0.5 * g * (1.0 + tanh(clamp(0.7978845608 * (g + 0.044715 * g * g * g), -15.0, 15.0))) * u';
    case 'clamped_silu': {
      const most = literal(limit);
      return `min(g, ${most}) / (1.0 + exp(-1.702 * min(g, ${most}))) * (clamp(u, -${most}, ${most}) + 1.0)`;
    }
  }
}

/**
 * Computes act(gate) · up with one thread for each number. Gate and up are adjacent in the input.
 */
export function activate({
  width,
  counted,
  ...activation
}: Activation & { width: number; counted: 'tokens' | 'slots' }): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> gateUp: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width}u || id.y >= step.${counted}) { return; }
  let g = gateUp[id.y * ${2 * width}u + id.x];
  let u = gateUp[id.y * ${2 * width}u + ${width}u + id.x];
  out[id.y * ${width}u + id.x] = ${productOf(activation)};
}`;
}

/**
 * Caps the logits if the model does so, and finds the most likely token (the lowest of equals). One
 * workgroup for each output.
 */
export function pick({ vocabulary, softcap }: { vocabulary: number; softcap: number }): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> best: array<u32>;
var<workgroup> values: array<f32, ${THREADS}>;
var<workgroup> found: array<u32, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  _ = step.tokens;
  let begin = group.x * ${vocabulary}u;
  var most = -1e38;
  var at = 0u;
  for (var i = local; i < ${vocabulary}u; i += ${THREADS}u) {
    ${softcap > 0 ? `let value = tanh(logits[begin + i] / ${literal(softcap)}) * ${literal(softcap)};\n    logits[begin + i] = value;` : 'let value = logits[begin + i];'}
    if (value > most) { most = value; at = i; }
  }
  values[local] = most;
  found[local] = at;
  workgroupBarrier();
  if (local == 0u) {
    for (var i = 1u; i < rounds(${THREADS}u); i++) { if (values[i] > most || (values[i] == most && found[i] < at)) { most = values[i]; at = found[i]; } }
    best[group.x] = at;
  }
}`;
}
