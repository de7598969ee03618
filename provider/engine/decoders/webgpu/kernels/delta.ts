import { type DeltaShape, deltaChannels } from '../../../../models/decoder-shape.ts';
import { stateNumbers } from '../../decoder.ts';
import { literal, STEP, THREADS } from './wgsl.ts';

/**
 * The kernels of Gated DeltaNet. A run is the consecutive tokens of one sequence in a step, as the
 * numbers first token, number of tokens, state slot that is read plus one, and slot that is written.
 * A slot holds the memories of the value heads, and then the last inputs of the convolution.
 */
const RUN = /* wgsl */ `
struct Run { first: u32, count: u32, read: u32, write: u32 }
`;

const inputsOffset = (delta: DeltaShape): number =>
  delta.valueHeads * delta.keyDim * delta.valueDim;

/** Adds up each channel over the last tokens: one thread for each channel of a token. */
export function convolve(delta: DeltaShape): string {
  const channels = deltaChannels(delta);
  const kept = delta.convolution - 1;
  return /* wgsl */ `${STEP}${RUN}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> mixed: array<f32>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> states: array<f32>;
@group(0) @binding(4) var<storage, read> runs: array<Run>;
@group(0) @binding(5) var<storage, read> runOf: array<u32>;
@group(0) @binding(6) var<storage, read> factors: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let channel = id.x;
  let token = id.y;
  if (channel >= ${channels}u || token >= step.tokens) { return; }
  let run = runs[runOf[token]];
  var sum = 0.0;
  for (var i = 0u; i <= ${kept}u; i++) {
    var value = 0.0;
    if (token + i >= run.first + ${kept}u) { value = qkv[(token + i - ${kept}u) * ${channels}u + channel]; }
    else if (run.read > 0u) { value = states[(run.read - 1u) * ${stateNumbers(delta)}u + ${inputsOffset(delta)}u + (token - run.first + i) * ${channels}u + channel]; }
    sum += factors[channel * ${kept + 1}u + i] * value;
  }
  mixed[token * ${channels}u + channel] = sum / (1.0 + exp(-sum));
}`;
}

/** Stores the last inputs of each run: one thread for each channel. */
export function remember(delta: DeltaShape): string {
  const channels = deltaChannels(delta);
  const kept = delta.convolution - 1;
  return /* wgsl */ `${STEP}${RUN}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> states: array<f32>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> runs: array<Run>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  _ = step.tokens;
  let channel = id.x;
  if (channel >= ${channels}u) { return; }
  let run = runs[id.y];
  let to = run.write * ${stateNumbers(delta)}u + ${inputsOffset(delta)}u + channel;
  // An input that remains moves to an earlier place, which has been read before.
  for (var i = 0u; i < ${kept}u; i++) {
    var value = 0.0;
    if (run.count + i >= ${kept}u) { value = qkv[(run.first + run.count + i - ${kept}u) * ${channels}u + channel]; }
    else if (run.read > 0u) { value = states[(run.read - 1u) * ${stateNumbers(delta)}u + ${inputsOffset(delta)}u + (i + run.count) * ${channels}u + channel]; }
    states[to + i * ${channels}u] = value;
  }
}`;
}

/**
 * Runs the value heads over the tokens of each run: one workgroup for a head of a run, whose threads
 * divide the columns of its memory. `numbers` has the fade's bias and rate for each head, and then
 * the weights of the norm of the output.
 */
export function recall(delta: DeltaShape, eps: number): string {
  const { keyHeads, valueHeads, keyDim, valueDim } = delta;
  const channels = deltaChannels(delta);
  const keys = keyHeads * keyDim;
  const columns = `for (var column = local; column < ${valueDim}u; column += ${THREADS}u)`;
  return /* wgsl */ `${STEP}${RUN}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> states: array<f32>;
@group(0) @binding(3) var<storage, read> mixed: array<f32>;
@group(0) @binding(4) var<storage, read> writeFade: array<f32>;
@group(0) @binding(5) var<storage, read> gates: array<f32>;
@group(0) @binding(6) var<storage, read> runs: array<Run>;
@group(0) @binding(7) var<storage, read> numbers: array<f32>;
var<workgroup> query: array<f32, ${keyDim}>;
var<workgroup> key: array<f32, ${keyDim}>;
var<workgroup> partial: array<vec3f, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  _ = step.tokens;
  let head = group.x;
  let run = runs[group.y];
  let memory = run.write * ${stateNumbers(delta)}u + head * ${keyDim * valueDim}u;
  let before = (max(run.read, 1u) - 1u) * ${stateNumbers(delta)}u + head * ${keyDim * valueDim}u;
  if (run.read != run.write + 1u) {
    ${columns} {
      for (var row = 0u; row < ${keyDim}u; row++) { states[memory + row * ${valueDim}u + column] = select(0.0, states[before + row * ${valueDim}u + column], run.read > 0u); }
    }
  }
  let keyHead = head / ${valueHeads / keyHeads}u;
  for (var token = run.first; token < run.first + run.count; token++) {
    let at = token * ${channels}u;
    var squares = vec3f(0.0);
    for (var i = local; i < ${keyDim}u; i += ${THREADS}u) {
      let q = mixed[at + keyHead * ${keyDim}u + i];
      let k = mixed[at + ${keys}u + keyHead * ${keyDim}u + i];
      query[i] = q;
      key[i] = k;
      squares += vec3f(q * q, k * k, 0.0);
    }
    partial[local] = squares;
    workgroupBarrier();
    var lengths = vec3f(1e-6);
    for (var i = 0u; i < rounds(${THREADS}u); i++) { lengths += partial[i]; }
    let queryFactor = inverseSqrt(lengths.x) * ${literal(keyDim ** -0.5)};
    let keyFactor = inverseSqrt(lengths.y);
    let number = token * ${2 * valueHeads}u + head;
    let share = 1.0 / (1.0 + exp(-writeFade[number]));
    let fade = writeFade[number + ${valueHeads}u] + numbers[head];
    let softplus = max(fade, 0.0) + log(1.0 + exp(-abs(fade)));
    let kept = exp(-exp(numbers[${valueHeads}u + head]) * softplus);
    var sum = 0.0;
    let to = (token * ${valueHeads}u + head) * ${valueDim}u;
    ${columns} {
      var found = 0.0;
      for (var row = 0u; row < ${keyDim}u; row++) { found += states[memory + row * ${valueDim}u + column] * key[row]; }
      let change = share * (mixed[at + ${2 * keys}u + head * ${valueDim}u + column] - kept * keyFactor * found) * keyFactor;
      var read = 0.0;
      for (var row = 0u; row < ${keyDim}u; row++) {
        let cell = memory + row * ${valueDim}u + column;
        let made = kept * states[cell] + key[row] * change;
        states[cell] = made;
        read += made * query[row];
      }
      read *= queryFactor;
      out[to + column] = read;
      sum += read * read;
    }
    workgroupBarrier();
    partial[local] = vec3f(sum, 0.0, 0.0);
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < rounds(${THREADS}u); i++) { total += partial[i].x; }
    let factor = inverseSqrt(total / ${valueDim}.0 + ${eps});
    ${columns} {
      let gate = gates[to + column];
      out[to + column] = out[to + column] * factor * numbers[${2 * valueHeads}u + column] * gate / (1.0 + exp(-gate));
    }
    workgroupBarrier();
  }
}`;
}

/** Multiplies the output of attention by the sigmoid of its gate, with one thread for each number. */
export function gateOutput(width: number): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> gates: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width}u || id.y >= step.tokens) { return; }
  let at = id.y * ${width}u + id.x;
  out[at] = out[at] / (1.0 + exp(-gates[at]));
}`;
}

/** Adds the output of the expert that every token uses; its share is the sigmoid of a score. */
export function addShared(hidden: number): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> made: array<f32>;
@group(0) @binding(3) var<storage, read> scores: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${hidden}u || id.y >= step.tokens) { return; }
  let at = id.y * ${hidden}u + id.x;
  out[at] += made[at] / (1.0 + exp(-scores[id.y]));
}`;
}
