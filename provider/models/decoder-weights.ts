import { chosenMatrix, chosenVector, range, rotationOrder } from './chosen-rows.ts';
import type { DecoderShape, LayerShape } from './decoder-shape.ts';
import { findDelta } from './delta-weights.ts';
import { findGemma4Parts, findPerLayerEmbedding } from './gemma4-weights.ts';
import { findGptOssExperts } from './gpt-oss-weights.ts';
import type { JsonObject } from './json.ts';
import { findMlp } from './mlp-weights.ts';
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

export interface Mlp {
  readonly gate: Matrix;
  readonly up: Matrix;
  readonly down: Matrix;
  readonly router?: Matrix;
  /** Added to the share of each expert when some of them are chosen, and not afterwards. */
  readonly choiceBias?: Tensor;
  /** The expert that every token uses. */
  readonly shared?: SharedExpert;
}

export interface SharedExpert {
  readonly gate: Matrix;
  readonly up: Matrix;
  readonly down: Matrix;
  /** Computes the score whose sigmoid is the share of the expert. Without it, the share is one. */
  readonly share?: Matrix;
}

/** What a layer of Gated DeltaNet has beside the projections that attention has too. */
export interface DeltaWeights {
  /** Computes for each value head how much of the new value is written. */
  readonly write: Matrix;
  /** Computes for each value head how fast its state fades. */
  readonly fade: Matrix;
  /** Added to the result of `fade`. */
  readonly fadeBias: Tensor;
  /** Logarithm of the rate at which each value head's state fades. */
  readonly fadeRate: Tensor;
  /** The factors of the convolution, by channel and then by token: first queries, then keys, then values. */
  readonly convolution: Tensor;
  /** Normalises the output of each value head. */
  readonly norm: Tensor;
}

export interface LayerWeights {
  /** Normalises the input of attention or Gated DeltaNet. */
  readonly inputNorm?: Tensor;
  readonly q: Matrix;
  /** Undefined if the layer reads the keys and values of another one. */
  readonly k?: Matrix;
  /** Undefined also if keys are used as values. */
  readonly v?: Matrix;
  readonly o: Matrix;
  /** Computes the gate of the output of attention or Gated DeltaNet. */
  readonly outputGate?: Matrix;
  /** Set if the layer has Gated DeltaNet in place of attention. */
  readonly delta?: DeltaWeights;
  /** One score for each head, which takes a share of the head's attention. */
  readonly sinks?: Tensor;
  readonly qNorm?: Tensor;
  readonly kNorm?: Tensor;
  /** Normalises the output of attention. */
  readonly attentionNorm?: Tensor;
  /** Normalises the input of the MLP. */
  readonly mlpNorm?: Tensor;
  readonly mlp: Mlp;
  /** Normalises the output of the MLP. */
  readonly mlpOutputNorm?: Tensor;
  readonly expertsBeside?: ExpertsBeside;
  readonly perLayer?: PerLayerWeights;
  /** One number that multiplies the hidden state after the layer. */
  readonly scale?: Tensor;
}

/** Experts beside a dense MLP. Both read the state after attention, each through its own norm. */
export interface ExpertsBeside {
  readonly mlp: Mlp;
  readonly inputNorm: Tensor;
  readonly outputNorm: Tensor;
  /** Normalises the output of the dense MLP. */
  readonly denseOutputNorm: Tensor;
  /** Normalises the input of the router; its products are also divided by √hidden. */
  readonly routerNorm: Tensor;
  /** Multiplies the share of each expert. */
  readonly shareScales: Tensor;
}

/** How a layer uses its own embedding e: state += norm(projection · (activation(gate · state) × e)). */
export interface PerLayerWeights {
  readonly gate: Matrix;
  readonly projection: Matrix;
  readonly norm: Tensor;
}

/** The embeddings of all layers: layer by layer in the rows of the two matrices. */
export interface PerLayerEmbedding {
  readonly embedding: Matrix;
  readonly projection: Matrix;
  readonly norm: Tensor;
}

/**
 * A head that drafts the token after the next one. Its input is joined from the embedding of the next
 * token and the normalised hidden state before it. Embedding and matrix of logits are those of the decoder.
 */
export interface HeadWeights {
  readonly embeddingNorm: Tensor;
  readonly hiddenNorm: Tensor;
  /** Makes the input of the layer from both: the embedding, then the hidden state. */
  readonly join: Matrix;
  readonly layer: LayerWeights;
  readonly norm: Tensor;
}

export interface DecoderWeights {
  readonly embedding: Matrix;
  readonly layers: readonly LayerWeights[];
  readonly norm: Tensor;
  /** The matrix that computes logits (`lm_head`). It is the embedding if the two are tied. */
  readonly lmHead: Matrix;
  readonly perLayer?: PerLayerEmbedding;
  /** Set if the shape has a head. */
  readonly head?: HeadWeights;
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
    ...(shape.perLayer && { perLayer: findPerLayerEmbedding(find, shape, shape.perLayer) }),
  };
}

/** Finds the weights of one layer. */
export function findLayer(
  find: WeightFinder,
  { shape, layer, path }: { shape: DecoderShape; layer: LayerShape; path: string },
): LayerWeights {
  const { hidden, norms } = shape;
  const norm = <Key extends string>(key: Key, name: string | undefined) =>
    name === undefined ? {} : { [key]: find.vector(`${path}.${name}`, hidden) };
  return {
    ...norm('inputNorm', norms.attentionInput),
    ...(layer.delta
      ? findDelta(find, { delta: layer.delta, hidden, path: `${path}.linear_attn` })
      : findAttention(find, { shape, layer, path: `${path}.self_attn` })),
    ...norm('attentionNorm', norms.attentionOutput),
    ...norm('mlpNorm', norms.mlpInput),
    mlp:
      layer.mlp.kind === 'experts' && layer.mlp.layout === 'gpt_oss'
        ? findGptOssExperts(find, { experts: layer.mlp, hidden, path: `${path}.mlp` })
        : findMlp(find, { shape, layer, path: `${path}.mlp` }),
    ...norm('mlpOutputNorm', norms.mlpOutput),
    ...findGemma4Parts(find, { shape, layer, path }),
  };
}

function findAttention(
  find: WeightFinder,
  { shape, layer, path }: { shape: DecoderShape; layer: LayerShape; path: string },
): Pick<LayerWeights, 'q' | 'k' | 'v' | 'o' | 'outputGate' | 'sinks' | 'qNorm' | 'kNorm'> {
  const { hidden, heads, qkNorm, attentionSinks, gatedAttention } = shape;
  const { kvHeads, headDim } = layer;
  const projection = (name: string, size: { out: number; in: number }) =>
    find.matrix(`${path}.${name}_proj`, { ...size, requiresBias: shape.requiresBiases });
  const { rotated = headDim, pairsNeighbours = false } = shape.ropes[layer.rope] ?? {};
  const order = rotationOrder(headDim, { rotated, pairsNeighbours });
  const perHead = gatedAttention ? 2 * headDim : headDim;
  const [queryRows, keyRows] = [heads * perHead, kvHeads * headDim];
  const hasKeys = layer.keysOf === undefined;
  const [query, key, value] = shape.fused.includes('qkv')
    ? find.matrices(`${path}.qkv_proj`, {
        rows: [queryRows, keyRows, keyRows] as const,
        in: hidden,
      })
    : [
        projection('q', { out: queryRows, in: hidden }),
        hasKeys ? projection('k', { out: keyRows, in: hidden }) : undefined,
        hasKeys && !layer.keysAreValues ? projection('v', { out: keyRows, in: hidden }) : undefined,
      ];
  const norm = (name: string, count: number) => {
    const size = qkNorm === 'projections' ? count * headDim : headDim;
    return chosenVector(find.vector(`${path}.${name}_norm`, size), { period: headDim, of: order });
  };
  return {
    q: chosenMatrix(query, { period: perHead, of: order }),
    ...(key && { k: chosenMatrix(key, { period: headDim, of: order }) }),
    ...(value && { v: value }),
    o: projection('o', { out: hidden, in: heads * headDim }),
    ...(gatedAttention && {
      outputGate: chosenMatrix(query, { period: perHead, of: range(headDim, perHead) }),
    }),
    ...(attentionSinks && { sinks: find.tensor(`${path}.sinks`, [heads]) }),
    ...(qkNorm !== 'none' && {
      qNorm: norm('q', heads),
      ...(hasKeys && { kNorm: norm('k', kvHeads) }),
    }),
  };
}

/** The scale of MXFP4 that stands for NaN. */
const NAN_SCALE = 255;

/** Throws ModelError if a norm, a bias or a parameter of a quantization is not finite. */
export const checkFinite = (weights: DecoderWeights, reader: TensorReader): Promise<void> =>
  checkNumbers([...multipliers(weights), ...ofMatrices(allMatrices(weights))], reader);

/**
 * Checks that norms, biases and quantization parameters are finite. A single NaN or infinity in
 * them would corrupt every answer without an error.
 */
export async function checkNumbers(tensors: Iterable<Tensor>, reader: TensorReader): Promise<void> {
  for (const tensor of tensors) {
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

/** The biases and the parameters of the quantization of matrices. */
export function* ofMatrices(matrices: readonly Matrix[]): Generator<Tensor> {
  for (const { quantized, bias } of new Set(matrices)) {
    if (quantized) yield quantized.scales;
    if (quantized?.biases) yield quantized.biases;
    if (bias) yield bias;
  }
}

function* multipliers(weights: DecoderWeights): Generator<Tensor> {
  yield weights.norm;
  if (weights.perLayer) yield weights.perLayer.norm;
  const { head } = weights;
  if (head) yield* [head.embeddingNorm, head.hiddenNorm, head.norm];
  for (const layer of [...weights.layers, ...(head ? [head.layer] : [])]) yield* vectorsOf(layer);
}

/** All vectors of a layer. */
export const vectorsOf = (layer: LayerWeights): Tensor[] =>
  [
    layer.inputNorm,
    layer.sinks,
    layer.qNorm,
    layer.kNorm,
    layer.attentionNorm,
    layer.mlpNorm,
    layer.mlpOutputNorm,
    layer.mlp.choiceBias,
    layer.scale,
    layer.perLayer?.norm,
    layer.delta?.fadeBias,
    layer.delta?.fadeRate,
    layer.delta?.convolution,
    layer.delta?.norm,
    layer.expertsBeside?.inputNorm,
    layer.expertsBeside?.outputNorm,
    layer.expertsBeside?.denseOutputNorm,
    layer.expertsBeside?.routerNorm,
    layer.expertsBeside?.shareScales,
  ].filter((vector) => vector !== undefined);

/** All matrices of a decoder. One that it uses twice may be in the list twice. */
export const allMatrices = ({
  embedding,
  layers,
  lmHead,
  perLayer,
  head,
}: DecoderWeights): Matrix[] => [
  embedding,
  lmHead,
  ...(perLayer ? [perLayer.embedding, perLayer.projection] : []),
  ...layers.flatMap(layerMatrices),
  ...(head ? [head.join, ...layerMatrices(head.layer)] : []),
];

/** All matrices of a layer. */
export function layerMatrices(layer: LayerWeights): Matrix[] {
  const { q, k, v, o, outputGate, delta, mlp, expertsBeside, perLayer } = layer;
  return [
    ...[q, k, v, o, outputGate, delta?.write, delta?.fade, perLayer?.gate, perLayer?.projection],
    ...[mlp, expertsBeside?.mlp].flatMap((part) => {
      const { shared, choiceBias: _, ...own } = part ?? {};
      return [...Object.values(own), ...Object.values(shared ?? {})];
    }),
  ].filter((matrix) => matrix !== undefined);
}
