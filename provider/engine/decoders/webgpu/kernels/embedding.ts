import type { Format } from '../gpu-weights.ts';
import { literal, numberAt, quadOf, STEP, THREADS, weightsType } from './wgsl.ts';

interface Embedding {
  readonly format: Format;
  readonly width: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly scale: number;
}

/**
 * Writes the embeddings of tokens to the state. Each thread handles four numbers of one token.
 * Tokens whose rows lie in another buffer are skipped, because another dispatch handles them.
 */
export function embed({ format, width, firstRow, rows, scale }: Embedding): string {
  const isRounded = format.bits > 0;
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<${weightsType(format)}>;
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
