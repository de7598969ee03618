import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import type { Matrix } from '../decoder-weights.ts';
import type { Model } from '../model.ts';
import type { Tensor } from '../safetensors.ts';
import { TensorReader } from '../tensor-reader.ts';
import {
  float,
  ggufBytes,
  int,
  type TensorsUnderTest,
  type TensorUnderTest,
} from './gguf-file-under-test.ts';
import { FORMAT } from './small-gguf-under-test.ts';

/**
 * Returns the tiny model as a GGUF file with Q4_1, in the row order of llama.cpp. No number changes:
 * each group of 64 becomes two blocks of 32 with the same 16-bit scale and bias.
 */
export async function tinyAsGguf({ shape, weights }: Model): Promise<Buffer> {
  await using reader = new TensorReader();
  const q41 = async (matrix: Matrix, rowsOfHead = 0): Promise<TensorUnderTest> => ({
    type: FORMAT.Q4_1,
    shape: [matrix.out, matrix.in],
    bytes: turned(await blocksOf(matrix, reader), { rows: matrix.out, rowsOfHead }),
  });
  // llama.cpp computes with norms of 32 bits only; every number of 16 bits is one of them.
  const norm = async (tensor: Tensor): Promise<TensorUnderTest> => {
    const { buffer, byteOffset, byteLength } = new Uint8Array(await reader.read(tensor));
    const numbers = Float32Array.from(new Float16Array(buffer, byteOffset, byteLength / 2));
    return { type: FORMAT.F32, shape: tensor.shape, bytes: new Uint8Array(numbers.buffer) };
  };
  const tensors: Record<string, TensorUnderTest> = {
    'token_embd.weight': await q41(weights.embedding),
    'output_norm.weight': await norm(weights.norm),
  };
  for (const [index, layer] of weights.layers.entries()) {
    const at = `blk.${index}`;
    Object.assign(tensors, {
      [`${at}.attn_norm.weight`]: await norm(layer.inputNorm as Tensor),
      [`${at}.ffn_norm.weight`]: await norm(layer.mlpNorm as Tensor),
      [`${at}.attn_q.weight`]: await q41(layer.q, shape.headDim),
      [`${at}.attn_k.weight`]: await q41(layer.k as Matrix, shape.headDim),
      [`${at}.attn_v.weight`]: await q41(layer.v as Matrix),
      [`${at}.attn_output.weight`]: await q41(layer.o),
      [`${at}.ffn_gate.weight`]: await q41(layer.mlp.gate),
      [`${at}.ffn_up.weight`]: await q41(layer.mlp.up),
      [`${at}.ffn_down.weight`]: await q41(layer.mlp.down),
    } satisfies TensorsUnderTest);
  }
  return ggufBytes({ ...(await textFacts()), ...shapeFacts(shape) }, tensors);
}

const shapeFacts = (shape: Model['shape']) => ({
  'general.architecture': 'llama',
  'llama.block_count': int(shape.layers.length),
  'llama.context_length': int(shape.contextTokens),
  'llama.embedding_length': int(shape.hidden),
  'llama.feed_forward_length': int(shape.layers[0]?.mlp.width ?? 0),
  'llama.attention.head_count': int(shape.heads),
  'llama.attention.head_count_kv': int(shape.layers[0]?.kvHeads as number),
  'llama.attention.layer_norm_rms_epsilon': float(shape.normEps),
  'llama.rope.dimension_count': int(shape.headDim),
  'llama.rope.freq_base': float(shape.ropes[0]?.theta ?? 0),
});

async function textFacts() {
  const read = async (name: string) => readFile(join(TINY_MODEL_FOLDER, name), 'utf8');
  const { model, added_tokens: added } = JSON.parse(await read('tokenizer.json'));
  const words: Record<string, number> = { ...model.vocab };
  const types = new Map<number, number>();
  for (const { id, content, special } of added) {
    words[content] = id;
    types.set(id, special ? 3 : 4);
  }
  const inOrder = Object.entries(words).sort(([, a], [, b]) => a - b);
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'qwen2',
    'tokenizer.ggml.tokens': inOrder.map(([token]) => token),
    'tokenizer.ggml.token_type': inOrder.map(([, id]) => int(types.get(id) ?? 1)),
    'tokenizer.ggml.merges': model.merges.map((merge: string | string[]) =>
      typeof merge === 'string' ? merge : merge.join(' '),
    ),
    'tokenizer.ggml.eos_token_id': int(2),
    'tokenizer.chat_template': await read('chat_template.jinja'),
  };
}

const BLOCK_BYTES = 20;

async function blocksOf(matrix: Matrix, reader: TensorReader): Promise<Uint8Array> {
  const { quantized, weight, out, in: width } = matrix;
  if (quantized?.bits !== 4 || !quantized.biases)
    throw new Error('the tiny model has 4 bits for each weight');
  const values = await reader.read(weight);
  const [scales, biases] = [
    await reader.read(quantized.scales),
    await reader.read(quantized.biases),
  ];
  const blocks = new Uint8Array(((out * width) / 32) * BLOCK_BYTES);
  for (let block = 0; block * BLOCK_BYTES < blocks.length; block += 1) {
    const at = block * BLOCK_BYTES;
    const group = Math.floor((block * 32) / quantized.group);
    blocks.set(scales.subarray(2 * group, 2 * group + 2), at);
    blocks.set(biases.subarray(2 * group, 2 * group + 2), at + 2);
    const value = (i: number) => ((values[block * 16 + (i >> 1)] as number) >> (4 * (i & 1))) & 15;
    for (let i = 0; i < 16; i += 1) blocks[at + 4 + i] = value(i) | (value(i + 16) << 4);
  }
  return blocks;
}

/** Lets the rows of the two halves of each head alternate. */
function turned(
  bytes: Uint8Array,
  { rows, rowsOfHead }: { rows: number; rowsOfHead: number },
): Uint8Array {
  if (rowsOfHead === 0) return bytes;
  const rowBytes = bytes.length / rows;
  const result = new Uint8Array(bytes.length);
  for (let head = 0; head < rows; head += rowsOfHead)
    for (let i = 0; i < rowsOfHead / 2; i += 1)
      for (const half of [0, 1]) {
        const from = head + half * (rowsOfHead / 2) + i;
        const to = head + 2 * i + half;
        result.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), to * rowBytes);
      }
  return result;
}
