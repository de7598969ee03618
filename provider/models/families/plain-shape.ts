import type { DecoderShape, Experts, LayerShape } from '../decoder-shape.ts';
import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import { type RopeScaling, readRopeScaling } from '../rope.ts';
import type { DecoderConfig } from './family.ts';

export const MAX_LAYERS = 512;
const MAX_TOKENS = 10_000_000;

/** The values that a family's published configurations leave out. */
interface Defaults {
  readonly vocabulary?: number;
  readonly heads?: number;
  /** By default as many as `heads`. */
  readonly kvHeads?: number;
  /** By default the hidden size, divided by the number of heads. */
  readonly headDim?: number;
  readonly contextTokens?: number;
  readonly normEps?: number;
  readonly ropeTheta?: number;
  readonly tied?: boolean;
}

/** The place of a layer in its decoder. */
export interface LayerPlace {
  readonly index: number;
  readonly layers: number;
}

interface Differences {
  readonly defaults?: Defaults;
  readonly activation?: (fields: FieldReader) => DecoderShape['activation'];
  /** Reads how the rope is scaled, of the object with its settings if there is one. */
  readonly scalingOf?: (fields: FieldReader, about: FieldReader | undefined) => RopeScaling;
  /** Layers have the heads of the decoder, unless they have heads of their own. */
  readonly layerOf?: (fields: FieldReader, place: LayerPlace) => LayerWithoutHeads;
}

export type LayerWithoutHeads = Omit<LayerShape, 'kvHeads' | 'headDim'> & Partial<LayerShape>;

/** Reads a decoder with the parts of Llama: those that every family has in some form. */
export function plainShape(
  { fields, outer }: DecoderConfig,
  {
    defaults = {},
    activation = siluOnly,
    layerOf = plainLayer,
    scalingOf = (_, about) => readRopeScaling(about),
  }: Differences = {},
): Omit<DecoderShape, 'prefix'> {
  const hidden = fields.integer('hidden_size', { max: 1 << 16 });
  const heads = fields.integer('num_attention_heads', { max: 1024, ...orElse(defaults.heads) });
  const kvHeads = fields.integer('num_key_value_heads', {
    max: 1024,
    or: defaults.kvHeads ?? heads,
  });
  const headDim = fields.integer('head_dim', {
    min: 2,
    max: 512,
    or: defaults.headDim ?? hidden / heads,
  });
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    throw new ModelError('malformed_config', `head_dim is ${headDim} but must be an even number`);
  if (heads % kvHeads !== 0)
    throw new ModelError(
      'malformed_config',
      `num_attention_heads is ${heads} but must be a multiple of num_key_value_heads, ${kvHeads}`,
    );
  const layers = fields.integer('num_hidden_layers', { max: MAX_LAYERS });
  if (softcap(fields, 'attn_logit_softcapping') !== 0)
    throw new ModelError('unsupported_architecture', 'attn_logit_softcapping is not supported');
  return {
    vocabulary: fields.integer('vocab_size', { min: 2, ...orElse(defaults.vocabulary) }),
    hidden,
    heads,
    headDim,
    contextTokens: fields.integer('max_position_embeddings', {
      max: MAX_TOKENS,
      or: defaults.contextTokens ?? 4_096,
    }),
    normEps: fields.number('rms_norm_eps', { max: 1, or: defaults.normEps ?? 1e-5 }),
    normPlusOne: false,
    norms: { attentionInput: 'input_layernorm', mlpInput: 'post_attention_layernorm' },
    qkNorm: 'none',
    valueNorm: false,
    activation: activation(fields),
    activationLimit: 0,
    attentionSinks: false,
    requiresBiases: false,
    fused: [],
    embeddingScale: 1,
    attentionScale: headDim ** -0.5,
    gatedAttention: false,
    outputScale: 1,
    logitSoftcap: softcap(fields, 'final_logit_softcapping'),
    tied: fields.flag(
      'tie_word_embeddings',
      defaults.tied ?? outer.flag('tie_word_embeddings', false),
    ),
    attendsBothWays: false,
    globalIsCausal: false,
    returnsStates: false,
    imageLayers: 0,
    ropes: [ropeOf(fields, { theta: defaults.ropeTheta ?? 1e4, scalingOf })],
    layers: Array.from({ length: layers }, (_, index) => ({
      kvHeads,
      headDim,
      ...layerOf(fields, { index, layers }),
    })),
  };
}

const orElse = <T>(or: T | undefined): { or?: T } => (or === undefined ? {} : { or });

const softcap = (fields: FieldReader, name: string): number =>
  fields.number(name, { max: 1e4, or: 0 });

const siluOnly = (fields: FieldReader): 'silu' =>
  fields.text('hidden_act', ['silu'], { or: 'silu' as const });

/** Newer configurations have one object for all settings of the rope; older ones have two fields. */
function ropeOf(
  fields: FieldReader,
  { theta, scalingOf }: { theta: number } & Required<Pick<Differences, 'scalingOf'>>,
): DecoderShape['ropes'][number] {
  const newer = fields.object('rope_parameters');
  return {
    theta: (newer?.has('rope_theta') ? newer : fields).number('rope_theta', {
      min: 1,
      or: theta,
    }),
    scaling: scalingOf(fields, newer ?? fields.object('rope_scaling')),
  };
}

export function plainLayer(fields: FieldReader, { index, layers }: LayerPlace): LayerWithoutHeads {
  const isLocal =
    fields.flag('use_sliding_window', false) &&
    index >= fields.integer('max_window_layers', { min: 0, or: layers });
  return { rope: 0, window: isLocal ? windowOf(fields) : 0, mlp: denseMlp(fields) };
}

export const windowOf = (fields: FieldReader, or?: number): number =>
  fields.integer('sliding_window', { max: MAX_TOKENS, ...orElse(or) });

export const denseMlp = (fields: FieldReader): LayerShape['mlp'] => ({
  kind: 'dense',
  width: fields.integer('intermediate_size', { max: 1 << 18 }),
});

/** The experts of layers in which all of them have the same size. */
export function expertsOf(
  fields: FieldReader,
  names: { width: string; experts: string; perToken: string },
): Omit<Experts, 'normalised'> {
  const experts = fields.integer(names.experts, { max: 4096 });
  return {
    kind: 'experts',
    layout: 'switch_mlp',
    usesSigmoid: false,
    shareScale: 1,
    width: fields.integer(names.width, { max: 1 << 18 }),
    experts,
    perToken: fields.integer(names.perToken, { max: Math.min(experts, 64) }),
  };
}

/** The types of all layers, if the configuration has them. */
export function layerTypesOf<Type extends string>(
  fields: FieldReader,
  known: readonly Type[],
  { layers }: LayerPlace,
): Type[] | undefined {
  const isKnown = (item: unknown): item is Type => known.includes(item as Type);
  const types = fields.list('layer_types', isKnown, layers);
  if (types !== undefined && types.length !== layers)
    throw new ModelError(
      'malformed_config',
      `config.json.layer_types has ${types.length} items but must have ${layers}, one for each layer`,
    );
  return types;
}

/** The number of a head's numbers that rotate, of a family that rotates a part of them. */
export function rotatedOf(
  fields: FieldReader,
  { headDim, factor }: { headDim: number; factor: number },
): number {
  const newer = fields.object('rope_parameters');
  const from = newer?.has('partial_rotary_factor') ? newer : fields;
  const rotated = Math.floor(
    headDim * from.number('partial_rotary_factor', { min: 0, max: 1, or: factor }),
  );
  if (rotated < 2 || rotated % 2 !== 0)
    throw new ModelError(
      'malformed_config',
      `partial_rotary_factor rotates ${rotated} of ${headDim} numbers, but must rotate an even number of them`,
    );
  return rotated;
}
