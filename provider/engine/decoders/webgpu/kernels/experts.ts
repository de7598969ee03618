import { STEP, THREADS } from './wgsl.ts';

/** Chooses the experts of each token and their shares. Each thread handles one token. */
export function chooseExperts({
  experts,
  perToken,
  normalised,
  isScaled,
}: {
  experts: number;
  perToken: number;
  normalised: boolean;
  /** True if each expert has a factor for its share. */
  isScaled: boolean;
}): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(3) var<storage, read_write> shares: array<f32>;
${isScaled ? '@group(0) @binding(4) var<storage, read> scales: array<f32>;' : ''}
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x;
  if (token >= step.tokens) { return; }
  let begin = token * ${experts}u;
  var most = scores[begin];
  for (var e = 1u; e < rounds(${experts}u); e++) { most = max(most, scores[begin + e]); }
  var total = 0.0;
  for (var e = 0u; e < rounds(${experts}u); e++) {
    let share = exp(scores[begin + e] - most);
    scores[begin + e] = share;
    total += share;
  }
  var taken = 0.0;
  for (var n = 0u; n < rounds(${perToken}u); n++) {
    var best = 0u;
    for (var e = 1u; e < rounds(${experts}u); e++) { if (scores[begin + e] > scores[begin + best]) { best = e; } }
    chosen[token * ${perToken}u + n] = best;
    shares[token * ${perToken}u + n] = scores[begin + best];
    taken += scores[begin + best];
    scores[begin + best] = -1.0;
  }
  for (var n = 0u; n < rounds(${perToken}u); n++) { shares[token * ${perToken}u + n] ${isScaled ? `*= scales[chosen[token * ${perToken}u + n]] / ` : '/= '}${normalised ? 'taken' : 'total'}; }
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
