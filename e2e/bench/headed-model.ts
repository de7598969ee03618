import { randomFillSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type WrittenTensor, writeTensors } from './engine/write-tensors.ts';
import { type WrittenModel, writtenModel } from './written-model.ts';

const GROUP = 64;
const SHAPE = {
  model_type: 'qwen3_5_text',
  vocab_size: 4_096,
  hidden_size: 512,
  intermediate_size: 1_536,
  num_hidden_layers: 12,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  head_dim: 64,
  linear_num_key_heads: 4,
  linear_num_value_heads: 8,
  linear_key_head_dim: 64,
  linear_value_head_dim: 64,
  linear_conv_kernel_dim: 4,
  full_attention_interval: 4,
  max_position_embeddings: 4_096,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
  mtp_num_hidden_layers: 1,
  quantization: { group_size: GROUP, bits: 4 },
} as const;

/**
 * Writes a hybrid model of random weights in 4 bits, whose layers change its state little. So the next token
 * follows from the last one alone, as far as the head knows too if `isRight`: it passes on the embedding
 * of its token. Otherwise its drafts are random.
 */
export const createHeadedModel = (isRight: boolean): Promise<WrittenModel> =>
  writtenModel(async (folder) => {
    await writeFile(join(folder, 'config.json'), JSON.stringify(SHAPE));
    await writeTensors(join(folder, 'model.safetensors'), [...ofModel(isRight)]);
  });

function* ofModel(isRight: boolean): Generator<WrittenTensor> {
  const { vocab_size: vocabulary, hidden_size: hidden, num_hidden_layers: layers } = SHAPE;
  yield* matrix('model.embed_tokens', vocabulary, hidden, Math.sqrt(hidden));
  yield* matrix('lm_head', vocabulary, hidden);
  yield ones('model.norm', hidden);
  for (let index = 0; index < layers; index += 1)
    yield* layer(`model.layers.${index}`, (index + 1) % SHAPE.full_attention_interval === 0);
  for (const name of ['pre_fc_norm_embedding', 'pre_fc_norm_hidden', 'norm'])
    yield ones(`mtp.${name}`, hidden);
  yield joined(isRight);
  yield* layer('mtp.layers.0', true);
}

function* layer(path: string, hasAttention: boolean): Generator<WrittenTensor> {
  const { hidden_size: hidden, intermediate_size: width } = SHAPE;
  yield ones(`${path}.input_layernorm`, hidden);
  yield ones(`${path}.post_attention_layernorm`, hidden);
  yield* hasAttention ? attention(`${path}.self_attn`) : delta(`${path}.linear_attn`);
  yield* matrix(`${path}.mlp.gate_proj`, width, hidden);
  yield* matrix(`${path}.mlp.up_proj`, width, hidden);
  yield* matrix(`${path}.mlp.down_proj`, hidden, width, SMALL);
}

function* attention(path: string): Generator<WrittenTensor> {
  const { hidden_size: hidden, head_dim: headDim } = SHAPE;
  const queries = SHAPE.num_attention_heads * headDim;
  const keys = SHAPE.num_key_value_heads * headDim;
  yield* matrix(`${path}.q_proj`, 2 * queries, hidden);
  yield* matrix(`${path}.k_proj`, keys, hidden);
  yield* matrix(`${path}.v_proj`, keys, hidden);
  yield* matrix(`${path}.o_proj`, hidden, queries, SMALL);
  yield ones(`${path}.q_norm`, headDim);
  yield ones(`${path}.k_norm`, headDim);
}

function* delta(path: string): Generator<WrittenTensor> {
  const { hidden_size: hidden, linear_num_value_heads: heads } = SHAPE;
  const keys = SHAPE.linear_num_key_heads * SHAPE.linear_key_head_dim;
  const values = heads * SHAPE.linear_value_head_dim;
  const [channels, taps] = [2 * keys + values, SHAPE.linear_conv_kernel_dim];
  yield* matrix(`${path}.in_proj_qkv`, channels, hidden);
  yield* matrix(`${path}.in_proj_z`, values, hidden);
  yield* matrix(`${path}.in_proj_b`, heads, hidden);
  yield* matrix(`${path}.in_proj_a`, heads, hidden);
  yield* matrix(`${path}.out_proj`, hidden, values, SMALL);
  yield numbers(`${path}.conv1d.weight`, [channels, taps, 1], () => 1 / taps);
  yield numbers(`${path}.dt_bias`, [heads], () => 0);
  yield numbers(`${path}.A_log`, [heads], () => -2);
  yield ones(`${path}.norm`, SHAPE.linear_value_head_dim);
}

/** The factor of matrices whose products are added to the state. */
const SMALL = 0.02;

/** A matrix of evenly distributed random numbers in 4 bits. */
function* matrix(path: string, out: number, width: number, factor = 1): Generator<WrittenTensor> {
  const codes = randomFillSync(new Uint8Array((out * width) / 2));
  yield { name: `${path}.weight`, type: 'U32', shape: [out, width / 8], bytes: codes };
  const scale = (factor * 0.2) / Math.sqrt(width);
  const groups = [out, width / GROUP];
  yield numbers(`${path}.scales`, groups, () => scale);
  yield numbers(`${path}.biases`, groups, () => -7.5 * scale);
}

/** Passes on the embedding, or something random. */
function joined(isRight: boolean): WrittenTensor {
  const hidden = SHAPE.hidden_size;
  return numbers('mtp.fc.weight', [hidden, 2 * hidden], (index) => {
    if (!isRight) return (Math.random() - 0.5) / Math.sqrt(hidden);
    return index % (2 * hidden) === Math.floor(index / (2 * hidden)) ? 1 : 0;
  });
}

const ones = (path: string, size: number): WrittenTensor =>
  numbers(`${path}.weight`, [size], () => 1);

function numbers(
  name: string,
  shape: readonly number[],
  of: (index: number) => number,
): WrittenTensor {
  const count = shape.reduce((product, side) => product * side, 1);
  const list = Float32Array.from({ length: count }, (_, index) => of(index));
  return { name, type: 'F32', shape, bytes: new Uint8Array(list.buffer) };
}
