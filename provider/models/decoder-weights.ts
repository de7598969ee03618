import type { DecoderShape, LayerShape } from './decoder-shape.ts';
import { FieldReader } from './field-reader.ts';
import { isObject, type JsonObject } from './json.ts';
import { ModelError } from './model-error.ts';
import type { Tensor, Tensors } from './safetensors.ts';
import type { TensorReader } from './tensor-reader.ts';

/**
 * A matrix as the file holds it: either plain numbers, or quantized to integers q in groups along
 * its rows, with one scale and bias for each group: weight = q · scale + bias.
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
    readonly biases: Tensor;
  };
  readonly bias?: Tensor;
}

type Mlp = {
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

const BITS = [2, 3, 4, 5, 6, 8];
const GROUPS = [32, 64, 128];

/** Finds every weight that the shape requires, and checks its size. */
export function findWeights(
  shape: DecoderShape,
  tensors: Tensors,
  config: JsonObject,
): DecoderWeights {
  const find = new WeightFinder(tensors, readQuantization(config), shape.prefix);
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
  const { outputNorms, qkNorm } = shape;
  return {
    inputNorm: find.vector(`${path}.input_layernorm`, hidden),
    q: find.matrix(`${attention}.q_proj`, { out: heads * headDim, in: hidden }),
    k: find.matrix(`${attention}.k_proj`, { out: kvHeads * headDim, in: hidden }),
    v: find.matrix(`${attention}.v_proj`, { out: kvHeads * headDim, in: hidden }),
    o: find.matrix(`${attention}.o_proj`, { out: hidden, in: heads * headDim }),
    ...(qkNorm && {
      qNorm: find.vector(`${attention}.q_norm`, headDim),
      kNorm: find.vector(`${attention}.k_norm`, headDim),
    }),
    ...(outputNorms && { attentionNorm: find.vector(`${path}.post_attention_layernorm`, hidden) }),
    mlpNorm: find.vector(
      `${path}.${outputNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm'}`,
      hidden,
    ),
    mlp: findMlp(find, { layer, hidden, path: `${path}.mlp` }),
    ...(outputNorms && {
      mlpOutputNorm: find.vector(`${path}.post_feedforward_layernorm`, hidden),
    }),
  };
}

function findMlp(
  find: WeightFinder,
  { layer, hidden, path }: { layer: LayerShape; hidden: number; path: string },
): Mlp {
  const { width } = layer.mlp;
  const isRouted = layer.mlp.kind === 'experts';
  const count = layer.mlp.kind === 'experts' ? layer.mlp.experts : 1;
  const inside = isRouted ? `${path}.switch_mlp` : path;
  return {
    gate: find.matrix(`${inside}.gate_proj`, { out: width, in: hidden, count }),
    up: find.matrix(`${inside}.up_proj`, { out: width, in: hidden, count }),
    down: find.matrix(`${inside}.down_proj`, { out: hidden, in: width, count }),
    ...(isRouted && { router: find.matrix(`${path}.gate`, { out: count, in: hidden }) }),
  };
}

interface Quantization {
  readonly bits: number;
  readonly group: number;
}

type QuantizationOf = (path: string) => Quantization | undefined;

/**
 * Reads the bits and group size of quantized matrices. A matrix may have settings of its own under
 * its path; otherwise the general ones apply. A matrix is quantized if it has a tensor of scales.
 */
function readQuantization(config: JsonObject): QuantizationOf {
  const about = config['quantization'] ?? config['quantization_config'];
  if (about === undefined || about === null) return () => undefined;
  if (!isObject(about))
    throw new ModelError('malformed_config', 'config.json.quantization is not an object');
  const read = (fields: JsonObject, path: string): Quantization => {
    const reader = new FieldReader(fields, path);
    reader.text('mode', ['affine'], { or: 'affine' as const });
    const bits = reader.integer('bits');
    const group = reader.integer('group_size');
    if (!BITS.includes(bits) || !GROUPS.includes(group))
      throw new ModelError(
        'unsupported_architecture',
        `${path} has ${bits} bits in groups of ${group}; supported are ${BITS} bits in groups of ${GROUPS}`,
      );
    return { bits, group };
  };
  const general = read(about, 'config.json.quantization');
  return (path) => {
    const own = about[path];
    return isObject(own) ? read({ ...about, ...own }, `config.json.quantization.${path}`) : general;
  };
}

class WeightFinder {
  readonly #tensors: Tensors;
  readonly #quantizationOf: QuantizationOf;
  readonly #prefix: string;

  constructor(tensors: Tensors, quantizationOf: QuantizationOf, prefix: string) {
    this.#tensors = tensors;
    this.#quantizationOf = quantizationOf;
    this.#prefix = prefix;
  }

  has(name: string): boolean {
    return this.#tensors.has(this.#prefix + name);
  }

  vector(path: string, size: number): Tensor {
    return this.#tensor(`${path}.weight`, [size]);
  }

  matrix(
    path: string,
    { out, in: width, count = 1 }: { out: number; in: number; count?: number },
  ): Matrix {
    const rows = count > 1 ? [count, out] : [out];
    const common = {
      out,
      in: width,
      count,
      ...(this.has(`${path}.bias`) && { bias: this.#tensor(`${path}.bias`, rows) }),
    };
    if (!this.has(`${path}.scales`))
      return { ...common, weight: this.#tensor(`${path}.weight`, [...rows, width]) };
    const quantization = this.#quantizationOf(this.#prefix + path);
    if (quantization === undefined)
      throw new ModelError(
        'malformed_config',
        `${path} is quantized, but config.json has no quantization`,
      );
    const { bits, group } = quantization;
    if (width % group !== 0)
      throw new ModelError(
        'wrong_shape',
        `${path}: the width of ${width} is not a multiple of the group size ${group}`,
      );
    const weight = this.#tensor(`${path}.weight`, [...rows, (width * bits) / 32], ['U32']);
    const ofGroups = (name: string) => this.#tensor(`${path}.${name}`, [...rows, width / group]);
    return {
      ...common,
      weight,
      quantized: { bits, group, scales: ofGroups('scales'), biases: ofGroups('biases') },
    };
  }

  #tensor(
    name: string,
    shape: readonly number[],
    types: readonly string[] = ['F32', 'F16', 'BF16'],
  ): Tensor {
    const tensor = this.#tensors.get(this.#prefix + name);
    if (tensor === undefined) throw new ModelError('missing_weight', this.#prefix + name);
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, i) => size !== shape[i])) {
      throw new ModelError(
        'wrong_shape',
        `${name} is ${tensor.shape.join('×')} but must be ${shape.join('×')}`,
      );
    }
    if (!types.includes(tensor.type))
      throw new ModelError(
        'wrong_shape',
        `${name} has the type ${tensor.type} but must have ${types.join(' or ')}`,
      );
    return tensor;
  }
}

/**
 * Checks that norms, biases and quantization parameters are finite. A single NaN or infinity in
 * them would corrupt every answer without an error.
 */
export async function checkFinite(weights: DecoderWeights, reader: TensorReader): Promise<void> {
  for (const tensor of multipliers(weights)) {
    const exponent = tensor.type === 'F16' ? 0x7c00 : 0x7f80;
    const step = tensor.type === 'F32' ? 2 : 1;
    for await (const { bytes } of reader.pieces(tensor)) {
      const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
      for (let i = step - 1; i < halves.length; i += step) {
        if (((halves[i] as number) & exponent) === exponent)
          throw new ModelError('not_finite', `${tensor.name} contains an infinity or NaN`);
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
    if (quantized) yield* [quantized.scales, quantized.biases];
    if (bias) yield bias;
  }
  yield norm;
  for (const layer of layers) {
    for (const vector of [
      layer.inputNorm,
      layer.qNorm,
      layer.kNorm,
      layer.attentionNorm,
      layer.mlpNorm,
      layer.mlpOutputNorm,
    ])
      if (vector) yield vector;
  }
}
