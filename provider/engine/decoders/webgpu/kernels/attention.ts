import { literal, STEP, THREADS } from './wgsl.ts';

interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Half of the size of the largest heads: the number of cosines in a row of the rotations. */
  readonly pairs: number;
  readonly eps: number;
  readonly qkNorm: boolean;
  readonly valueNorm: boolean;
  /** Index of the layer's table of rotations in the step. */
  readonly rope: number;
  /** What the layer caches. If only keys are projected, they are values too. */
  readonly projected: 'keys and values' | 'keys' | 'none';
}

/** Number of heads that a layer projects for each token. */
export const projectedHeads = ({
  heads,
  kvHeads,
  projected,
}: Pick<Heads, 'heads' | 'kvHeads' | 'projected'>): number =>
  heads + kvHeads * { 'keys and values': 2, keys: 1, none: 0 }[projected];

/**
 * One thread for each head of queries, keys and values: normalises, rotates, and caches keys and
 * values.
 */
export function place(shape: Heads): string {
  const { heads, kvHeads, headDim, pairs, eps, qkNorm, valueNorm, rope, projected } = shape;
  const all = projectedHeads(shape);
  const half = headDim / 2;
  const hasKeys = projected !== 'none';
  const bindings = [
    'read_write> qkv: array<f32>',
    ...(hasKeys
      ? [
          'read_write> keys: array<f32>',
          'read_write> values: array<f32>',
          'read> places: array<u32>',
        ]
      : []),
    'read> ropeAngles: array<f32>',
    ...(qkNorm ? ['read> qNorm: array<f32>'] : []),
    ...(qkNorm && hasKeys ? ['read> kNorm: array<f32>'] : []),
  ];
  const weightAt = (i: string) =>
    hasKeys ? `select(qNorm[${i}], kNorm[${i}], isKey)` : `qNorm[${i}]`;
  const sumOfSquares = /* wgsl */ `var sum = 0.0;
  for (var i = 0u; i < rounds(${headDim}u); i++) { sum += qkv[at + i] * qkv[at + i]; }
  let normed = inverseSqrt(sum / ${headDim}.0 + ${eps});`;
  const storeValue = (head: string) => /* wgsl */ `
    for (var i = 0u; i < rounds(${headDim}u); i++) { values[slot + (head - ${head}u) * ${headDim}u + i] = qkv[at + i]${valueNorm ? ' * normed' : ''}; }`;
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
${bindings.map((binding, i) => `@group(0) @binding(${i + 1}) var<storage, ${binding};`).join('\n')}
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.tokens * ${all}u) { return; }
  let token = id.x / ${all}u;
  let head = id.x % ${all}u;
  let at = id.x * ${headDim}u;
  ${hasKeys ? `let slot = places[token] * ${kvHeads * headDim}u;` : ''}
  ${qkNorm || valueNorm ? sumOfSquares : ''}
  ${projected === 'keys and values' ? `if (head >= ${heads + kvHeads}u) {${storeValue(String(heads + kvHeads))}\n    return;\n  }` : ''}
  let isKey = head >= ${heads}u;
  ${projected === 'keys' ? `if (isKey) {${storeValue(String(heads))}\n  }` : ''}
  let factor = ${qkNorm ? 'normed' : '1.0'};
  let angleOffset = (${rope}u * step.tokens + token) * ${2 * pairs}u;
  for (var i = 0u; i < rounds(${half}u); i++) {
    var a = qkv[at + i] * factor;
    var b = qkv[at + ${half}u + i] * factor;
    ${qkNorm ? `a *= ${weightAt('i')};\n    b *= ${weightAt(`${half}u + i`)};` : ''}
    let cosine = ropeAngles[angleOffset + i];
    let sine = ropeAngles[angleOffset + ${pairs}u + i];
    let first = a * cosine - b * sine;
    let second = b * cosine + a * sine;
    if (isKey) {
      ${hasKeys ? `let to = slot + (head - ${heads}u) * ${headDim}u + i;\n      keys[to] = first;\n      keys[to + ${half}u] = second;` : ''}
    } else {
      qkv[at + i] = first;
      qkv[at + ${half}u + i] = second;
    }
  }
}`;
}

/**
 * Normalises all queries of a token at once, and all of its keys, with one workgroup for each. A
 * layer that reads the keys of another one has only queries.
 */
export function normaliseProjections({
  heads,
  kvHeads,
  headDim,
  stride,
  eps,
}: Pick<Heads, 'heads' | 'kvHeads' | 'headDim' | 'eps'> & { readonly stride: number }): string {
  const [queries, keys] = [heads * headDim, kvHeads * headDim];
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> qNorm: array<f32>;
@group(0) @binding(3) var<storage, read> kNorm: array<f32>;
var<workgroup> squares: array<f32, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  _ = step.tokens;
  let isKey = group.x == 1u;
  let width = select(${queries}u, ${keys}u, isKey);
  let begin = group.y * ${stride}u + select(0u, ${queries}u, isKey);
  var sum = 0.0;
  for (var i = local; i < width; i += ${THREADS}u) { sum += qkv[begin + i] * qkv[begin + i]; }
  squares[local] = sum;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < rounds(${THREADS}u); i++) { total += squares[i]; }
  let factor = inverseSqrt(total / f32(width) + ${eps});
  for (var i = local; i < width; i += ${THREADS}u) { qkv[begin + i] *= factor * select(qNorm[i], kNorm[i], isKey); }
}`;
}

interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Distance between the queries of two tokens. */
  readonly stride: number;
  readonly window: number;
  readonly scale: number;
  readonly pageTokens: number;
  /** True if each head has a sink, a score that takes a share of its attention. */
  readonly sinks: boolean;
  /**
   * True if a token attends to later ones, as far as the step and the window say. No window ends within
   * an image, because a model whose windows are smaller than its images is refused.
   */
  readonly bothWays: boolean;
}

/** A sink counts like a first token whose value is zero. */
const SINKS = '@group(0) @binding(8) var<storage, read> sinks: array<f32>;';
/** In the place of the sinks: no model has both. */
const ENDS = '@group(0) @binding(8) var<storage, read> ends: array<u32>;';
const extraBinding = ({ sinks, bothWays }: AttentionShape): string =>
  `${sinks ? SINKS : ''}${bothWays ? ENDS : ''}`;

/** The last position that a token attends to. */
const lastOf = ({ window, bothWays }: AttentionShape, token: string): string => {
  if (!bothWays) return `positions[${token}]`;
  const end = `ends[${token}] - 1u`;
  return window > 0 ? `min(${end}, positions[${token}] + ${window - 1}u)` : end;
};

const start = (sinks: boolean): string =>
  `var most = ${sinks ? 'sinks[head]' : '-1e30'};\n  var total = ${sinks ? '1.0' : '0.0'};`;

/** Number of positions whose scores are in shared memory at a time. */
const CHUNK = 256;

/** Maximum number of consecutive tokens of a sequence in one workgroup. */
export const RUN_TOKENS = 32;

/**
 * Attention for prompts: one workgroup for each head of a run of one sequence's tokens, and one
 * thread for each token. All threads read the same keys and values at the same time. With a single
 * token, most threads would be idle.
 */
export function attendRun(shape: AttentionShape): string {
  const { heads, kvHeads, headDim, stride, window, scale, pageTokens, sinks } = shape;
  const quads = headDim / 4;
  const keys = Array.from({ length: 8 }, (_, j) => j);
  const each = (body: (j: number) => string, join = '\n') => keys.map(body).join(join);
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(3) var<storage, read> keys: array<vec4f>;
@group(0) @binding(4) var<storage, read> values: array<vec4f>;
@group(0) @binding(5) var<storage, read> positions: array<u32>;
@group(0) @binding(6) var<storage, read> prefillRuns: array<u32>;
@group(0) @binding(7) var<storage, read> tables: array<u32>;
${extraBinding(shape)}
@compute @workgroup_size(${RUN_TOKENS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let head = group.x;
  let begin = prefillRuns[group.y * 3u];
  let count = prefillRuns[group.y * 3u + 1u];
  let table = prefillRuns[group.y * 3u + 2u] * step.tableWidth;
  let token = begin + min(local, count - 1u);
  let position = positions[token];
  let lastSeen = ${lastOf(shape, 'token')};
  let last = ${lastOf(shape, 'begin + count - 1u')};
  let kvHead = (head / ${heads / kvHeads}u) * ${quads}u;
  let query = (token * ${stride}u + head * ${headDim}u) / 4u;
  var q: array<vec4f, ${quads}>;
  var sum: array<vec4f, ${quads}>;
  for (var d = 0u; d < rounds(${quads}u); d++) { q[d] = qkv[query + d] * ${literal(scale)}; }
  ${start(sinks)}
  let start = ${window > 0 ? `select(0u, positions[begin] - ${window - 1}u, positions[begin] >= ${window}u)` : '0u'};
  for (var p = start - start % 8u; p <= last; p += 8u) {
    let at = (tables[table + p / ${pageTokens}u] * ${pageTokens}u + p % ${pageTokens}u) * ${(kvHeads * headDim) / 4}u + kvHead;
    ${each((j) => `var s${j} = 0.0;`)}
    for (var d = 0u; d < rounds(${quads}u); d++) {
      let x = q[d];
      ${each((j) => `s${j} += dot(x, keys[at + ${(j * kvHeads * headDim) / 4}u + d]);`)}
    }
    ${each((j) => `let seen${j} = p + ${j}u <= lastSeen${window > 0 ? ` && p + ${j + window}u > position` : ''};`)}
    ${each((j) => `s${j} = select(-1e30, s${j}, seen${j});`)}
    let largest = max(most, ${each((j) => `max(s${j}, `, '')}-1e30${')'.repeat(keys.length)});
    let fade = exp(most - largest);
    ${each((j) => `let e${j} = select(0.0, exp(s${j} - largest), seen${j});`)}
    total = total * fade + ${each((j) => `e${j}`, ' + ')};
    for (var d = 0u; d < rounds(${quads}u); d++) {
      sum[d] = sum[d] * fade + ${each((j) => `e${j} * values[at + ${(j * kvHeads * headDim) / 4}u + d]`, ' + ')};
    }
    most = largest;
  }
  if (local < count) {
    for (var d = 0u; d < rounds(${quads}u); d++) { out[(token * ${heads}u + head) * ${quads}u + d] = sum[d] / total; }
  }
}`;
}

/**
 * Attention for a token that is processed alone: one workgroup for each head. Its threads first
 * divide the positions and score them, then divide the numbers of the result and sum the values.
 * Earlier sums are scaled down when a larger score is found.
 */
export function attend(shape: AttentionShape): string {
  const { heads, kvHeads, headDim, stride, window, scale, pageTokens, sinks } = shape;
  const each = Math.ceil(headDim / THREADS);
  const mine = (body: (j: number) => string) =>
    Array.from({ length: each }, (_, j) => body(j)).join('\n');
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(3) var<storage, read> keys: array<vec4f>;
@group(0) @binding(4) var<storage, read> values: array<f32>;
@group(0) @binding(5) var<storage, read> positions: array<u32>;
@group(0) @binding(6) var<storage, read> decodeRows: array<u32>;
@group(0) @binding(7) var<storage, read> tables: array<u32>;
${extraBinding(shape)}
var<workgroup> scores: array<f32, ${CHUNK}>;
var<workgroup> places: array<u32, ${CHUNK}>;
var<workgroup> partial: array<f32, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let head = group.x;
  let token = decodeRows[group.y * 2u];
  let position = positions[token];
  let last = ${lastOf(shape, 'token')};
  let first = ${window > 0 ? `select(0u, position - ${window - 1}u, position >= ${window}u)` : '0u'};
  let table = decodeRows[group.y * 2u + 1u] * step.tableWidth;
  let query = (token * ${stride}u + head * ${headDim}u) / 4u;
  let kvHead = head / ${heads / kvHeads}u;
  ${start(sinks)}
  ${mine((j) => `var sum${j} = 0.0;`)}
  for (var start = first; start <= last; start += ${CHUNK}u) {
    let count = min(${CHUNK}u, last - start + 1u);
    var largest = most;
    for (var i = local; i < count; i += ${THREADS}u) {
      let position = start + i;
      let slot = tables[table + position / ${pageTokens}u] * ${pageTokens}u + position % ${pageTokens}u;
      let key = (slot * ${kvHeads * headDim}u + kvHead * ${headDim}u) / 4u;
      var score = 0.0;
      for (var d = 0u; d < rounds(${headDim / 4}u); d++) { score += dot(qkv[query + d], keys[key + d]); }
      score *= ${literal(scale)};
      scores[i] = score;
      places[i] = slot * ${kvHeads * headDim}u + kvHead * ${headDim}u;
      largest = max(largest, score);
    }
    partial[local] = largest;
    workgroupBarrier();
    for (var i = 0u; i < rounds(${THREADS}u); i++) { largest = max(largest, partial[i]); }
    workgroupBarrier();
    var share = 0.0;
    for (var i = local; i < count; i += ${THREADS}u) {
      let e = exp(scores[i] - largest);
      scores[i] = e;
      share += e;
    }
    partial[local] = share;
    workgroupBarrier();
    let fade = exp(most - largest);
    total *= fade;
    for (var i = 0u; i < rounds(${THREADS}u); i++) { total += partial[i]; }
    ${mine((j) => `sum${j} *= fade;`)}
    for (var i = 0u; i < count; i++) {
      let e = scores[i];
      let value = places[i];
      ${mine((j) => `if (local + ${j * THREADS}u < ${headDim}u) { sum${j} += e * values[value + local + ${j * THREADS}u]; }`)}
    }
    most = largest;
    workgroupBarrier();
  }
  ${mine((j) => `if (local + ${j * THREADS}u < ${headDim}u) { out[(token * ${heads}u + head) * ${headDim}u + local + ${j * THREADS}u] = sum${j} / total; }`)}
}`;
}
