import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import type { Architecture } from './config-of.ts';
import type { GgufTensor } from './gguf-header.ts';
import { GROUP } from './number-types.ts';

/** A tensor of a GGUF file, and what it becomes in the folder for MLX. */
export interface PlannedTensor {
  readonly source: GgufTensor;
  /** Name of the matrix or vector, for example `model.layers.0.self_attn.q_proj`. */
  readonly path: string;
  readonly part: 'weight' | 'bias';
  /** Rows of one head, if their order in the file is the one of llama.cpp; otherwise 0. */
  readonly rowsOfHead: number;
  /** True if the file holds one plus the weight. */
  readonly isPlusOne: boolean;
}

/** Names outside of the layers. */
const TOP: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};
/** Names inside of a layer. */
const IN_LAYER: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
  ffn_gate_inp: 'mlp.gate',
  ffn_gate_exps: 'mlp.switch_mlp.gate_proj',
  ffn_up_exps: 'mlp.switch_mlp.up_proj',
  ffn_down_exps: 'mlp.switch_mlp.down_proj',
};
/** Gemma normalises what goes into the MLP and the outputs of attention and MLP. */
const IN_LAYER_OF_GEMMA: Readonly<Record<string, string>> = {
  ...IN_LAYER,
  post_attention_norm: 'post_attention_layernorm',
  ffn_norm: 'pre_feedforward_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
};

/** Factors of the rotation. They are part of config.json, and no weights. */
export const ROPE_FACTORS = 'rope_freqs.weight';

/** Plans every tensor of the file. Refuses a tensor that the engines would not use. */
export function planTensors(
  tensors: Iterable<GgufTensor>,
  { architecture, headDim }: { architecture: Architecture; headDim: number },
): PlannedTensor[] {
  const planned: PlannedTensor[] = [];
  for (const source of tensors) {
    if (source.name === ROPE_FACTORS) continue;
    const [, layer, name = '', part] = NAME.exec(source.name) ?? [];
    const inLayer = architecture === 'gemma3' ? IN_LAYER_OF_GEMMA : IN_LAYER;
    const names = layer === undefined ? TOP : inLayer;
    const mapped = Object.hasOwn(names, name) ? names[name] : undefined;
    if (mapped === undefined)
      throw new ModelError(
        'unsupported_architecture',
        `the tensor ${JSON.stringify(source.name).slice(0, 80)} is not supported for ${architecture}`,
      );
    const isTurned = architecture === 'llama' && (name === 'attn_q' || name === 'attn_k');
    planned.push({
      source,
      path: layer === undefined ? mapped : `model.layers.${layer}.${mapped}`,
      part: part as PlannedTensor['part'],
      rowsOfHead: isTurned ? headDim : 0,
      isPlusOne: architecture === 'gemma3' && name.endsWith('norm'),
    });
  }
  for (const plan of planned) check(plan);
  return planned;
}

const NAME = /^(?:blk\.(0|[1-9]\d{0,3})\.)?([a-z_]+)\.(weight|bias)$/;

/** Most numbers in one row of a matrix. A row is converted in memory. */
const MAX_COLUMNS = 1 << 18;

function check({ source, rowsOfHead, isPlusOne, part }: PlannedTensor): void {
  const { name, type, shape } = source;
  const isQuantized = typeof type.layout !== 'string';
  const isVector = shape.length === 1;
  if (isQuantized && (isVector || part === 'bias'))
    throw new ModelError('malformed_gguf', `${name} must not be quantized, but is ${type.name}`);
  if (isPlusOne && type.layout !== 'F32')
    throw new ModelError('malformed_gguf', `${name} must be F32, but is ${type.name}`);
  const columns = isVector ? 1 : (shape.at(-1) as number);
  if (columns > MAX_COLUMNS)
    throw new ModelError(
      'wrong_shape',
      `${name} has rows of ${columns} numbers; at most ${MAX_COLUMNS} are allowed`,
    );
  const rows = shape[0] as number;
  if (rowsOfHead > 0 && rows % rowsOfHead !== 0)
    throw new ModelError('wrong_shape', `${name} has ${rows} rows, which are not whole heads`);
}

/**
 * Returns the field `quantization` of config.json: the most frequent number of bits, and the
 * matrices that have another one. Undefined if no matrix is quantized.
 */
export function quantizationOf(planned: readonly PlannedTensor[]): JsonObject | undefined {
  const matrices = planned.flatMap(({ path, source: { type } }) =>
    typeof type.layout === 'string' ? [] : [{ path, bits: type.layout.bits }],
  );
  if (matrices.length === 0) return undefined;
  const counts = new Map<number, number>();
  for (const { bits } of matrices) counts.set(bits, (counts.get(bits) ?? 0) + 1);
  const [usual] = [...counts].reduce((most, each) => (each[1] > most[1] ? each : most));
  const others = matrices.filter(({ bits }) => bits !== usual);
  return {
    group_size: GROUP,
    bits: usual,
    ...Object.fromEntries(others.map(({ path, bits }) => [path, { group_size: GROUP, bits }])),
  };
}
