import {
  CONTEXT,
  EPS,
  GROUP,
  normsOf,
  type RandomModel,
  type RoundedMatrix,
  THETA,
} from './random-model.ts';
import { writePieces } from './write-tensors.ts';

/** Writes the model for llama.cpp, with weights in Q4_0. */
export async function writeGguf({ size, matrices }: RandomModel, path: string): Promise<void> {
  const { vocabulary, hidden, width, layers, heads, kvHeads, experts } = size;
  const architecture = experts ? 'qwen3moe' : 'llama';
  const head = hidden / heads;
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
    word('general.architecture', architecture),
    number(`${architecture}.context_length`, CONTEXT),
    number(`${architecture}.embedding_length`, hidden),
    number(`${architecture}.block_count`, layers),
    number(`${architecture}.feed_forward_length`, width),
    number(`${architecture}.attention.head_count`, heads),
    number(`${architecture}.attention.head_count_kv`, kvHeads),
    number(`${architecture}.rope.dimension_count`, head),
    number(`${architecture}.attention.key_length`, head),
    number(`${architecture}.attention.value_length`, head),
    ...(experts
      ? [
          number(`${architecture}.expert_count`, experts.count),
          number(`${architecture}.expert_used_count`, experts.perToken),
          number(`${architecture}.expert_feed_forward_length`, width),
        ]
      : []),
    float(`${architecture}.attention.layer_norm_rms_epsilon`, EPS),
    float(`${architecture}.rope.freq_base`, THETA),
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
    const turned =
      architecture === 'llama' && /[qk]_proj$/.test(name)
        ? { heads: name.endsWith('q_proj') ? heads : kvHeads }
        : undefined;
    tensors.push({
      name: ggufName(name),
      shape: [matrix.in, matrix.out, ...(matrix.experts ? [matrix.experts] : [])],
      type: 2,
      bytes: () => toQ4(matrix, turned),
      length: (matrix.numbers.length / 32) * 18,
    });
  }
  for (const [name, length] of normsOf(size))
    tensors.push({
      name: ggufName(name),
      shape: [length],
      type: 0,
      bytes: () => new Uint8Array(new Float32Array(length).fill(1).buffer),
      length: length * 4,
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
    'self_attn.q_norm': 'attn_q_norm',
    'self_attn.k_norm': 'attn_k_norm',
    'mlp.gate': 'ffn_gate_inp',
    'mlp.switch_mlp.gate_proj': 'ffn_gate_exps',
    'mlp.switch_mlp.up_proj': 'ffn_up_exps',
    'mlp.switch_mlp.down_proj': 'ffn_down_exps',
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
  { out, in: width, numbers, scales }: RoundedMatrix,
  turned: { heads: number } | undefined,
): Uint8Array {
  const bytes = new Uint8Array((numbers.length / 32) * 18);
  const rows = numbers.length / width;
  const perHead = turned === undefined ? rows : out / turned.heads;
  let at = 0;
  for (let row = 0; row < rows; row += 1) {
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
