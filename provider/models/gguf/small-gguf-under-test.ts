import {
  type Facts,
  float,
  int,
  randomTensor,
  type TensorsUnderTest,
} from './gguf-file-under-test.ts';

/** Numbers of the formats in GGUF files. */
export const FORMAT = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  BF16: 30,
} as const;

const HIDDEN = 256;
const HEADS = 4;
const KV_HEADS = 2;
const HEAD_DIM = HIDDEN / HEADS;

/** The printable characters that byte-level vocabularies use for bytes, without the others. */
const letters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
const TOKENS = [
  '<|end|>',
  '<|start|>',
  ...letters,
  'Ġ',
  'Ċ',
  'he',
  'll',
  'hell',
  'Ġh',
  '__proto__',
];

/** Metadata of a model with one layer, as a converter of llama.cpp writes it. */
export const smallFacts: Facts = {
  'general.architecture': 'llama',
  'general.name': 'small',
  'llama.block_count': int(1),
  'llama.context_length': int(512),
  'llama.embedding_length': int(HIDDEN),
  'llama.feed_forward_length': int(HIDDEN),
  'llama.attention.head_count': int(HEADS),
  'llama.attention.head_count_kv': int(KV_HEADS),
  'llama.attention.layer_norm_rms_epsilon': float(1e-5),
  'llama.rope.dimension_count': int(HEAD_DIM),
  'llama.rope.freq_base': float(10_000),
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.pre': 'gpt-2',
  'tokenizer.ggml.tokens': TOKENS,
  'tokenizer.ggml.token_type': TOKENS.map((_, id) => int(id < 2 ? 3 : 1)),
  'tokenizer.ggml.merges': ['h e', 'l l', 'he ll', 'Ġ h'],
  'tokenizer.ggml.bos_token_id': int(1),
  'tokenizer.ggml.eos_token_id': int(0),
  'tokenizer.chat_template': '{% for m in messages %}<|start|>{{ m.content }}{% endfor %}',
};

/** Random weights, in as many formats as there are matrices. */
export const smallTensors: TensorsUnderTest = Object.fromEntries(
  (
    [
      ['token_embd.weight', FORMAT.Q6_K, [TOKENS.length, HIDDEN]],
      ['output_norm.weight', FORMAT.F32, [HIDDEN]],
      ['output.weight', FORMAT.Q8_0, [TOKENS.length, HIDDEN]],
      ['blk.0.attn_norm.weight', FORMAT.F32, [HIDDEN]],
      ['blk.0.ffn_norm.weight', FORMAT.F32, [HIDDEN]],
      ['blk.0.attn_q.weight', FORMAT.Q4_0, [HEADS * HEAD_DIM, HIDDEN]],
      ['blk.0.attn_k.weight', FORMAT.Q4_1, [KV_HEADS * HEAD_DIM, HIDDEN]],
      ['blk.0.attn_v.weight', FORMAT.F16, [KV_HEADS * HEAD_DIM, HIDDEN]],
      ['blk.0.attn_output.weight', FORMAT.Q5_0, [HIDDEN, HEADS * HEAD_DIM]],
      ['blk.0.ffn_gate.weight', FORMAT.Q4_K, [HIDDEN, HIDDEN]],
      ['blk.0.ffn_up.weight', FORMAT.Q5_K, [HIDDEN, HIDDEN]],
      ['blk.0.ffn_down.weight', FORMAT.BF16, [HIDDEN, HIDDEN]],
    ] as const
  ).map(([name, type, shape], seed) => [name, randomTensor(type, shape, seed)]),
);
