import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CONTEXT, EPS, GROUP, normsOf, type RandomModel, THETA } from './random-model.ts';
import { type WrittenTensor, writeTensors } from './write-tensors.ts';

/** Writes the model as mlx-community publishes models: 4-bit weights in groups of 64. */
export async function writeMlxFolder(
  { size, matrices }: RandomModel,
  folder: string,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { vocabulary, hidden, width, layers, heads, kvHeads, tied, experts } = size;
  const config = {
    model_type: experts ? 'qwen3_moe' : 'llama',
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
    ...(experts && {
      head_dim: hidden / heads,
      moe_intermediate_size: width,
      num_experts: experts.count,
      num_experts_per_tok: experts.perToken,
      norm_topk_prob: true,
    }),
    quantization: { group_size: GROUP, bits: 4 },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const parts: WrittenTensor[] = [];
  const bytes = (array: Uint16Array | Float32Array) => new Uint8Array(array.buffer);
  for (const [name, { out, in: inner, numbers, scales, experts: count }] of matrices) {
    const rows = count ? [count, out] : [out];
    const packed = new Uint8Array(numbers.length / 2);
    for (let i = 0; i < packed.length; i += 1)
      packed[i] = (numbers[2 * i] as number) | ((numbers[2 * i + 1] as number) << 4);
    parts.push({ name: `${name}.weight`, type: 'U32', shape: [...rows, inner / 8], bytes: packed });
    parts.push({
      name: `${name}.scales`,
      type: 'F16',
      shape: [...rows, inner / GROUP],
      bytes: bytes(scales),
    });
    // The bias is −8·scale: the exponent grows by three and the sign bit is set.
    parts.push({
      name: `${name}.biases`,
      type: 'F16',
      shape: [...rows, inner / GROUP],
      bytes: bytes(scales.map((scale) => (scale + (3 << 10)) | 0x8000)),
    });
  }
  for (const [name, length] of normsOf(size))
    parts.push({
      name: `${name}.weight`,
      type: 'F32',
      shape: [length],
      bytes: bytes(new Float32Array(length).fill(1)),
    });
  await writeTensors(join(folder, 'model.safetensors'), parts);
}
