import { type Format, isMxfp4 } from '../gpu-weights.ts';
import { numberAt, quadOf, STEP, THREADS, weightsType } from './wgsl.ts';

export interface Multiplication {
  readonly format: Format;
  readonly in: number;
  readonly rows: number;
  /**
   * Index of the first row in an input's result. `stride` is the distance between the results of
   * two inputs.
   */
  readonly firstRow: number;
  readonly stride: number;
  readonly hasBias: boolean;
  /** Adds to the numbers in the output buffer instead of replacing them. */
  readonly adds: boolean;
  /** Number of rows of one thread. They share one read of the input. */
  readonly rowsEach: 2 | 8;
  /** Number of inputs that one thread processes. */
  readonly tile: 1 | 2;
  /**
   * True: the threads of a workgroup share rows and divide the columns. False: each thread has its
   * own rows.
   */
  readonly split: boolean;
  /** The field of the step that holds the number of inputs. */
  readonly counted: 'tokens' | 'outputs' | 'slots';
  /**
   * For a layer of experts: matrices of `rows` rows are stacked, `chosen` names one for each slot,
   * and `shared` consecutive slots have the same input.
   */
  readonly experts?: { readonly rows: number; readonly shared: number };
}

export const multiplyGroups = (
  { rows, rowsEach, split, tile }: Multiplication,
  inputs: number,
): [number, number] => [
  Math.ceil(rows / rowsEach / (split ? 1 : THREADS)),
  Math.ceil(inputs / tile),
];

/** Generates out = weights · input. Each thread computes `rowsEach` rows of `tile` inputs. */
export function multiply(m: Multiplication): string {
  const { format, rows, rowsEach, tile, split, experts } = m;
  const width = m.in;
  const isRounded = format.bits > 0;
  const hasOffsets = isRounded && !isMxfp4(format);
  // Four inputs are processed at a time, or with 4-bit weights the eight that share a 32-bit word.
  const fast = format.bits === 4 && hasOffsets;
  const each = (body: (r: number, t: number) => string) =>
    Array.from({ length: rowsEach * tile }, (_, i) => body(Math.floor(i / tile), i % tile)).join(
      '\n',
    );
  const tiles = (body: (t: number) => string) =>
    Array.from({ length: tile }, (_, t) => body(t)).join('\n');
  const eachRow = (body: (r: number) => string) =>
    Array.from({ length: rowsEach }, (_, r) => body(r)).join('\n');
  const inputOf = (t: number) =>
    experts ? `(input + ${t}u) / ${experts.shared}u` : `(input + ${t}u)`;
  const step = split ? THREADS : 1;
  const from = split ? 'local' : '0u';
  const fastLoop = /* wgsl */ `
  let perGroup = ${format.group / 8}u;
  for (var word = ${from}; word < ${width / 8}u; word += ${step}u) {
    ${tiles(
      (
        t,
      ) => `let low${t} = inputs[at${t} + word * 2u]; let high${t} = inputs[at${t} + word * 2u + 1u];
    let sum${t} = dot(low${t} + high${t}, vec4f(1.0));
    let a${t} = low${t} * parts; let b${t} = high${t} * parts;`,
    )}
    ${eachRow(
      (r) => `{
      let w = weights[(base + ${r}u) * ${width / 8}u + word];
      let lows = vec4f(vec4u(w) & masks); let highs = vec4f(vec4u(w >> 16u) & masks);
      let g = (base + ${r}u) * ${width / format.group}u + word / perGroup;
      let scale = scalesAt(g); let offset = biasesAt(g);
      ${tiles((t) => `total${r}_${t} += scale * (dot(lows, a${t}) + dot(highs, b${t})) + offset * sum${t};`)}
    }`,
    )}
  }`;
  // A thread with its own rows processes them group by group, and applies a group's scale once.
  const groupLoop = /* wgsl */ `
  for (var g = 0u; g < rounds(${width / format.group}u); g++) {
    ${each((r, t) => `var part${r}_${t} = 0.0;`)}
    ${tiles((t) => `var sum${t} = vec4f(0.0);`)}
    for (var word = g * ${format.group / 8}u; word < (g + 1u) * ${format.group / 8}u; word++) {
      ${tiles(
        (
          t,
        ) => `let low${t} = inputs[at${t} + word * 2u]; let high${t} = inputs[at${t} + word * 2u + 1u];
      sum${t} += low${t} + high${t};
      let a${t} = low${t} * parts; let b${t} = high${t} * parts;`,
      )}
      ${eachRow(
        (r) => `{
        let w = weights[(base + ${r}u) * ${width / 8}u + word];
        let lows = vec4f(vec4u(w) & masks); let highs = vec4f(vec4u(w >> 16u) & masks);
        ${tiles((t) => `part${r}_${t} += dot(lows, a${t}) + dot(highs, b${t});`)}
      }`,
      )}
    }
    ${tiles((t) => `let whole${t} = dot(sum${t}, vec4f(1.0));`)}
    ${eachRow(
      (r) => `{
      let at = (base + ${r}u) * ${width / format.group}u + g;
      let scale = scalesAt(at); let offset = biasesAt(at);
      ${tiles((t) => `total${r}_${t} += scale * part${r}_${t} + offset * whole${t};`)}
    }`,
    )}
  }`;
  const plainLoop = /* wgsl */ `
  for (var i = ${from}; i < rounds(${width / 4}u); i += ${step}u) {
    ${tiles((t) => `let x${t} = inputs[at${t} + i];`)}
    ${eachRow((r) => `{ let w = quad(base + ${r}u, i * 4u); ${tiles((t) => `total${r}_${t} += dot(w, x${t});`)} }`)}
  }`;
  const own = experts?.rows ?? rows;
  /** Writes the results of all rows: `value` is that of a row and an input, both counted from 0. */
  const puts = (value: (r: number, t: number) => string) =>
    tiles((t) => {
      const row = (r: number) => {
        const put = `out[to${t} + ${r}u] = ${m.adds ? `out[to${t} + ${r}u] + ` : ''}${value(r, t)}${m.hasBias ? ` + bias[base + ${r}u]` : ''};`;
        return own % rowsEach === 0 ? put : `if (row + ${r}u < ${own}u) { ${put} }`;
      };
      const all = `let to${t} = (input + ${t}u) * ${m.stride}u + ${m.firstRow}u + row;\n${eachRow(row)}`;
      return t === 0 ? `{ ${all} }` : `if (input + ${t}u < count) { ${all} }`;
    });
  const reduce = /* wgsl */ `
  ${each((r, t) => `partial[${r * tile + t}u * ${THREADS}u + local] = total${r}_${t};`)}
  workgroupBarrier();
  if (local == 0u) {
    ${each((r, t) => `var sum${r}_${t} = 0.0; for (var i = 0u; i < rounds(${THREADS}u); i++) { sum${r}_${t} += partial[${r * tile + t}u * ${THREADS}u + i]; }`)}
    ${puts((r, t) => `sum${r}_${t}`)}
  }`;
  const bindings = [
    'inputs: array<vec4f>',
    `weights: array<${weightsType(format)}>`,
    ...(isRounded ? ['scales: array<u32>'] : []),
    ...(hasOffsets ? ['biases: array<u32>'] : []),
    ...(m.hasBias ? ['bias: array<f32>'] : []),
    ...(experts ? ['chosen: array<u32>'] : []),
  ];
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
${bindings.map((binding, i) => `@group(0) @binding(${i + 2}) var<storage, read> ${binding};`).join('\n')}
${isRounded ? numberAt('scales', format.type) : ''}
${hasOffsets ? numberAt('biases', format.type) : ''}
${fast ? '' : quadOf(format, width)}
${split ? `var<workgroup> partial: array<f32, ${rowsEach * tile * THREADS}>;` : ''}
const masks = vec4u(15u, 240u, 3840u, 61440u);
const parts = vec4f(1.0, 0.0625, 0.00390625, 0.000244140625);
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let count = step.${m.counted};
  let row = ${split ? 'group.x' : 'id.x'} * ${rowsEach}u;
  let input = id.y * ${tile}u;
  if (row >= ${own}u) { return; }
  let base = row${experts ? ` + chosen[input] * ${experts.rows}u` : ''};
  ${tiles((t) => `let at${t} = ${inputOf(t)} * ${width / 4}u;`)}
  ${each((r, t) => `var total${r}_${t} = 0.0;`)}
  ${fast ? (split ? fastLoop : groupLoop) : plainLoop}
  ${split ? reduce : puts((r, t) => `total${r}_${t}`)}
}`;
}
