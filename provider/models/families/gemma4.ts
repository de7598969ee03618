import type { DecoderShape, LayerShape } from '../decoder-shape.ts';
import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import type { Rope } from '../rope.ts';
import type { DecoderConfig, Family } from './family.ts';
import { GEMMA_NORMS, geluOnly, toBfloat16 } from './gemma3.ts';
import {
  expertsOf,
  type LayerPlace,
  type LayerWithoutHeads,
  layerTypesOf,
  plainShape,
  windowOf,
} from './plain-shape.ts';

const [LOCAL, GLOBAL] = ['sliding_attention', 'full_attention'] as const;

export const GEMMA4: Family = {
  // The second ones are those of 12B, whose text model is the same.
  types: ['gemma4_text', 'gemma4_unified_text'],
  nestedTypes: ['gemma4', 'gemma4_unified'],
  read: (config) => gemma4Shape(config, sharedKeysOf),
};

/** The index of the layer whose keys a layer reads, or undefined if it has keys of its own. */
type KeysOf = (
  fields: FieldReader,
  place: LayerPlace & { readonly types: readonly string[] },
) => number | undefined;

export function gemma4Shape(config: DecoderConfig, keysOf: KeysOf): Omit<DecoderShape, 'prefix'> {
  const { fields } = config;
  if (fields.anyText('use_bidirectional_attention') === 'all')
    throw new ModelError(
      'unsupported_architecture',
      'use_bidirectional_attention "all" is not supported, because an answer is computed token by token',
    );
  const plain = plainShape(config, {
    defaults: { headDim: 256, contextTokens: 131_072, normEps: 1e-6, tied: true },
    activation: geluOnly,
    layerOf: (of, place) => layerOf(of, place, keysOf),
  });
  const [local, global] = [plain.headDim, globalHeadDim(fields)];
  if (local > global)
    throw new ModelError(
      'unsupported_architecture',
      `head_dim is ${local}, but heads larger than global_head_dim, ${global}, are not supported`,
    );
  return {
    ...plain,
    headDim: global,
    norms: GEMMA_NORMS,
    qkNorm: 'heads',
    valueNorm: true,
    globalIsCausal: true,
    embeddingScale: toBfloat16(Math.sqrt(plain.hidden)),
    attentionScale: 1,
    ropes: [globalRope(fields), { ...localRope(fields), rotated: local }],
    ...perLayerOf(fields, plain),
  };
}

const globalHeadDim = (fields: FieldReader): number =>
  fields.integer('global_head_dim', { min: 2, max: 1024, or: 512 });

function layerOf(fields: FieldReader, place: LayerPlace, keysOf: KeysOf): LayerWithoutHeads {
  const types = layerTypesOf(fields, [LOCAL, GLOBAL], place);
  if (types?.at(-1) !== GLOBAL)
    throw new ModelError(
      'unsupported_architecture',
      'layer_types must be present and end with full_attention',
    );
  const type = types[place.index];
  const shared = keysOf(fields, { ...place, types });
  return {
    rope: type === GLOBAL ? 0 : 1,
    window: type === GLOBAL ? 0 : windowOf(fields, 512),
    ...(type === GLOBAL && globalHeads(fields)),
    ...(shared !== undefined && { keysOf: shared }),
    mlp: {
      kind: 'dense',
      width:
        fields.integer('intermediate_size', { max: 1 << 18 }) *
        (shared === undefined ? 1 : widening(fields)),
    },
    ...(fields.flag('enable_moe_block', false) && {
      expertsBeside: {
        ...expertsOf(fields, {
          width: 'moe_intermediate_size',
          experts: 'num_experts',
          perToken: 'top_k_experts',
        }),
        normalised: true,
      },
    }),
  };
}

/** A global layer may use its keys as values too, before they are normalised and rotated. */
function globalHeads(fields: FieldReader): Partial<LayerShape> {
  const headDim = globalHeadDim(fields);
  if (!fields.flag('attention_k_eq_v', false)) return { headDim };
  const kvHeads = fields.integer('num_global_key_value_heads', { max: 1024, or: undefined });
  return { headDim, keysAreValues: true, ...(kvHeads !== undefined && { kvHeads }) };
}

/** The last layers read the keys of the last layer of their type that has keys of its own. */
const sharedKeysOf: KeysOf = (fields, { index, layers, types }) => {
  const own = layers - fields.integer('num_kv_shared_layers', { min: 0, max: layers });
  return index < own ? undefined : lastOf(types.slice(0, own), types[index]);
};

/** The last layer of a type that has keys of its own. */
function lastOf(types: readonly string[], type: string | undefined): number {
  const index = types.lastIndexOf(type ?? '');
  if (index === -1)
    throw new ModelError(
      'malformed_config',
      `num_kv_shared_layers leaves no layer of type ${type} whose keys the others could share`,
    );
  return index;
}

/** Layers without keys of their own may have wider MLPs. Implementations disagree on the default. */
function widening(fields: FieldReader): 1 | 2 {
  if (!fields.has('use_double_wide_mlp'))
    throw new ModelError('malformed_config', 'config.json.use_double_wide_mlp is missing');
  return fields.flag('use_double_wide_mlp', false) ? 2 : 1;
}

function globalRope(fields: FieldReader): Rope {
  const about = fields.object('rope_parameters')?.object(GLOBAL);
  const theta = about?.number('rope_theta', { min: 1, or: 1e6 }) ?? 1e6;
  const type = about?.text('rope_type', ['proportional', 'default'], { or: 'default' as const });
  if (type === 'default') return { theta, scaling: { kind: 'none' } };
  return {
    theta,
    scaling: {
      kind: 'proportional',
      factor: about?.number('factor', { min: 1, max: 1e4, or: 1 }) ?? 1,
      part: about?.number('partial_rotary_factor', { min: 0, max: 1, or: 1 }) ?? 0.25,
    },
  };
}

function localRope(fields: FieldReader): Rope {
  const about = fields.object('rope_parameters')?.object(LOCAL);
  about?.text('rope_type', ['default'], { or: undefined });
  if (about !== undefined && about.number('partial_rotary_factor', { or: 1 }) !== 1)
    throw new ModelError(
      'unsupported_architecture',
      'a partial_rotary_factor of local layers is not supported',
    );
  return {
    theta: about?.number('rope_theta', { min: 1, or: 1e4 }) ?? 1e4,
    scaling: { kind: 'none' },
  };
}

function perLayerOf(
  fields: FieldReader,
  { hidden, vocabulary }: { hidden: number; vocabulary: number },
): Pick<DecoderShape, 'perLayer'> {
  const width = fields.integer('hidden_size_per_layer_input', { min: 0, max: 1 << 14, or: 256 });
  if (width === 0) return {};
  const entries = fields.integer('vocab_size_per_layer_input', { or: 262_144 });
  if (entries !== vocabulary)
    throw new ModelError(
      'unsupported_architecture',
      `vocab_size_per_layer_input is ${entries} but must equal vocab_size, ${vocabulary}`,
    );
  return {
    perLayer: {
      width,
      embeddingScale: toBfloat16(Math.sqrt(width)),
      projectionScale: hidden ** -0.5,
    },
  };
}
