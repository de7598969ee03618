import { FieldReader } from './field-reader.ts';
import { gptOssExperts, gptOssWindow } from './gpt-oss-shape.ts';
import { ModelError } from './model-error.ts';
import { type Rope, readRopeScaling } from './rope.ts';

/** The supported architectures. They share one decoder block and differ in which parts it has. */
const FAMILIES = ['llama', 'qwen2', 'qwen3', 'gemma3', 'qwen3_moe', 'gpt_oss'] as const;
type Family = (typeof FAMILIES)[number];

export interface LayerShape {
  /** Index into the shape's `ropes` of the one that rotates queries and keys. */
  readonly rope: number;
  /** Number of tokens that a query attends to, its own included; 0 means all of them. */
  readonly window: number;
  readonly mlp: { readonly kind: 'dense'; readonly width: number } | Experts;
}

export interface Experts {
  readonly kind: 'experts';
  readonly width: number;
  readonly experts: number;
  readonly perToken: number;
  /** True if the shares of the chosen experts are scaled to sum to one. */
  readonly normalised: boolean;
}

/** Everything about a decoder but its weights. */
export interface DecoderShape {
  readonly family: Family;
  readonly vocabulary: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly contextTokens: number;
  readonly normEps: number;
  /** True if norms multiply by one plus their weight. */
  readonly normPlusOne: boolean;
  /** True if the outputs of attention and of the MLP are normalised too. */
  readonly outputNorms: boolean;
  readonly qkNorm: boolean;
  readonly activation: 'silu' | 'gelu_tanh' | 'clamped_silu';
  /**
   * The bound of the clamped activation: gate = min(g, limit), up = clamp(u, ±limit), and the result
   * is gate · sigmoid(1.702 · gate) · (up + 1). 0 for the other activations.
   */
  readonly activationLimit: number;
  /** True if each head has a score of its own, the sink, that takes a share of its attention. */
  readonly attentionSinks: boolean;
  /** True if the projections of attention, the router and the experts must have biases. */
  readonly requiresBiases: boolean;
  readonly embeddingScale: number;
  readonly attentionScale: number;
  /** Cap on the absolute value of a logit; 0 means no cap. */
  readonly logitSoftcap: number;
  readonly tied: boolean;
  readonly ropes: readonly Rope[];
  readonly layers: readonly LayerShape[];
  /** The text before `model.` in the names of the weights, for example `language_model.`. */
  readonly prefix: string;
}

const MAX_LAYERS = 512;

/**
 * Reads `config.json`. Throws ModelError for anything that is not supported, because a model that
 * computes wrong answers is worse than one that is not served.
 */
export function readDecoderShape(config: Record<string, unknown>): DecoderShape {
  const outer = new FieldReader(config, 'config.json');
  const nested = outer.object('text_config');
  const fields = nested ?? outer;
  const family = familyOf(config, nested !== undefined);
  const hidden = fields.integer('hidden_size', { max: 1 << 16 });
  const heads = fields.integer('num_attention_heads', {
    max: 1024,
    ...(family === 'gemma3' && { or: 8 }),
  });
  const kvHeads = fields.integer('num_key_value_heads', {
    max: 1024,
    or: family === 'gemma3' ? 4 : heads,
  });
  const headDim = fields.integer('head_dim', {
    min: 2,
    max: 512,
    or: family === 'gemma3' ? 256 : family === 'gpt_oss' ? 64 : hidden / heads,
  });
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw new ModelError('malformed_config', `head_dim is ${headDim} but must be an even number`);
  if (heads % kvHeads !== 0)
    throw new ModelError(
      'malformed_config',
      `num_attention_heads is ${heads} but must be a multiple of num_key_value_heads, ${kvHeads}`,
    );
  const layers = fields.integer('num_hidden_layers', { max: MAX_LAYERS });
  const gemma = family === 'gemma3';
  const gptOss = family === 'gpt_oss';
  const softcap = (name: string) => fields.number(name, { max: 1e4, or: 0 });
  if (softcap('attn_logit_softcapping') !== 0)
    throw new ModelError('unsupported_architecture', 'attn_logit_softcapping is not supported');
  const contextTokens = fields.integer('max_position_embeddings', {
    max: 10_000_000,
    or: gemma ? 32_768 : 4_096,
  });
  return {
    family,
    vocabulary: fields.integer('vocab_size', { min: 2, ...(gemma && { or: 262_208 }) }),
    hidden,
    heads,
    kvHeads,
    headDim,
    contextTokens,
    normEps: fields.number('rms_norm_eps', { max: 1, or: gemma ? 1e-6 : 1e-5 }),
    normPlusOne: gemma,
    outputNorms: gemma,
    qkNorm: gemma || family === 'qwen3' || family === 'qwen3_moe',
    activation: gptOss ? 'clamped_silu' : activationOf(fields, gemma),
    activationLimit: gptOss ? fields.number('swiglu_limit', { min: 0.1, max: 1e4, or: 7 }) : 0,
    attentionSinks: gptOss,
    requiresBiases: gptOss,
    embeddingScale: gemma ? toBfloat16(Math.sqrt(hidden)) : 1,
    attentionScale: gemma
      ? fields.number('query_pre_attn_scalar', { min: 1, or: 256 }) ** -0.5
      : headDim ** -0.5,
    logitSoftcap: softcap('final_logit_softcapping'),
    tied: fields.flag('tie_word_embeddings', gemma || outer.flag('tie_word_embeddings', false)),
    ropes: ropesOf(fields, family),
    layers: Array.from({ length: layers }, (_, index) =>
      layerOf(fields, { index, layers, family }),
    ),
    prefix: nested === undefined ? '' : 'language_model.',
  };
}

function familyOf(config: Record<string, unknown>, isNested: boolean): Family {
  const type = String(config['model_type']).slice(0, 64);
  if (type === 'gemma3_text' || (type === 'gemma3' && isNested)) return 'gemma3';
  const family = FAMILIES.find((known) => known === type);
  if (family === undefined || family === 'gemma3' || isNested)
    throw new ModelError(
      'unsupported_architecture',
      `model_type ${JSON.stringify(type)} is not supported; supported are ${FAMILIES.join(', ')}`,
    );
  return family;
}

function activationOf(fields: FieldReader, gemma: boolean): 'silu' | 'gelu_tanh' {
  if (!gemma) return fields.text('hidden_act', ['silu'], { or: 'silu' as const });
  const name = fields.has('hidden_activation') ? 'hidden_activation' : 'hidden_act';
  fields.text(name, ['gelu_pytorch_tanh'], { or: undefined });
  return 'gelu_tanh';
}

/**
 * Gemma has two ropes: a scaled one for its global layers, and one for its local layers, which has
 * a smaller base and therefore rotates faster.
 */
function ropesOf(fields: FieldReader, family: Family): Rope[] {
  const gemma = family === 'gemma3';
  const newer = fields.object('rope_parameters');
  const theta = (newer?.has('rope_theta') ? newer : fields).number('rope_theta', {
    min: 1,
    or: gemma ? 1e6 : family === 'gpt_oss' ? 150_000 : 1e4,
  });
  const scaling = readRopeScaling(newer ?? fields.object('rope_scaling'));
  if (family === 'gpt_oss' && scaling.kind !== 'yarn')
    throw new ModelError(
      'malformed_config',
      'config.json.rope_scaling must have the type yarn, because gpt-oss was trained with it',
    );
  if (!gemma) return [{ theta, scaling }];
  return [
    { theta, scaling },
    {
      theta: fields.number('rope_local_base_freq', { min: 1, or: 1e4 }),
      scaling: { kind: 'none' },
    },
  ];
}

function layerOf(
  fields: FieldReader,
  { index, layers, family }: { index: number; layers: number; family: Family },
): LayerShape {
  if (family === 'gpt_oss')
    return {
      rope: 0,
      window: gptOssWindow(fields, { index, layers }),
      mlp: gptOssExperts(fields),
    };
  const width = () => fields.integer('intermediate_size', { max: 1 << 18 });
  if (family === 'gemma3') {
    const pattern = fields.integer('sliding_window_pattern', { or: 6 });
    const isGlobal = (index + 1) % pattern === 0;
    const window = isGlobal ? 0 : fields.integer('sliding_window', { max: 10_000_000, or: 512 });
    return { rope: isGlobal ? 0 : 1, window, mlp: { kind: 'dense', width: width() } };
  }
  const local =
    fields.flag('use_sliding_window', false) &&
    index >= fields.integer('max_window_layers', { min: 0, or: layers });
  const window = local ? fields.integer('sliding_window', { max: 10_000_000 }) : 0;
  return {
    rope: 0,
    window,
    mlp:
      family === 'qwen3_moe' && hasExperts(fields, index)
        ? expertsOf(fields)
        : { kind: 'dense', width: width() },
  };
}

function hasExperts(fields: FieldReader, index: number): boolean {
  const isIndex = (item: unknown): item is number => Number.isSafeInteger(item);
  const dense = fields.list('mlp_only_layers', isIndex, MAX_LAYERS) ?? [];
  return (
    !dense.includes(index) && (index + 1) % fields.integer('decoder_sparse_step', { or: 1 }) === 0
  );
}

function expertsOf(fields: FieldReader): Experts {
  const experts = fields.integer('num_experts', { max: 4096 });
  return {
    kind: 'experts',
    width: fields.integer('moe_intermediate_size', { max: 1 << 18 }),
    experts,
    perToken: fields.integer('num_experts_per_tok', { max: Math.min(experts, 64) }),
    normalised: fields.flag('norm_topk_prob', false),
  };
}

/**
 * Gemma was trained with an embedding scale rounded to bfloat16, so the same rounding is applied.
 */
function toBfloat16(value: number): number {
  const bits = new Uint32Array(new Float32Array([value]).buffer);
  const whole = bits[0] as number;
  bits[0] = (whole + 0x7fff + ((whole >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(bits.buffer)[0] as number;
}
