import type { NormNames } from '../decoder-shape.ts';
import type { FieldReader } from '../field-reader.ts';
import { type Rope, readRopeScaling } from '../rope.ts';
import type { DecoderConfig, Family } from './family.ts';
import {
  denseMlp,
  type LayerPlace,
  type LayerWithoutHeads,
  layerTypesOf,
  plainShape,
  windowOf,
} from './plain-shape.ts';

export const GEMMA3: Family = {
  types: ['gemma3_text'],
  nestedTypes: ['gemma3'],
  read: (config: DecoderConfig) => {
    const { fields } = config;
    const attendsBothWays = fields.flag('use_bidirectional_attention', false);
    const plain = plainShape(config, {
      defaults: {
        vocabulary: 262_208,
        heads: 8,
        kvHeads: 4,
        headDim: 256,
        contextTokens: 32_768,
        normEps: 1e-6,
        ropeTheta: 1e6,
        tied: true,
      },
      activation: geluOnly,
      layerOf,
    });
    return {
      ...plain,
      normPlusOne: true,
      attendsBothWays,
      norms: GEMMA_NORMS,
      qkNorm: 'heads',
      embeddingScale: toBfloat16(Math.sqrt(plain.hidden)),
      attentionScale: fields.number('query_pre_attn_scalar', { min: 1, or: 256 }) ** -0.5,
      ropes: ropesOf(fields, plain.ropes),
    };
  },
};

/**
 * The global layers have a scaled rope. That of the local layers has a smaller base and therefore
 * rotates faster. Newer configurations have an object for each of them.
 */
function ropesOf(fields: FieldReader, [plain]: readonly Rope[]): Rope[] {
  const about = fields.object('rope_parameters');
  const ropeOf = (name: string, theta: number): Rope | undefined => {
    const own = about?.object(name);
    return (
      own && {
        theta: own.number('rope_theta', { min: 1, or: theta }),
        scaling: readRopeScaling(own),
      }
    );
  };
  const base = fields.number('rope_local_base_freq', { min: 1, or: 1e4 });
  return [
    ropeOf('full_attention', 1e6) ?? (plain as Rope),
    ropeOf('sliding_attention', 1e4) ?? { theta: base, scaling: { kind: 'none' } },
  ];
}

export const GEMMA_NORMS: NormNames = {
  attentionInput: 'input_layernorm',
  attentionOutput: 'post_attention_layernorm',
  mlpInput: 'pre_feedforward_layernorm',
  mlpOutput: 'post_feedforward_layernorm',
};

export function geluOnly(fields: FieldReader): 'gelu_tanh' {
  const name = fields.has('hidden_activation') ? 'hidden_activation' : 'hidden_act';
  fields.text(name, ['gelu_pytorch_tanh'], { or: undefined });
  return 'gelu_tanh';
}

function layerOf(fields: FieldReader, place: LayerPlace): LayerWithoutHeads {
  const types = layerTypesOf(fields, ['sliding_attention', 'full_attention'], place);
  const isGlobal =
    types === undefined
      ? (place.index + 1) % fields.integer('sliding_window_pattern', { or: 6 }) === 0
      : types[place.index] === 'full_attention';
  return {
    rope: isGlobal ? 0 : 1,
    window: isGlobal ? 0 : localWindow(fields),
    mlp: denseMlp(fields),
  };
}

/** With attention in both directions, the window of the configuration is that of both together. */
function localWindow(fields: FieldReader): number {
  const whole = windowOf(fields, 512);
  return fields.flag('use_bidirectional_attention', false) ? Math.floor(whole / 2) + 1 : whole;
}

/**
 * Gemma was trained with an embedding scale rounded to bfloat16, so the same rounding is applied.
 */
export function toBfloat16(value: number): number {
  const bits = new Uint32Array(new Float32Array([value]).buffer);
  const whole = bits[0] as number;
  bits[0] = (whole + 0x7fff + ((whole >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(bits.buffer)[0] as number;
}
