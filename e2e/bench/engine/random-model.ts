import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type WrittenTensor, writePieces, writeTensors } from './write-tensors.ts';

/** Sizes of a Llama with random weights, which is used only to measure speed. */
export interface Size {
  readonly name: string;
  readonly vocabulary: number;
  readonly hidden: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly tied: boolean;
}

export const sizes = {
  m6: {
    name: 'm6',
    vocabulary: 4_096,
    hidden: 256,
    width: 704,
    layers: 6,
    heads: 4,
    kvHeads: 2,
    tied: true,
  },
  m10: {
    name: 'm10',
    vocabulary: 8_192,
    hidden: 256,
    width: 704,
    layers: 8,
    heads: 4,
    kvHeads: 2,
    tied: false,
  },
  m100: {
    name: 'm100',
    vocabulary: 32_000,
    hidden: 768,
    width: 2_048,
    layers: 12,
    heads: 12,
    kvHeads: 4,
    tied: true,
  },
  b1: {
    name: 'b1',
    vocabulary: 128_256,
    hidden: 2_048,
    width: 8_192,
    layers: 16,
    heads: 32,
    kvHeads: 8,
    tied: true,
  },
} as const satisfies Record<string, Size>;

const GROUP = 64;
const CONTEXT = 2_048;
const THETA = 10_000;
const EPS = 1e-5;

/** Returns a mulberry32 generator of 32-bit numbers; the same seed gives the same numbers. */
function randomWords(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/**
 * One rounded matrix: `numbers` has a byte for each weight, from 0 to 15, and w = scale·(number −
 * 8).
 */
interface Rounded {
  readonly out: number;
  readonly in: number;
  readonly numbers: Uint8Array;
  /** 16-bit floating-point numbers, one for each group of weights. */
  readonly scales: Uint16Array;
}

export interface RandomModel {
  readonly size: Size;
  readonly matrices: ReadonlyMap<string, Rounded>;
}

export function makeRandomModel(size: Size, seed = 1): RandomModel {
  const word = randomWords(seed);
  const matrices = new Map<string, Rounded>();
  const add = (name: string, out: number, width: number, typical = 1 / Math.sqrt(width)) => {
    const numbers = new Uint8Array(out * width);
    for (let i = 0; i < numbers.length; i += 8) {
      const bits = word();
      for (let j = 0; j < 8; j += 1) numbers[i + j] = (bits >>> (4 * j)) & 15;
    }
    const scales = Uint16Array.from({ length: (out * width) / GROUP }, () =>
      toHalf((typical / 4.6) * (0.5 + word() / 2 ** 32)),
    );
    matrices.set(name, { out, in: width, numbers, scales });
  };
  const { hidden, width, heads, kvHeads, vocabulary, layers, tied } = size;
  const head = hidden / heads;
  add('model.embed_tokens', vocabulary, hidden, 0.4);
  for (let i = 0; i < layers; i += 1) {
    const at = `model.layers.${i}`;
    add(`${at}.self_attn.q_proj`, heads * head, hidden);
    add(`${at}.self_attn.k_proj`, kvHeads * head, hidden);
    add(`${at}.self_attn.v_proj`, kvHeads * head, hidden);
    add(`${at}.self_attn.o_proj`, hidden, heads * head);
    add(`${at}.mlp.gate_proj`, width, hidden);
    add(`${at}.mlp.up_proj`, width, hidden);
    add(`${at}.mlp.down_proj`, hidden, width);
  }
  if (!tied) add('lm_head', vocabulary, hidden);
  return { size, matrices };
}

/** Writes the model as mlx-community publishes models: 4-bit weights in groups of 64. */
export async function writeMlxFolder(
  { size, matrices }: RandomModel,
  folder: string,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { vocabulary, hidden, width, layers, heads, kvHeads, tied } = size;
  const config = {
    model_type: 'llama',
    vocab_size: vocabulary,
    hidden_size: hidden,
    intermediate_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    rms_norm_eps: EPS,
    rope_theta: THETA,
    max_position_embeddings: CONTEXT,
    tie_word_embeddings: tied,
    quantization: { group_size: GROUP, bits: 4 },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const parts: WrittenTensor[] = [];
  const bytes = (array: Uint16Array | Float32Array) => new Uint8Array(array.buffer);
  for (const [name, { out, in: inner, numbers, scales }] of matrices) {
    const packed = new Uint8Array(numbers.length / 2);
    for (let i = 0; i < packed.length; i += 1)
      packed[i] = (numbers[2 * i] as number) | ((numbers[2 * i + 1] as number) << 4);
    parts.push({ name: `${name}.weight`, type: 'U32', shape: [out, inner / 8], bytes: packed });
    parts.push({
      name: `${name}.scales`,
      type: 'F16',
      shape: [out, inner / GROUP],
      bytes: bytes(scales),
    });
    // The bias is −8·scale: the exponent grows by three and the sign bit is set.
    parts.push({
      name: `${name}.biases`,
      type: 'F16',
      shape: [out, inner / GROUP],
      bytes: bytes(scales.map((scale) => (scale + (3 << 10)) | 0x8000)),
    });
  }
  for (const name of normNames(layers))
    parts.push({
      name,
      type: 'F32',
      shape: [hidden],
      bytes: bytes(new Float32Array(hidden).fill(1)),
    });
  await writeTensors(join(folder, 'model.safetensors'), parts);
}

const normNames = (layers: number): string[] => [
  'model.norm.weight',
  ...Array.from({ length: layers }, (_, i) => [
    `model.layers.${i}.input_layernorm.weight`,
    `model.layers.${i}.post_attention_layernorm.weight`,
  ]).flat(),
];

export async function writeGguf({ size, matrices }: RandomModel, path: string): Promise<void> {
  const { vocabulary, hidden, width, layers, heads, kvHeads } = size;
  const [U32, F32, STRING, ARRAY, I32] = [4, 6, 8, 9, 5];
  const out: Uint8Array[] = [];
  const u32 = (n: number) => Buffer.from(Uint32Array.of(n).buffer);
  const u64 = (n: number) => Buffer.from(BigUint64Array.of(BigInt(n)).buffer);
  const text = (s: string) => Buffer.concat([u64(Buffer.byteLength(s)), Buffer.from(s)]);
  const number = (key: string, n: number) => Buffer.concat([text(key), u32(U32), u32(n)]);
  const float = (key: string, n: number) =>
    Buffer.concat([text(key), u32(F32), Buffer.from(Float32Array.of(n).buffer)]);
  const word = (key: string, s: string) => Buffer.concat([text(key), u32(STRING), text(s)]);
  const words = Array.from({ length: vocabulary }, (_, i) => text(`t${i}`));
  const facts = [
    word('general.architecture', 'llama'),
    number('llama.context_length', CONTEXT),
    number('llama.embedding_length', hidden),
    number('llama.block_count', layers),
    number('llama.feed_forward_length', width),
    number('llama.attention.head_count', heads),
    number('llama.attention.head_count_kv', kvHeads),
    number('llama.rope.dimension_count', hidden / heads),
    float('llama.attention.layer_norm_rms_epsilon', EPS),
    float('llama.rope.freq_base', THETA),
    number('general.file_type', 2),
    word('tokenizer.ggml.model', 'gpt2'),
    Buffer.concat([
      text('tokenizer.ggml.tokens'),
      u32(ARRAY),
      u32(STRING),
      u64(vocabulary),
      ...words,
    ]),
    Buffer.concat([
      text('tokenizer.ggml.token_type'),
      u32(ARRAY),
      u32(I32),
      u64(vocabulary),
      Buffer.from(new Int32Array(vocabulary).fill(1).buffer),
    ]),
    Buffer.concat([text('tokenizer.ggml.merges'), u32(ARRAY), u32(STRING), u64(1), text('t 1')]),
    number('tokenizer.ggml.eos_token_id', 0),
  ];
  const tensors: {
    name: string;
    shape: number[];
    type: number;
    bytes: () => Uint8Array;
    length: number;
  }[] = [];
  for (const [name, matrix] of matrices) {
    const turned = /[qk]_proj$/.test(name)
      ? { heads: name.endsWith('q_proj') ? heads : kvHeads }
      : undefined;
    tensors.push({
      name: ggufName(name),
      shape: [matrix.in, matrix.out],
      type: 2,
      bytes: () => toQ4(matrix, turned),
      length: (matrix.numbers.length / 32) * 18,
    });
  }
  for (const name of normNames(layers))
    tensors.push({
      name: ggufName(name.replace(/\.weight$/, '')),
      shape: [hidden],
      type: 0,
      bytes: () => new Uint8Array(new Float32Array(hidden).fill(1).buffer),
      length: hidden * 4,
    });
  out.push(Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(facts.length), ...facts);
  let at = 0;
  for (const { name, shape, type, length } of tensors) {
    out.push(text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(at));
    at += Math.ceil(length / 32) * 32;
  }
  const header = Buffer.concat(out);
  await writePieces(
    path,
    (function* () {
      yield header;
      yield Buffer.alloc((32 - (header.length % 32)) % 32);
      for (const { bytes, length } of tensors) {
        yield bytes();
        yield Buffer.alloc((32 - (length % 32)) % 32);
      }
    })(),
  );
}

function ggufName(name: string): string {
  const parts: Record<string, string> = {
    'self_attn.q_proj': 'attn_q',
    'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v',
    'self_attn.o_proj': 'attn_output',
    'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up',
    'mlp.down_proj': 'ffn_down',
    input_layernorm: 'attn_norm',
    post_attention_layernorm: 'ffn_norm',
  };
  const [, layer, part] = /^model\.layers\.(\d+)\.(.*)$/.exec(name) ?? [];
  if (layer !== undefined && part !== undefined) return `blk.${layer}.${parts[part]}.weight`;
  return {
    'model.embed_tokens': 'token_embd.weight',
    'model.norm': 'output_norm.weight',
    lm_head: 'output.weight',
  }[name] as string;
}

/**
 * Converts a matrix to Q4_0. llama.cpp rotates neighbouring elements, whereas MLX rotates the two
 * halves of a head, so the rows of queries and keys are reordered.
 */
function toQ4(
  { out, in: width, numbers, scales }: Rounded,
  turned: { heads: number } | undefined,
): Uint8Array {
  const bytes = new Uint8Array((numbers.length / 32) * 18);
  const perHead = turned === undefined ? out : out / turned.heads;
  let at = 0;
  for (let row = 0; row < out; row += 1) {
    const inHead = row % perHead;
    const from =
      turned === undefined
        ? row
        : row - inHead + (inHead % 2) * (perHead / 2) + Math.floor(inHead / 2);
    for (let block = 0; block < width / 32; block += 1, at += 18) {
      const first = from * width + block * 32;
      const scale = scales[Math.floor(first / GROUP)] as number;
      bytes[at] = scale & 255;
      bytes[at + 1] = scale >> 8;
      for (let i = 0; i < 16; i += 1)
        bytes[at + 2 + i] =
          (numbers[first + i] as number) | ((numbers[first + 16 + i] as number) << 4);
    }
  }
  return bytes;
}

/** Converts a positive number in the normal range to a 16-bit floating-point number. */
function toHalf(value: number): number {
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) | Math.min(1023, Math.round((value / 2 ** exponent - 1) * 1024));
}
