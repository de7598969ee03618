import { readDense } from '#provider/engine/decoders/reference-weights.ts';
import type { LayerWeights, Matrix } from '../decoder-weights.ts';
import type { DecoderModel } from '../model.ts';
import type { Tensor } from '../safetensors.ts';
import { TensorReader } from '../tensor-reader.ts';
import type { TensorUnderTest } from './gguf-file-under-test.ts';
import { FORMAT } from './small-gguf-under-test.ts';

/**
 * Returns the weights of a decoder as 32-bit tensors of a GGUF file, for the architectures whose
 * rows keep their order. Norms of Gemma get the one that llama.cpp's converter adds.
 */
export async function decoderTensors({
  shape,
  weights,
}: DecoderModel): Promise<Record<string, TensorUnderTest>> {
  await using reader = new TensorReader();
  const tensors: Record<string, TensorUnderTest> = {};
  const put = (name: string, dimensions: readonly number[], numbers: Float32Array): void => {
    tensors[name] = {
      type: FORMAT.F32,
      shape: dimensions,
      bytes: new Uint8Array(numbers.slice().buffer),
    };
  };
  const matrix = async (name: string, of: Matrix): Promise<void> => {
    const { values, bias } = await readDense(reader, of);
    const rows = of.count > 1 ? [of.count, of.out] : [of.out];
    put(`${name}.weight`, [...rows, of.in], values);
    if (bias) put(`${name}.bias`, [of.out], bias);
  };
  const norm = async (name: string, of: Tensor | undefined): Promise<void> => {
    if (of === undefined) return;
    const numbers = await reader.numbers(of);
    put(
      `${name}.weight`,
      of.shape,
      shape.normPlusOne ? numbers.map((number) => number + 1) : numbers,
    );
  };
  await matrix('token_embd', weights.embedding);
  if (!shape.tied) await matrix('output', weights.lmHead);
  await norm('output_norm', weights.norm);
  for (const [index, layer] of weights.layers.entries()) {
    for (const [name, of] of matricesOf(layer)) await matrix(`blk.${index}.${name}`, of);
    for (const [name, of] of normsOf(layer)) await norm(`blk.${index}.${name}`, of);
  }
  return tensors;
}

function matricesOf({ q, k, v, o, mlp }: LayerWeights): [string, Matrix][] {
  const experts = mlp.router ? '_exps' : '';
  return [
    ['attn_q', q],
    ['attn_k', k as Matrix],
    ['attn_v', v as Matrix],
    ['attn_output', o],
    [`ffn_gate${experts}`, mlp.gate],
    [`ffn_up${experts}`, mlp.up],
    [`ffn_down${experts}`, mlp.down],
    ...(mlp.router ? [['ffn_gate_inp', mlp.router] as [string, Matrix]] : []),
  ];
}

const normsOf = (layer: LayerWeights): [string, Tensor | undefined][] => [
  ['attn_norm', layer.inputNorm],
  ['attn_q_norm', layer.qNorm],
  ['attn_k_norm', layer.kNorm],
  ['post_attention_norm', layer.attentionNorm],
  ['ffn_norm', layer.mlpNorm],
  ['post_ffw_norm', layer.mlpOutputNorm],
];
