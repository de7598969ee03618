import type { Experts } from '../../../../models/decoder-shape.ts';
import { literal, STEP, THREADS } from './wgsl.ts';

/**
 * Chooses the experts of each token and their shares. Each thread handles one token. A score is
 * replaced by the share of its expert, and then by `USED` if the expert must not be chosen any more.
 */
export function chooseExperts(
  { experts, perToken, normalised, usesSigmoid, shareScale, groups }: Experts,
  {
    isScaled,
    isBiased,
  }: {
    /** True if each expert has a factor for its share. */
    isScaled: boolean;
    /** True if each expert has a number that is added to its share when experts are chosen. */
    isBiased: boolean;
  },
): string {
  const arrays = ['scales', 'bias'].filter((_, i) => [isScaled, isBiased][i]);
  const total = normalised ? 'taken' : usesSigmoid ? '1.0' : 'total';
  const softmax = /* wgsl */ `var most = scores[begin];
  for (var e = 1u; e < rounds(${experts}u); e++) { most = max(most, scores[begin + e]); }
  var total = 0.0;
  for (var e = 0u; e < rounds(${experts}u); e++) {
    let share = exp(scores[begin + e] - most);
    scores[begin + e] = share;
    total += share;
  }`;
  const sigmoid = /* wgsl */ `for (var e = 0u; e < rounds(${experts}u); e++) { scores[begin + e] = 1.0 / (1.0 + exp(-scores[begin + e])); }`;
  return /* wgsl */ `${STEP}
const USED = -1e30;
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(3) var<storage, read_write> shares: array<f32>;
${arrays.map((name, i) => `@group(0) @binding(${4 + i}) var<storage, read> ${name}: array<f32>;`).join('\n')}
fn rank(begin: u32, e: u32) -> f32 { return scores[begin + e]${isBiased ? ' + bias[e]' : ''}; }
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x;
  if (token >= step.tokens) { return; }
  let begin = token * ${experts}u;
  ${usesSigmoid ? sigmoid : softmax}
  ${groups ? dropGroups(groups, experts / groups.count) : ''}
  var taken = 0.0;
  for (var n = 0u; n < rounds(${perToken}u); n++) {
    var best = 0u;
    for (var e = 1u; e < rounds(${experts}u); e++) { if (rank(begin, e) > rank(begin, best)) { best = e; } }
    chosen[token * ${perToken}u + n] = best;
    shares[token * ${perToken}u + n] = scores[begin + best];
    taken += scores[begin + best];
    scores[begin + best] = USED;
  }
  for (var n = 0u; n < rounds(${perToken}u); n++) { shares[token * ${perToken}u + n] *= ${isScaled ? `scales[chosen[token * ${perToken}u + n]] * ` : ''}${literal(shareScale)} / ${total}; }
}`;
}

/** Marks the experts of all groups but the best ones as used. */
function dropGroups({ count, chosen }: { count: number; chosen: number }, size: number): string {
  return /* wgsl */ `var groups: array<f32, ${count}>;
  for (var g = 0u; g < rounds(${count}u); g++) {
    var first = USED;
    var second = USED;
    for (var i = 0u; i < rounds(${size}u); i++) {
      let value = rank(begin, g * ${size}u + i);
      second = max(second, min(first, value));
      first = max(first, value);
    }
    groups[g] = first + second;
  }
  for (var n = 0u; n < rounds(${count - chosen}u); n++) {
    var worst = 0u;
    for (var g = 1u; g < rounds(${count}u); g++) { if (groups[g] <= groups[worst]) { worst = g; } }
    groups[worst] = -USED;
    for (var i = 0u; i < rounds(${size}u); i++) { scores[begin + worst * ${size}u + i] = USED; }
  }`;
}

/**
 * Adds up the outputs of the chosen experts, each multiplied by its share. The sum is added to `out`
 * or replaces it. Each thread handles one number of it.
 */
export function combine({
  hidden,
  perToken,
  adds,
}: {
  hidden: number;
  perToken: number;
  adds: boolean;
}): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> made: array<f32>;
@group(0) @binding(3) var<storage, read> shares: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${hidden}u || id.y >= step.tokens) { return; }
  var sum = 0.0;
  for (var n = 0u; n < rounds(${perToken}u); n++) { let slot = id.y * ${perToken}u + n; sum += shares[slot] * made[slot * ${hidden}u + id.x]; }
  out[id.y * ${hidden}u + id.x] ${adds ? '+=' : '='} sum;
}`;
}
