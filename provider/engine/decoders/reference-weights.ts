import { assistantMatrices } from '../../models/assistant-model.ts';
import type { DecoderShape, LayerShape } from '../../models/decoder-shape.ts';
import {
  allMatrices,
  type ExpertsBeside,
  type HeadWeights,
  type LayerWeights,
  type Matrix,
  type Mlp,
  MXFP4_NUMBERS,
  type PerLayerEmbedding,
  type PerLayerWeights,
} from '../../models/decoder-weights.ts';
import type { DecoderModel } from '../../models/model.ts';
import type { RopeTables } from '../../models/rope.ts';
import type { Tensor } from '../../models/safetensors.ts';
import type { TensorReader } from '../../models/tensor-reader.ts';
import type { ReadAssistant } from './reference-assistant.ts';
import type { DeltaNumbers } from './reference-delta.ts';

/** A matrix whose weights have been expanded to 32-bit floats. */
export interface Dense {
  readonly out: number;
  readonly in: number;
  readonly values: Float32Array;
  readonly bias: Float32Array | undefined;
}

type Read<Part> = Part extends Matrix ? Dense : Part extends Tensor ? Float32Array : Part;

/** The weights of a layer, as 32-bit numbers. */
export type Layer = {
  readonly shape: LayerShape;
  readonly mlp: ReadMlp;
  readonly delta: ReadDelta | undefined;
  readonly expertsBeside: ReadExpertsBeside | undefined;
  readonly perLayer: ReadParts<PerLayerWeights> | undefined;
} & {
  readonly [Name in Exclude<
    keyof LayerWeights,
    'mlp' | 'delta' | 'expertsBeside' | 'perLayer'
  >]-?: Read<LayerWeights[Name]>;
};

export type ReadMlp = Record<'gate' | 'up' | 'down', Dense> & {
  readonly router: Dense | undefined;
  readonly choiceBias: Float32Array | undefined;
  readonly shared:
    | (Record<'gate' | 'up' | 'down', Dense> & { readonly share: Dense | undefined })
    | undefined;
};

export interface ReadDelta extends DeltaNumbers {
  readonly write: Dense;
  readonly fade: Dense;
  readonly norm: Float32Array;
}

export type ReadParts<Part> = { readonly [Name in keyof Part]: Read<Part[Name]> };
export type ReadExpertsBeside = ReadParts<Omit<ExpertsBeside, 'mlp'>> & { readonly mlp: ReadMlp };

type ReadHead = ReadParts<Omit<HeadWeights, 'layer'>> & { readonly layer: Layer };

export interface Parts {
  readonly shape: DecoderShape;
  readonly embedding: Dense;
  readonly lmHead: Dense;
  readonly norm: Float32Array;
  readonly perLayer: ReadParts<PerLayerEmbedding> | undefined;
  readonly layers: readonly Layer[];
  readonly head: ReadHead | undefined;
  readonly assistant: ReadAssistant | undefined;
  readonly ropes: RopeTables;
}

export async function readLayer(
  reader: TensorReader,
  {
    shape,
    layer,
    layerShape,
  }: { shape: DecoderShape; layer: LayerWeights; layerShape: LayerShape },
): Promise<Layer> {
  const dense = (matrix: Matrix) => readDense(reader, matrix);
  const some = async (matrix: Matrix | undefined) => matrix && (await dense(matrix));
  const norm = async (tensor: Tensor) => normOf(await reader.numbers(tensor), shape);
  const someNorm = async (tensor: Tensor | undefined) => tensor && (await norm(tensor));
  const { delta, expertsBeside, perLayer } = layer;
  const mlpOf = async ({ gate, up, down, router, choiceBias, shared }: Mlp): Promise<ReadMlp> => ({
    gate: await dense(gate),
    up: await dense(up),
    down: await dense(down),
    router: await some(router),
    choiceBias: choiceBias && (await reader.numbers(choiceBias)),
    shared: shared && {
      gate: await dense(shared.gate),
      up: await dense(shared.up),
      down: await dense(shared.down),
      share: await some(shared.share),
    },
  });
  return {
    shape: layerShape,
    inputNorm: await someNorm(layer.inputNorm),
    q: await dense(layer.q),
    k: await some(layer.k),
    v: await some(layer.v),
    o: await dense(layer.o),
    outputGate: await some(layer.outputGate),
    delta: delta && {
      write: await dense(delta.write),
      fade: await dense(delta.fade),
      fadeBias: await reader.numbers(delta.fadeBias),
      fadeRate: await reader.numbers(delta.fadeRate),
      convolution: await reader.numbers(delta.convolution),
      norm: await reader.numbers(delta.norm),
    },
    sinks: layer.sinks && (await reader.numbers(layer.sinks)),
    qNorm: await someNorm(layer.qNorm),
    kNorm: await someNorm(layer.kNorm),
    attentionNorm: await someNorm(layer.attentionNorm),
    mlpNorm: await someNorm(layer.mlpNorm),
    mlpOutputNorm: await someNorm(layer.mlpOutputNorm),
    mlp: await mlpOf(layer.mlp),
    expertsBeside: expertsBeside && {
      mlp: await mlpOf(expertsBeside.mlp),
      inputNorm: await norm(expertsBeside.inputNorm),
      outputNorm: await norm(expertsBeside.outputNorm),
      denseOutputNorm: await norm(expertsBeside.denseOutputNorm),
      routerNorm: (await reader.numbers(expertsBeside.routerNorm)).map(
        (value) => value / Math.sqrt(shape.hidden),
      ),
      shareScales: await reader.numbers(expertsBeside.shareScales),
    },
    perLayer: perLayer && {
      gate: await dense(perLayer.gate),
      projection: await dense(perLayer.projection),
      norm: await norm(perLayer.norm),
    },
    scale: layer.scale && (await reader.numbers(layer.scale)),
  };
}

export async function readDraftHead(
  reader: TensorReader,
  shape: DecoderShape,
  head: HeadWeights,
): Promise<ReadHead> {
  const norm = async (tensor: Tensor) => normOf(await reader.numbers(tensor), shape);
  return {
    embeddingNorm: await norm(head.embeddingNorm),
    hiddenNorm: await norm(head.hiddenNorm),
    join: await readDense(reader, head.join),
    layer: await readLayer(reader, {
      shape,
      layer: head.layer,
      layerShape: shape.head as LayerShape,
    }),
    norm: await norm(head.norm),
  };
}

/** Reads a matrix and expands its weights to 32-bit floats. */
export async function readDense(reader: TensorReader, matrix: Matrix): Promise<Dense> {
  const bias = matrix.bias && (await reader.numbers(matrix.bias));
  const { out, in: width, count, quantized } = matrix;
  if (!quantized) return { out, in: width, values: await reader.numbers(matrix.weight), bias };
  const { bits, group } = quantized;
  const packed = new Uint32Array((await reader.read(matrix.weight)).buffer);
  const scales = await reader.numbers(quantized.scales);
  const biases = quantized.biases && (await reader.numbers(quantized.biases));
  const values = new Float32Array(count * out * width);
  const mask = 2 ** bits - 1;
  for (let i = 0; i < values.length; i += 1) {
    const bit = i * bits;
    const word = Math.floor(bit / 32);
    const shift = bit % 32;
    let q = (packed[word] as number) >>> shift;
    if (shift + bits > 32) q |= (packed[word + 1] as number) << (32 - shift);
    const g = Math.floor(i / group);
    q &= mask;
    const scale = scales[g] as number;
    values[i] = biases ? q * scale + (biases[g] as number) : (MXFP4_NUMBERS[q] as number) * scale;
  }
  return { out, in: width, values, bias };
}

export const normOf = (weight: Float32Array, { normPlusOne }: DecoderShape): Float32Array =>
  normPlusOne ? weight.map((value) => value + 1) : weight;

/** Number of the weights of a model and its assistant. */
export const countWeights = ({ weights, assistant }: DecoderModel): number =>
  new Set([...allMatrices(weights), ...(assistant ? assistantMatrices(assistant.weights) : [])])
    .values()
    .reduce((sum, m) => sum + m.count * m.out * m.in, 0);
