import type { Format } from './gpu-weights.ts';

/** What every kernel may ask about the step. */
const STEP = /* wgsl */ `
struct Step { tokens: u32, outputs: u32, tableWidth: u32, slots: u32, singles: u32, stretches: u32 }
`;

export interface Multiplication {
  readonly format: Format;
  readonly in: number;
  readonly rows: number;
  /** Where in the result these rows' numbers stand, and how far apart two inputs' results are. */
  readonly firstRow: number;
  readonly stride: number;
  readonly hasBias: boolean;
  /** Adds to what is there. */
  readonly adds: boolean;
  /** Inputs of one thread. */
  readonly tile: 1 | 2;
  /** Threads of a workgroup share rows and divide their columns, instead of each having rows of its own. */
  readonly split: boolean;
  /** What counts the inputs. */
  readonly counted: 'tokens' | 'outputs' | 'slots';
  /** For a layer of experts: matrices of so many rows are stacked, and each slot says which it wants; so many slots share an input. */
  readonly experts?: { readonly rows: number; readonly shared: number };
}

/** Rows of one thread: they share the reading of the input. */
const ROWS = 8;
export const THREADS = 32;

export const multiplyGroups = ({ rows, split, tile }: Multiplication, inputs: number): [number, number] => [
  Math.ceil(rows / ROWS / (split ? 1 : THREADS)),
  Math.ceil(inputs / tile),
];

/** Four decoders of 16-bit numbers, two to a word. */
const numberAt = (name: string, type: Format['type']): string => {
  if (type === 'F32') return `fn ${name}At(i: u32) -> f32 { return bitcast<f32>(${name}[i]); }`;
  const read = type === 'F16' ? 'unpack2x16float(word)[i % 2u]' : 'bitcast<f32>(select(word << 16u, word & 0xffff0000u, i % 2u == 1u))';
  return `fn ${name}At(i: u32) -> f32 { let word = ${name}[i / 2u]; return ${read}; }`;
};

/** Four weights of a row from column i on, whatever the format. */
function quadOf({ bits, group, type }: Format, width: number): string {
  if (bits === 0)
    return `${numberAt('weights', type)}\nfn quad(row: u32, i: u32) -> vec4f { let at = row * ${width}u + i; return vec4f(weightsAt(at), weightsAt(at + 1u), weightsAt(at + 2u), weightsAt(at + 3u)); }`;
  return /* wgsl */ `
fn number(row: u32, i: u32) -> f32 {
  let bit = i * ${bits}u;
  let at = row * ${(width * bits) / 32}u + bit / 32u;
  let shift = bit % 32u;
  var q = weights[at] >> shift;
  if (shift + ${bits}u > 32u) { q |= weights[at + 1u] << (32u - shift); }
  return f32(q & ${2 ** bits - 1}u);
}
fn quad(row: u32, i: u32) -> vec4f {
  let g = (row * ${width}u + i) / ${group}u;
  return vec4f(number(row, i), number(row, i + 1u), number(row, i + 2u), number(row, i + 3u)) * scalesAt(g) + biasesAt(g);
}`;
}

/** out = weights · input, for ROWS rows and `tile` inputs a thread. */
export function multiply(m: Multiplication): string {
  const { format, rows, tile, split, experts } = m;
  const width = m.in;
  const isRounded = format.bits > 0;
  // Four inputs at a time; with 4 bits a word's eight.
  const fast = format.bits === 4;
  const each = (body: (r: number, t: number) => string) => Array.from({ length: ROWS * tile }, (_, i) => body(Math.floor(i / tile), i % tile)).join('\n');
  const tiles = (body: (t: number) => string) => Array.from({ length: tile }, (_, t) => body(t)).join('\n');
  const rowsEach = (body: (r: number) => string) => Array.from({ length: ROWS }, (_, r) => body(r)).join('\n');
  const inputOf = (t: number) => (experts ? `(input + ${t}u) / ${experts.shared}u` : `(input + ${t}u)`);
  const step = split ? THREADS : 1;
  const from = split ? 'local' : '0u';
  const fastLoop = /* wgsl */ `
  let perGroup = ${format.group / 8}u;
  for (var word = ${from}; word < ${width / 8}u; word += ${step}u) {
    ${tiles(
      (t) => `let low${t} = inputs[at${t} + word * 2u]; let high${t} = inputs[at${t} + word * 2u + 1u];
    let sum${t} = dot(low${t} + high${t}, vec4f(1.0));
    let a${t} = low${t} * parts; let b${t} = high${t} * parts;`,
    )}
    ${rowsEach(
      (r) => `{
      let w = weights[(base + ${r}u) * ${width / 8}u + word];
      let lows = vec4f(vec4u(w) & masks); let highs = vec4f(vec4u(w >> 16u) & masks);
      let g = (base + ${r}u) * ${width / format.group}u + word / perGroup;
      let scale = scalesAt(g); let offset = biasesAt(g);
      ${tiles((t) => `total${r}_${t} += scale * (dot(lows, a${t}) + dot(highs, b${t})) + offset * sum${t};`)}
    }`,
    )}
  }`;
  // Each thread with rows of its own works through them group by group: one scale for all of a group's columns.
  const groupLoop = /* wgsl */ `
  for (var g = 0u; g < ${width / format.group}u; g++) {
    ${each((r, t) => `var part${r}_${t} = 0.0;`)}
    ${tiles((t) => `var sum${t} = vec4f(0.0);`)}
    for (var word = g * ${format.group / 8}u; word < (g + 1u) * ${format.group / 8}u; word++) {
      ${tiles(
        (t) => `let low${t} = inputs[at${t} + word * 2u]; let high${t} = inputs[at${t} + word * 2u + 1u];
      sum${t} += low${t} + high${t};
      let a${t} = low${t} * parts; let b${t} = high${t} * parts;`,
      )}
      ${rowsEach(
        (r) => `{
        let w = weights[(base + ${r}u) * ${width / 8}u + word];
        let lows = vec4f(vec4u(w) & masks); let highs = vec4f(vec4u(w >> 16u) & masks);
        ${tiles((t) => `part${r}_${t} += dot(lows, a${t}) + dot(highs, b${t});`)}
      }`,
      )}
    }
    ${tiles((t) => `let whole${t} = dot(sum${t}, vec4f(1.0));`)}
    ${rowsEach(
      (r) => `{
      let at = (base + ${r}u) * ${width / format.group}u + g;
      let scale = scalesAt(at); let offset = biasesAt(at);
      ${tiles((t) => `total${r}_${t} += scale * part${r}_${t} + offset * whole${t};`)}
    }`,
    )}
  }`;
  const plainLoop = /* wgsl */ `
  for (var i = ${from}; i < ${width / 4}u; i += ${step}u) {
    ${tiles((t) => `let x${t} = inputs[at${t} + i];`)}
    ${rowsEach((r) => `{ let w = quad(base + ${r}u, i * 4u); ${tiles((t) => `total${r}_${t} += dot(w, x${t});`)} }`)}
  }`;
  const put = (r: number, t: number, value: string) => `if (row + ${r}u < ${experts?.rows ?? rows}u && input + ${t}u < count) {
    let at = (input + ${t}u) * ${m.stride}u + ${m.firstRow}u + row + ${r}u;
    out[at] = ${m.adds ? 'out[at] + ' : ''}${value}${m.hasBias ? ` + bias[base + ${r}u]` : ''};
  }`;
  const reduce = /* wgsl */ `
  ${each((r, t) => `partial[${r * tile + t}u * ${THREADS}u + local] = total${r}_${t};`)}
  workgroupBarrier();
  if (local == 0u) {
    ${each((r, t) => `{ var sum = 0.0; for (var i = 0u; i < ${THREADS}u; i++) { sum += partial[${r * tile + t}u * ${THREADS}u + i]; } ${put(r, t, 'sum')} }`)}
  }`;
  const bindings = [
    'inputs: array<vec4f>',
    'weights: array<u32>',
    ...(isRounded ? ['scales: array<u32>', 'biases: array<u32>'] : []),
    ...(m.hasBias ? ['bias: array<f32>'] : []),
    ...(experts ? ['chosen: array<u32>'] : []),
  ];
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
${bindings.map((binding, i) => `@group(0) @binding(${i + 2}) var<storage, read> ${binding};`).join('\n')}
${isRounded ? `${numberAt('scales', format.type)}\n${numberAt('biases', format.type)}` : ''}
${fast ? '' : quadOf(format, width)}
${split ? `var<workgroup> partial: array<f32, ${ROWS * tile * THREADS}>;` : ''}
const masks = vec4u(15u, 240u, 3840u, 61440u);
const parts = vec4f(1.0, 0.0625, 0.00390625, 0.000244140625);
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let count = step.${m.counted};
  let row = ${split ? 'group.x' : 'id.x'} * ${ROWS}u;
  let input = id.y * ${tile}u;
  if (row >= ${experts?.rows ?? rows}u) { return; }
  let base = row${experts ? ` + chosen[input] * ${experts.rows}u` : ''};
  ${tiles((t) => `let at${t} = ${inputOf(t)} * ${width / 4}u;`)}
  ${each((r, t) => `var total${r}_${t} = 0.0;`)}
  ${fast ? (split ? fastLoop : groupLoop) : plainLoop}
  ${split ? reduce : each((r, t) => put(r, t, `total${r}_${t}`))}
}`;
}

export interface Embedding {
  readonly format: Format;
  readonly width: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly scale: number;
}

/** A thread for four numbers of a token's embedding; tokens whose rows lie in another piece are left alone. */
export function embed({ format, width, firstRow, rows, scale }: Embedding): string {
  const isRounded = format.bits > 0;
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;
${isRounded ? '@group(0) @binding(4) var<storage, read> scales: array<u32>;\n@group(0) @binding(5) var<storage, read> biases: array<u32>;' : ''}
${isRounded ? `${numberAt('scales', format.type)}\n${numberAt('biases', format.type)}` : ''}
${quadOf(format, width)}
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width / 4}u || id.y >= step.tokens) { return; }
  let token = tokens[id.y];
  if (token < ${firstRow}u || token >= ${firstRow + rows}u) { return; }
  state[id.y * ${width / 4}u + id.x] = quad(token - ${firstRow}u, id.x * 4u) * ${literal(scale)};
}`;
}

const literal = (value: number): string => (Number.isInteger(value) ? `${value}.0` : String(value));

export interface Normalisation {
  readonly width: number;
  readonly eps: number;
  /** Takes only the tokens of which something is asked, and puts them together. */
  readonly picks: boolean;
  /** Adds the result to the state instead of writing it. */
  readonly adds: boolean;
}

/** A workgroup for each token. */
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
  for (var i = 0u; i < ${THREADS}u; i++) { total += squares[i]; }
  let factor = inverseSqrt(total / ${width}.0 + ${eps});
  for (var i = local; i < ${width}u; i += ${THREADS}u) { out[to + i] = ${adds ? 'out[to + i] + ' : ''}inputs[begin + i] * factor * weight[i]; }
}`;
}

export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly eps: number;
  readonly qkNorm: boolean;
  /** Numbers before this layer's rope in the table of turns, in heads. */
  readonly rope: number;
  readonly maxTokens: number;
}

/** A thread for each head of queries, keys and values: norm, turn, and into the cache. */
export function place({ heads, kvHeads, headDim, eps, qkNorm, rope, maxTokens }: Heads): string {
  const all = heads + 2 * kvHeads;
  const half = headDim / 2;
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(2) var<storage, read_write> keys: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read> places: array<u32>;
@group(0) @binding(5) var<storage, read> turns: array<f32>;
${qkNorm ? '@group(0) @binding(6) var<storage, read> qNorm: array<f32>;\n@group(0) @binding(7) var<storage, read> kNorm: array<f32>;' : ''}
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.tokens * ${all}u) { return; }
  let token = id.x / ${all}u;
  let head = id.x % ${all}u;
  let at = id.x * ${headDim}u;
  let kept = places[token] * ${kvHeads * headDim}u;
  if (head >= ${heads + kvHeads}u) {
    for (var i = 0u; i < ${headDim}u; i++) { values[kept + (head - ${heads + kvHeads}u) * ${headDim}u + i] = qkv[at + i]; }
    return;
  }
  let isKey = head >= ${heads}u;
  var factor = 1.0;
  ${qkNorm ? `var sum = 0.0;\n  for (var i = 0u; i < ${headDim}u; i++) { sum += qkv[at + i] * qkv[at + i]; }\n  factor = inverseSqrt(sum / ${headDim}.0 + ${eps});` : ''}
  let turn = (${rope * maxTokens}u + token) * ${headDim}u;
  for (var i = 0u; i < ${half}u; i++) {
    var a = qkv[at + i] * factor;
    var b = qkv[at + ${half}u + i] * factor;
    ${qkNorm ? `a *= select(qNorm[i], kNorm[i], isKey);\n    b *= select(qNorm[${half}u + i], kNorm[${half}u + i], isKey);` : ''}
    let cosine = turns[turn + i];
    let sine = turns[turn + ${half}u + i];
    let first = a * cosine - b * sine;
    let second = b * cosine + a * sine;
    if (isKey) {
      let to = kept + (head - ${heads}u) * ${headDim}u + i;
      keys[to] = first;
      keys[to + ${half}u] = second;
    } else {
      qkv[at + i] = first;
      qkv[at + ${half}u + i] = second;
    }
  }
}`;
}

export interface Looking {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly window: number;
  readonly scale: number;
  readonly pageTokens: number;
}

/** Positions whose scores are in shared memory at once. */
const CHUNK = 256;

/** Tokens of one sequence that follow one another, in one workgroup. */
export const STRETCH = 32;

/**
 * A workgroup for each head of a stretch of one sequence's tokens, a thread for each token: all read the same keys and values at
 * the same time. Right for prompts; where a stretch is one token, most threads would have nothing to do.
 */
export function attendStretch({ heads, kvHeads, headDim, window, scale, pageTokens }: Looking): string {
  const stride = (heads + 2 * kvHeads) * headDim;
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
@group(0) @binding(6) var<storage, read> stretches: array<u32>;
@group(0) @binding(7) var<storage, read> tables: array<u32>;
@compute @workgroup_size(${STRETCH}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let head = group.x;
  let begin = stretches[group.y * 3u];
  let count = stretches[group.y * 3u + 1u];
  let table = stretches[group.y * 3u + 2u] * step.tableWidth;
  let token = begin + min(local, count - 1u);
  let position = positions[token];
  let last = positions[begin + count - 1u];
  let kvHead = (head / ${heads / kvHeads}u) * ${quads}u;
  let query = (token * ${stride}u + head * ${headDim}u) / 4u;
  var q: array<vec4f, ${quads}>;
  var sum: array<vec4f, ${quads}>;
  for (var d = 0u; d < ${quads}u; d++) { q[d] = qkv[query + d] * ${literal(scale)}; }
  var most = -1e30;
  var total = 0.0;
  let start = ${window > 0 ? `select(0u, positions[begin] - ${window - 1}u, positions[begin] >= ${window}u)` : '0u'};
  for (var p = start - start % 8u; p <= last; p += 8u) {
    let at = (tables[table + p / ${pageTokens}u] * ${pageTokens}u + p % ${pageTokens}u) * ${(kvHeads * headDim) / 4}u + kvHead;
    ${each((j) => `var s${j} = 0.0;`)}
    for (var d = 0u; d < ${quads}u; d++) {
      let x = q[d];
      ${each((j) => `s${j} += dot(x, keys[at + ${(j * kvHeads * headDim) / 4}u + d]);`)}
    }
    ${each((j) => `let seen${j} = p + ${j}u <= position${window > 0 ? ` && p + ${j + window}u > position` : ''};`)}
    ${each((j) => `s${j} = select(-1e30, s${j}, seen${j});`)}
    let largest = max(most, ${each((j) => `max(s${j}, `, '')}-1e30${')'.repeat(keys.length)});
    let fade = exp(most - largest);
    ${each((j) => `let e${j} = select(0.0, exp(s${j} - largest), seen${j});`)}
    total = total * fade + ${each((j) => `e${j}`, ' + ')};
    for (var d = 0u; d < ${quads}u; d++) {
      sum[d] = sum[d] * fade + ${each((j) => `e${j} * values[at + ${(j * kvHeads * headDim) / 4}u + d]`, ' + ')};
    }
    most = largest;
  }
  if (local < count) {
    for (var d = 0u; d < ${quads}u; d++) { out[(token * ${heads}u + head) * ${quads}u + d] = sum[d] / total; }
  }
}`;
}

/**
 * A workgroup for each head of a token that comes alone. First its threads divide the positions and score them, then they divide the numbers of
 * the result and add up the values; what came before is scaled down when a larger score turns up.
 */
export function attend({ heads, kvHeads, headDim, window, scale, pageTokens }: Looking): string {
  const stride = (heads + 2 * kvHeads) * headDim;
  const each = Math.ceil(headDim / THREADS);
  const mine = (body: (j: number) => string) => Array.from({ length: each }, (_, j) => body(j)).join('\n');
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(3) var<storage, read> keys: array<vec4f>;
@group(0) @binding(4) var<storage, read> values: array<f32>;
@group(0) @binding(5) var<storage, read> positions: array<u32>;
@group(0) @binding(6) var<storage, read> singles: array<u32>;
@group(0) @binding(7) var<storage, read> tables: array<u32>;
var<workgroup> scores: array<f32, ${CHUNK}>;
var<workgroup> places: array<u32, ${CHUNK}>;
var<workgroup> partial: array<f32, ${THREADS}>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let head = group.x;
  let token = singles[group.y * 2u];
  let last = positions[token];
  let first = ${window > 0 ? `select(0u, last - ${window - 1}u, last >= ${window}u)` : '0u'};
  let table = singles[group.y * 2u + 1u] * step.tableWidth;
  let query = (token * ${stride}u + head * ${headDim}u) / 4u;
  let kvHead = head / ${heads / kvHeads}u;
  var most = -1e30;
  var total = 0.0;
  ${mine((j) => `var sum${j} = 0.0;`)}
  for (var start = first; start <= last; start += ${CHUNK}u) {
    let count = min(${CHUNK}u, last - start + 1u);
    var largest = most;
    for (var i = local; i < count; i += ${THREADS}u) {
      let position = start + i;
      let kept = tables[table + position / ${pageTokens}u] * ${pageTokens}u + position % ${pageTokens}u;
      let key = (kept * ${kvHeads * headDim}u + kvHead * ${headDim}u) / 4u;
      var score = 0.0;
      for (var d = 0u; d < ${headDim / 4}u; d++) { score += dot(qkv[query + d], keys[key + d]); }
      score *= ${literal(scale)};
      scores[i] = score;
      places[i] = kept * ${kvHeads * headDim}u + kvHead * ${headDim}u;
      largest = max(largest, score);
    }
    partial[local] = largest;
    workgroupBarrier();
    for (var i = 0u; i < ${THREADS}u; i++) { largest = max(largest, partial[i]); }
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
    for (var i = 0u; i < ${THREADS}u; i++) { total += partial[i]; }
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

/** A thread for each number of the MLP's width: act(gate)·up. Gate and up stand side by side. */
export function activate({ width, gelu, counted }: { width: number; gelu: boolean; counted: 'tokens' | 'slots' }): string {
  const act = gelu ? '0.5 * g * (1.0 + tanh(clamp(0.7978845608 * (g + 0.044715 * g * g * g), -15.0, 15.0)))' : 'g / (1.0 + exp(-g))';
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> both: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${width}u || id.y >= step.${counted}) { return; }
  let g = both[id.y * ${2 * width}u + id.x];
  out[id.y * ${width}u + id.x] = ${act} * both[id.y * ${2 * width}u + ${width}u + id.x];
}`;
}

/** A thread for each token: which experts, and how much of each. */
export function choose({ experts, perToken, normalised }: { experts: number; perToken: number; normalised: boolean }): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(3) var<storage, read_write> shares: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x;
  if (token >= step.tokens) { return; }
  let begin = token * ${experts}u;
  var most = scores[begin];
  for (var e = 1u; e < ${experts}u; e++) { most = max(most, scores[begin + e]); }
  var total = 0.0;
  for (var e = 0u; e < ${experts}u; e++) {
    let share = exp(scores[begin + e] - most);
    scores[begin + e] = share;
    total += share;
  }
  var taken = 0.0;
  for (var n = 0u; n < ${perToken}u; n++) {
    var best = 0u;
    for (var e = 1u; e < ${experts}u; e++) { if (scores[begin + e] > scores[begin + best]) { best = e; } }
    chosen[token * ${perToken}u + n] = best;
    shares[token * ${perToken}u + n] = scores[begin + best];
    taken += scores[begin + best];
    scores[begin + best] = -1.0;
  }
  for (var n = 0u; n < ${perToken}u; n++) { shares[token * ${perToken}u + n] /= ${normalised ? 'taken' : 'total'}; }
}`;
}

/** A thread for each number of the state: what the chosen experts made, each by its share. */
export function combine({ hidden, perToken }: { hidden: number; perToken: number }): string {
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> made: array<f32>;
@group(0) @binding(3) var<storage, read> shares: array<f32>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= ${hidden}u || id.y >= step.tokens) { return; }
  var sum = 0.0;
  for (var n = 0u; n < ${perToken}u; n++) { let slot = id.y * ${perToken}u + n; sum += shares[slot] * made[slot * ${hidden}u + id.x]; }
  out[id.y * ${hidden}u + id.x] += sum;
}`;
}

/** A workgroup for each output: the likeliest token, the first of equals; and the cap on logits, where there is one. */
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
    for (var i = 1u; i < ${THREADS}u; i++) { if (values[i] > most || (values[i] == most && found[i] < at)) { most = values[i]; at = found[i]; } }
    best[group.x] = at;
  }
}`;
}
