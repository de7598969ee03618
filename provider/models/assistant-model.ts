import { readAssistantShape } from './assistant-shape.ts';
import type { DecoderShape, LayerShape } from './decoder-shape.ts';
import {
  checkNumbers,
  findLayer,
  type LayerWeights,
  layerMatrices,
  type Matrix,
  ofMatrices,
  vectorsOf,
} from './decoder-weights.ts';
import type { JsonObject } from './json.ts';
import type { DecoderModel } from './model.ts';
import { ModelError } from './model-error.ts';
import type { ModelFolder } from './model-folder.ts';
import { chooseRows, readTensors, type Tensor, type Tensors } from './safetensors.ts';
import { TensorReader } from './tensor-reader.ts';
import { WeightFinder } from './weight-finder.ts';

/**
 * A small model that drafts the answers of one other model. Its layers have no keys: they read those
 * that the other model cached. Its input is joined from the embedding of a token and the state before
 * it, both of the other model.
 */
export interface AssistantModel {
  /** That of its layers. `keysOf` is the index of a layer of the other model. */
  readonly shape: DecoderShape;
  readonly weights: AssistantWeights;
  readonly weightBytes: number;
}

interface AssistantWeights {
  /** Makes the input of the first layer from the embedding, then the state. */
  readonly join: Matrix;
  readonly layers: readonly LayerWeights[];
  readonly norm: Tensor;
  /** Makes the state before the next drafted token, of the size of the other model's states. */
  readonly back: Matrix;
  /** Computes the logits; stacked by groups if the vocabulary has groups. */
  readonly lmHead: Matrix;
  /** Set if only tokens of the best groups are drafted. */
  readonly groups?: VocabularyGroups;
}

/** All groups have the same number of tokens. */
export interface VocabularyGroups {
  /** Computes how good each group is. */
  readonly scores: Matrix;
  /** Number of the best groups whose tokens get logits. */
  readonly chosen: number;
  /** The tokens, group by group. */
  readonly tokens: Int32Array<ArrayBuffer>;
}

/** The folder of an assistant, which was read and checked before it is known which model it assists. */
export interface OpenedAssistant {
  readonly build: string;
  /** The size of the states of the model that it assists. */
  readonly modelHidden: number;
  readonly model: AssistantModel;
}

/** Throws ModelError. */
export async function openAssistant(
  folder: ModelFolder,
  config: JsonObject,
  build: string,
): Promise<OpenedAssistant> {
  const { shape, modelHidden, groups } = readAssistantShape(config);
  const tensors = await readTensors(folder);
  const find = new WeightFinder(tensors, config, '');
  const { hidden, vocabulary } = shape;
  await using reader = new TensorReader();
  const weights: AssistantWeights = {
    join: find.matrix('pre_projection', { out: hidden, in: 2 * modelHidden }),
    layers: shape.layers.map((layer, index) =>
      findLayer(find, { shape, layer, path: `model.layers.${index}` }),
    ),
    norm: find.vector('model.norm', hidden),
    back: find.matrix('post_projection', { out: modelHidden, in: hidden }),
    lmHead: find.matrix(find.has('lm_head.weight') ? 'lm_head' : 'model.embed_tokens', {
      out: vocabulary,
      in: hidden,
    }),
  };
  const ordered = groups && (await withGroups(weights, { tensors, reader, find, groups }));
  const model = { shape, weights: ordered ?? weights, weightBytes: bytesOf(tensors) };
  await checkNumbers(
    [
      ...[weights.norm, ...weights.layers.flatMap(vectorsOf)],
      // The parameters of the logits are checked in the order of the file, and not group by group.
      ...ofMatrices(assistantMatrices({ ...model.weights, lmHead: weights.lmHead })),
    ],
    reader,
  );
  return { build, modelHidden, model };
}

const bytesOf = (tensors: Tensors): number =>
  tensors.values().reduce((sum, { bytes }) => sum + bytes, 0);

interface GroupParts {
  readonly tensors: Tensors;
  readonly reader: TensorReader;
  readonly find: WeightFinder;
  readonly groups: { readonly count: number; readonly chosen: number };
}

/** Stacks the rows of the tokens of each group, which are anywhere in the file's matrix. */
async function withGroups(
  weights: AssistantWeights,
  { tensors, reader, find, groups: { count, chosen } }: GroupParts,
): Promise<AssistantWeights> {
  const { lmHead } = weights;
  const { out: vocabulary, in: hidden, quantized, bias } = lmHead;
  if (bias !== undefined)
    throw new ModelError('unsupported_architecture', 'a bias of an assistant’s logits');
  const tokens = await readTokenOrder(tensors.get('masked_embedding.token_ordering'), {
    reader,
    vocabulary,
  });
  const size = vocabulary / count;
  const stacked = (tensor: Tensor) => {
    const shape = [count, size, tensor.shape[1] as number];
    return chooseRows(tensor, { rows: vocabulary, shape, period: vocabulary, of: tokens });
  };
  return {
    ...weights,
    lmHead: {
      ...lmHead,
      out: size,
      count,
      weight: stacked(lmHead.weight),
      ...(quantized && {
        quantized: {
          ...quantized,
          scales: stacked(quantized.scales),
          ...(quantized.biases && { biases: stacked(quantized.biases) }),
        },
      }),
    },
    groups: {
      scores: find.matrix('masked_embedding.centroids', { out: count, in: hidden }),
      chosen,
      tokens,
    },
  };
}

/** Reads the tokens in the order of their groups. Each must be there once: they become row numbers. */
async function readTokenOrder(
  tensor: Tensor | undefined,
  { reader, vocabulary }: { reader: TensorReader; vocabulary: number },
): Promise<Int32Array<ArrayBuffer>> {
  if (tensor === undefined)
    throw new ModelError('missing_weight', 'masked_embedding.token_ordering');
  const { type, shape } = tensor;
  if (shape.length !== 1 || shape[0] !== vocabulary || !(type === 'I64' || type === 'I32'))
    throw new ModelError(
      'wrong_shape',
      `masked_embedding.token_ordering has the type ${type} and the shape ${shape.join('×')}, but must be a list of ${vocabulary} whole numbers`,
    );
  const { buffer } = await reader.read(tensor);
  const order =
    type === 'I32'
      ? new Int32Array(buffer)
      : Int32Array.from(new BigInt64Array(buffer), (token) =>
          token >= 0n && token < vocabulary ? Number(token) : -1,
        );
  const isThere = new Uint8Array(vocabulary);
  for (const token of order) if (token >= 0 && token < vocabulary) isThere[token] = 1;
  if (isThere.includes(0))
    throw new ModelError(
      'malformed_weights',
      'masked_embedding.token_ordering does not name each token once',
    );
  return order;
}

/** All matrices of an assistant. */
export const assistantMatrices = ({
  join,
  back,
  lmHead,
  layers,
  groups,
}: AssistantWeights): Matrix[] => [
  ...[join, back, lmHead],
  ...(groups ? [groups.scores] : []),
  ...layers.flatMap(layerMatrices),
];

/**
 * Returns an assistant whose layers read the keys of a model, if it was made for a model of this shape:
 * layers with a window read those of its last layer with one, and the others those of its last layer without.
 */
export function assistantFor(
  { shape: large }: Pick<DecoderModel, 'shape'>,
  { modelHidden, model }: OpenedAssistant,
): AssistantModel | undefined {
  const { shape } = model;
  const isMadeFor =
    modelHidden === large.hidden &&
    shape.vocabulary === large.vocabulary &&
    shape.headDim === large.headDim &&
    JSON.stringify(shape.ropes) === JSON.stringify(large.ropes);
  const layers = shape.layers.map((layer) => ({ ...layer, keysOf: keysFor(layer, large.layers) }));
  if (!isMadeFor || layers.some(({ keysOf }) => keysOf < 0)) return undefined;
  return { ...model, shape: { ...shape, layers } };
}

/** The last layer with keys of its own that has the same attention; -1 if its heads have another size. */
function keysFor(layer: LayerShape, layers: readonly LayerShape[]): number {
  const index = layers.findLastIndex(
    ({ delta, keysOf, rope }) => delta === undefined && keysOf === undefined && rope === layer.rope,
  );
  const from = layers[index];
  const isSame =
    from?.window === layer.window &&
    from.kvHeads === layer.kvHeads &&
    from.headDim === layer.headDim;
  return isSame ? index : -1;
}
