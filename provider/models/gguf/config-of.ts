import { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { GgufHeader, GgufTensor } from './gguf-header.ts';
import { ropeScalingOf } from './rope-scaling-of.ts';

/** `model_type` in config.json, by the architecture that the GGUF file names. */
const MODEL_TYPES = {
  llama: 'llama',
  qwen2: 'qwen2',
  qwen3: 'qwen3',
  qwen3moe: 'qwen3_moe',
  gemma3: 'gemma3_text',
} as const;
export type Architecture = keyof typeof MODEL_TYPES;

const CLASSES: Readonly<Record<Architecture, string>> = {
  llama: 'LlamaForCausalLM',
  qwen2: 'Qwen2ForCausalLM',
  qwen3: 'Qwen3ForCausalLM',
  qwen3moe: 'Qwen3MoeForCausalLM',
  gemma3: 'Gemma3ForCausalLM',
};

/** Entries that this module reads. An entry that it does not read could change what a model computes. */
const READ = [
  'block_count',
  'context_length',
  'embedding_length',
  'feed_forward_length',
  'vocab_size',
  'attention.head_count',
  'attention.head_count_kv',
  'attention.key_length',
  'attention.value_length',
  'attention.layer_norm_rms_epsilon',
  'rope.dimension_count',
  'rope.freq_base',
  'rope.scaling.type',
  'rope.scaling.factor',
  'rope.scaling.original_context_length',
  'rope.scaling.finetuned',
  'expert_count',
  'expert_used_count',
];
const READ_OF: Partial<Record<Architecture, readonly string[]>> = {
  qwen3moe: ['expert_feed_forward_length'],
  gemma3: ['attention.sliding_window', 'rope.freq_base_swa'],
};

/** Layers of the only Gemma 3 whose queries are scaled by the width of the model. */
const LAYERS_OF_GEMMA_27B = 62;
const MAX_POSITIONS = 10_000_000;

export interface GgufFacts {
  readonly architecture: Architecture;
  /** Reads entries of the architecture by their name after `<architecture>.`. */
  readonly own: FieldReader;
  /** Reads any entry by its whole name. */
  readonly all: FieldReader;
}

/** Reads the architecture. Refuses one that the engines do not compute, and entries that are not known. */
export function factsOf({ facts }: GgufHeader): GgufFacts {
  const all = new FieldReader(Object.fromEntries(facts), 'metadata');
  const named = String(facts.get('general.architecture')).slice(0, 64);
  if (!isArchitecture(named))
    throw new ModelError(
      'unsupported_architecture',
      `the architecture ${JSON.stringify(named)} is not supported; supported are ${Object.keys(MODEL_TYPES).join(', ')}`,
    );
  const prefix = `${named}.`;
  const own = [...facts].flatMap(([key, value]) =>
    key.startsWith(prefix) ? [[key.slice(prefix.length), value] as const] : [],
  );
  const known = [...READ, ...(READ_OF[named] ?? [])];
  const unknown = own.find(([key]) => !known.includes(key));
  if (unknown !== undefined)
    throw new ModelError(
      'unsupported_architecture',
      `the metadata entry ${prefix}${unknown[0]} is not supported`,
    );
  return {
    architecture: named,
    own: new FieldReader(Object.fromEntries(own), `metadata.${named}`),
    all,
  };
}

const isArchitecture = (name: string): name is Architecture => Object.hasOwn(MODEL_TYPES, name);

export interface ConfigSources {
  readonly facts: GgufFacts;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** The content of the tensor `rope_freqs.weight`, if the file has it. */
  readonly ropeFactors: Float32Array | undefined;
}

/** Returns the content of config.json without its part about the quantization. */
export function configOf({ facts, tensors, ropeFactors }: ConfigSources): JsonObject {
  const { architecture, own } = facts;
  const hidden = own.integer('embedding_length', { max: 1 << 16 });
  const heads = own.integer('attention.head_count', { max: 1024 });
  const headDim = headDimOf(own, hidden / heads);
  const layers = own.integer('block_count', { max: 512 });
  const theta = single(own.number('rope.freq_base', { min: 1, or: 1e4 }));
  return {
    architectures: [CLASSES[architecture]],
    model_type: MODEL_TYPES[architecture],
    vocab_size: rowsOf(tensors, 'token_embd.weight'),
    hidden_size: hidden,
    intermediate_size: own.integer('feed_forward_length', { max: 1 << 18 }),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: own.integer('attention.head_count_kv', { max: 1024, or: heads }),
    head_dim: headDim,
    max_position_embeddings: own.integer('context_length', { max: MAX_POSITIONS }),
    rms_norm_eps: single(own.number('attention.layer_norm_rms_epsilon', { max: 1 })),
    rope_theta: theta,
    rope_scaling: ropeScalingOf(own, { ropeFactors, theta, headDim }),
    tie_word_embeddings: !tensors.has('output.weight'),
    ...partsOf(facts, { hidden, heads, headDim, layers }),
    ...(architecture === 'llama' && { attention_bias: tensors.has('blk.0.attn_q.bias') }),
  };
}

/** The parts of the configuration that only one family has. */
function partsOf(
  { architecture, own }: GgufFacts,
  size: { hidden: number; heads: number; headDim: number; layers: number },
): JsonObject {
  if (architecture !== 'qwen3moe' && own.integer('expert_count', { min: 0, or: 0 }) > 0)
    throw new ModelError(
      'unsupported_architecture',
      `experts are supported for qwen3moe, but not for ${architecture}`,
    );
  switch (architecture) {
    case 'llama':
    case 'qwen2':
    case 'qwen3':
      return { hidden_act: 'silu' };
    case 'qwen3moe':
      return {
        hidden_act: 'silu',
        num_experts: own.integer('expert_count', { max: 4096 }),
        num_experts_per_tok: own.integer('expert_used_count', { max: 64 }),
        moe_intermediate_size: own.integer('expert_feed_forward_length', { max: 1 << 18 }),
        norm_topk_prob: true,
        decoder_sparse_step: 1,
        mlp_only_layers: [],
      };
    case 'gemma3':
      return {
        hidden_activation: 'gelu_pytorch_tanh',
        query_pre_attn_scalar:
          size.layers === LAYERS_OF_GEMMA_27B ? size.hidden / size.heads : size.headDim,
        sliding_window: own.integer('attention.sliding_window', { max: MAX_POSITIONS }),
        sliding_window_pattern: 6,
        rope_local_base_freq: single(own.number('rope.freq_base_swa', { min: 1, or: 1e4 })),
      };
  }
}

function headDimOf(own: FieldReader, usual: number): number {
  const headDim = own.integer('attention.key_length', { max: 512, or: usual });
  for (const other of ['attention.value_length', 'rope.dimension_count'])
    if (own.integer(other, { max: 512, or: headDim }) !== headDim)
      throw new ModelError(
        'unsupported_architecture',
        `${other} differs from the size of a head, ${headDim}`,
      );
  return headDim;
}

function rowsOf(tensors: ReadonlyMap<string, GgufTensor>, name: string): number {
  const rows = tensors.get(name)?.shape[0];
  if (rows === undefined) throw new ModelError('missing_weight', name);
  return rows;
}

/**
 * Returns the shortest decimal number that stands for the same 32-bit number, so that
 * 0.000009999999747378752 becomes 0.00001 again.
 */
function single(value: number): number {
  for (let digits = 1; digits <= 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}
