import type { DecoderShape, LayerShape } from './decoder-shape.ts';
import { findGptOssExperts } from './gpt-oss-weights.ts';
import type { JsonObject } from './json.ts';
import { ModelError } from './model-error.ts';
import type { Tensor, Tensors } from './safetensors.ts';
import type { TensorReader } from './tensor-reader.ts';
import { WeightFinder } from './weight-finder.ts';

/**
 * A matrix as the file holds it: either plain numbers, or quantized in groups along its rows. A
 * group has one scale and one bias for its integers q: weight = q · scale + bias. In MXFP4 a group
 * has only a scale, a power of two, and q is the code of a number in `MXFP4_NUMBERS`: weight =
 * number · scale.
 */
export interface Matrix {
  readonly out: number;
  readonly in: number;
  /** Number of matrices stacked in the tensor: the layer's experts, or 1. */
  readonly count: number;
  readonly weight: Tensor;
  readonly quantized?: {
    readonly bits: number;
    readonly group: number;
    readonly scales: Tensor;
    /** Undefined means MXFP4. */
    readonly biases?: Tensor;
  };
  readonly bias?: Tensor;
}

/** The number that each code of MXFP4 stands for: one bit of sign, two of exponent, one of fraction. */
export const MXFP4_NUMBERS: readonly number[] = [
  0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6,
];

export type Mlp = {
  readonly gate: Matrix;
  readonly up: Matrix;
  readonly down: Matrix;
  readonly router?: Matrix;
};

export interface LayerWeights {
  readonly inputNorm: Tensor;
  readonly q: Matrix;
  readonly k: Matrix;
  readonly v: Matrix;
  readonly o: Matrix;
  /** One score for each head, which takes a share of the head's attention. */
  readonly sinks?: Tensor;
  readonly qNorm?: Tensor;
  readonly kNorm?: Tensor;
  /** Normalises the output of attention. */
  readonly attentionNorm?: Tensor;
  readonly mlpNorm: Tensor;
  readonly mlp: Mlp;
  /** Normalises the output of the MLP. */
  readonly mlpOutputNorm?: Tensor;
}

export interface DecoderWeights {
  readonly embedding: Matrix;
  readonly layers: readonly LayerWeights[];
  readonly norm: Tensor;
  /** The matrix that computes logits (`lm_head`). It is the embedding if the two are tied. */
  readonly lmHead: Matrix;
}

/** Finds every weight that the shape requires, and checks its size. */
export function findWeights(
  shape: DecoderShape,
  tensors: Tensors,
  config: JsonObject,
): DecoderWeights {
  const find = new WeightFinder(tensors, config, shape.prefix);
  const { hidden, vocabulary } = shape;
  const embedding = find.matrix('model.embed_tokens', { out: vocabulary, in: hidden });
  const hasLmHead = find.has('lm_head.weight');
  return {
    embedding,
    layers: shape.layers.map((layer, index) =>
      findLayer(find, { shape, layer, path: `model.layers.${index}` }),
    ),
    norm: find.vector('model.norm', hidden),
    lmHead:
      shape.tied && !hasLmHead
        ? embedding
        : find.matrix('lm_head', { out: vocabulary, in: hidden }),
  };
}

function findLayer(
  find: WeightFinder,
  { shape, layer, path }: { shape: DecoderShape; layer: LayerShape; path: string },
): LayerWeights {
  const { hidden, heads, kvHeads, headDim } = shape;
  const attention = `${path}.self_attn`;
  const { outputNorms, qkNorm, attentionSinks, requiresBiases } = shape;
  const projection = (name: string, size: { out: number; in: number }) =>
    find.matrix(`${attention}.${name}_proj`, { ...size, requiresBias: requiresBiases });
  const [queryRows, keyRows] = [heads * headDim, kvHeads * headDim];
  const [q, k, v] = shape.fused.includes('qkv')
    ? find.matrices(`${attention}.qkv_proj`, {
        rows: [queryRows, keyRows, keyRows] as const,
        in: hidden,
      })
    : [
        projection('q', { out: queryRows, in: hidden }),
        projection('k', { out: keyRows, in: hidden }),
        projection('v', { out: keyRows, in: hidden }),
      ];
  return {
    inputNorm: find.vector(`${path}.input_layernorm`, hidden),
    q,
    k,
    v,
    o: projection('o', { out: hidden, in: heads * headDim }),
    ...(attentionSinks && { sinks: find.tensor(`${attention}.sinks`, [heads]) }),
    ...(qkNorm && {
      qNorm: find.vector(`${attention}.q_norm`, headDim),
      kNorm: find.vector(`${attention}.k_norm`, headDim),
    }),
    ...(outputNorms && { attentionNorm: find.vector(`${path}.post_attention_layernorm`, hidden) }),
    mlpNorm: find.vector(
      `${path}.${outputNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm'}`,
      hidden,
    ),
    mlp:
      layer.mlp.kind === 'experts' && layer.mlp.layout === 'gpt_oss'
        ? findGptOssExperts(find, { experts: layer.mlp, hidden, path: `${path}.mlp` })
        : findMlp(find, { shape, layer, path: `${path}.mlp` }),
    ...(outputNorms && {
      mlpOutputNorm: find.vector(`${path}.post_feedforward_layernorm`, hidden),
    }),
  };
}

function findMlp(
  find: WeightFinder,
  { shape, layer, path }: { shape: DecoderShape; layer: LayerShape; path: string },
): Mlp {
  const { hidden, fused } = shape;
  const { width } = layer.mlp;
  const isRouted = layer.mlp.kind === 'experts';
  const count = layer.mlp.kind === 'experts' ? layer.mlp.experts : 1;
  const inside = isRouted ? `${path}.switch_mlp` : path;
  const [gate, up] = fused.includes('gateUp')
    ? find.matrices(`${inside}.gate_up_proj`, { rows: [width, width] as const, in: hidden })
    : [
        find.matrix(`${inside}.gate_proj`, { out: width, in: hidden, count }),
        find.matrix(`${inside}.up_proj`, { out: width, in: hidden, count }),
      ];
  return {
    gate,
    up,
    down: find.matrix(`${inside}.down_proj`, { out: hidden, in: width, count }),
    ...(isRouted && { router: find.matrix(`${path}.gate`, { out: count, in: hidden }) }),
  };
}

/** The scale of MXFP4 that stands for NaN. */
const NAN_SCALE = 255;

/**
 * Checks that norms, biases and quantization parameters are finite. A single NaN or infinity in
 * them would corrupt every answer without an error.
 */
export async function checkFinite(weights: DecoderWeights, reader: TensorReader): Promise<void> {
  for (const tensor of multipliers(weights)) {
    const exponent = tensor.type === 'F16' ? 0x7c00 : 0x7f80;
    const step = tensor.type === 'F32' ? 2 : 1;
    const fail = () => {
      throw new ModelError('not_finite', `${tensor.name} contains an infinity or NaN`);
    };
    for await (const { bytes } of reader.pieces(tensor)) {
      if (tensor.type === 'U8') {
        if (bytes.includes(NAN_SCALE)) fail();
        continue;
      }
      const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
      for (let i = step - 1; i < halves.length; i += step) {
        if (((halves[i] as number) & exponent) === exponent) fail();
      }
    }
  }
}

function* multipliers({ embedding, layers, norm, lmHead }: DecoderWeights): Generator<Tensor> {
  const matrices = [
    embedding,
    lmHead,
    ...layers.flatMap(({ q, k, v, o, mlp }) => [q, k, v, o, ...Object.values(mlp)]),
  ];
  for (const { quantized, bias } of new Set(matrices)) {
    if (quantized) yield quantized.scales;
    if (quantized?.biases) yield quantized.biases;
    if (bias) yield bias;
  }
  yield norm;
  for (const layer of layers) {
    for (const vector of [
      layer.inputNorm,
      layer.sinks,
      layer.qNorm,
      layer.kNorm,
      layer.attentionNorm,
      layer.mlpNorm,
      layer.mlpOutputNorm,
    ])
      if (vector) yield vector;
  }
}
