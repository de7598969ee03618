import { STEP, THREADS } from './wgsl.ts';

interface Groups {
  /** Number of the groups, and of the best ones that are chosen. */
  readonly count: number;
  readonly chosen: number;
  /** Number of the tokens of a group. */
  readonly size: number;
}

/** Chooses the best groups of each output, the lowest first of equal ones. One workgroup for each output. */
export function chooseGroups({ count, chosen }: Groups): string {
  return /* wgsl */ `${STEP}
const USED = -1e38;
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> best: array<u32>;
var<workgroup> values: array<f32, ${THREADS}>;
var<workgroup> found: array<u32, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  _ = step.tokens;
  let begin = group.x * ${count}u;
  for (var n = 0u; n < rounds(${chosen}u); n++) {
    var most = USED;
    var at = ${count}u;
    for (var i = local; i < ${count}u; i += ${THREADS}u) { if (scores[begin + i] > most) { most = scores[begin + i]; at = i; } }
    values[local] = most;
    found[local] = at;
    workgroupBarrier();
    if (local == 0u) {
      for (var i = 1u; i < rounds(${THREADS}u); i++) { if (values[i] > most || (values[i] == most && found[i] < at)) { most = values[i]; at = found[i]; } }
      best[group.x * ${chosen}u + n] = min(at, ${count - 1}u);
      scores[begin + min(at, ${count - 1}u)] = USED;
    }
    storageBarrier();
    workgroupBarrier();
  }
}`;
}

/**
 * Finds the most likely token of the chosen groups. One workgroup for each output. The logits are those of
 * the chosen groups, one after the other, or of all groups if `hasAll`.
 */
export function pickOfGroups({ count, chosen, size }: Groups, hasAll: boolean): string {
  const place = hasAll
    ? `(group.x * ${count}u + groups[group.x * ${chosen}u + i / ${size}u]) * ${size}u + i % ${size}u`
    : `group.x * ${chosen * size}u + i`;
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> groups: array<u32>;
@group(0) @binding(3) var<storage, read> tokens: array<u32>;
@group(0) @binding(4) var<storage, read_write> best: array<u32>;
var<workgroup> values: array<f32, ${THREADS}>;
var<workgroup> found: array<u32, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  _ = step.tokens;
  var most = -1e38;
  var at = 0u;
  for (var i = local; i < ${chosen * size}u; i += ${THREADS}u) {
    let value = logits[${place}];
    if (value > most) { most = value; at = i; }
  }
  values[local] = most;
  found[local] = at;
  workgroupBarrier();
  if (local == 0u) {
    for (var i = 1u; i < rounds(${THREADS}u); i++) { if (values[i] > most || (values[i] == most && found[i] < at)) { most = values[i]; at = found[i]; } }
    best[group.x] = tokens[groups[group.x * ${chosen}u + at / ${size}u] * ${size}u + at % ${size}u];
  }
}`;
}
