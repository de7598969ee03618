import { STEP, THREADS } from './wgsl.ts';

interface ImageNumbers {
  readonly hidden: number;
  /** Number of times that a token of an image gets `hidden` numbers: before the first layer, and after some. */
  readonly parts: number;
  /** Which of them this is. The first one is the embedding, which replaces that of the token. */
  readonly part: number;
}

/**
 * Gives the tokens of images their numbers: writes their embeddings to the state, or adds what they get
 * after a layer. Each thread handles four numbers of one token.
 */
export function giveNumbers({ hidden, parts, part }: ImageNumbers): string {
  const quads = hidden / 4;
  return /* wgsl */ `${STEP}
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> imageTokens: array<u32>;
@group(0) @binding(3) var<storage, read> numbers: array<vec4f>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(global_invocation_id) id: vec3u) {
  _ = step.tokens;
  if (id.x >= ${quads}u) { return; }
  state[imageTokens[id.y] * ${quads}u + id.x] ${part === 0 ? '=' : '+='} numbers[(id.y * ${parts}u + ${part}u) * ${quads}u + id.x];
}`;
}
