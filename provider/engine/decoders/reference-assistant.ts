import type { AssistantModel, VocabularyGroups } from '../../models/assistant-model.ts';
import type { TensorReader } from '../../models/tensor-reader.ts';
import type { DraftStep } from './decoder.ts';
import { attendCached, type LayerCache } from './reference-attention.ts';
import { addLayer } from './reference-layer.ts';
import {
  indexOfLargest,
  largestOf,
  multiplyBy,
  multiplyMatrix,
  normaliseVector,
} from './reference-parts.ts';
import { type Dense, type Layer, normOf, readDense, readLayer } from './reference-weights.ts';

export interface ReadAssistant {
  readonly shape: AssistantModel['shape'];
  readonly join: Dense;
  readonly layers: readonly Layer[];
  readonly norm: Float32Array;
  readonly back: Dense;
  readonly lmHead: Dense;
  readonly groups: (Omit<VocabularyGroups, 'scores'> & { readonly scores: Dense }) | undefined;
}

export async function readAssistant(
  reader: TensorReader,
  { shape, weights }: AssistantModel,
): Promise<ReadAssistant> {
  const layers: Layer[] = [];
  for (const [index, layer] of weights.layers.entries()) {
    const layerShape = shape.layers[index] as Layer['shape'];
    layers.push(await readLayer(reader, { shape, layer, layerShape }));
  }
  const { groups } = weights;
  return {
    shape,
    join: await readDense(reader, weights.join),
    layers,
    norm: normOf(await reader.numbers(weights.norm), shape),
    back: await readDense(reader, weights.back),
    lmHead: await readDense(reader, weights.lmHead),
    groups: groups && { ...groups, scores: await readDense(reader, groups.scores) },
  };
}

interface AssistantPass {
  readonly step: DraftStep;
  /** The embeddings of the tokens, and the states before them. */
  readonly embeddings: readonly Float32Array[];
  readonly before: readonly Float32Array[];
  /** The keys and values of each layer of the large model. */
  readonly caches: readonly LayerCache[];
  readonly ropeAngles: Float32Array;
}

/** Returns the most likely token after each output, and the state before it for each token. */
export function runAssistant(
  assistant: ReadAssistant,
  { step, embeddings, before, caches, ropeAngles }: AssistantPass,
): { best: number[]; states: Float32Array[] } {
  const { shape, join, layers, norm, back } = assistant;
  const states = embeddings.map((embedding, token) => {
    const both = [...embedding, ...(before[token] as Float32Array)];
    return multiplyMatrix(join, Float32Array.from(both));
  });
  for (const layer of layers) {
    const { keysOf, rope } = layer.shape;
    const read = caches[keysOf as number] as LayerCache;
    const angles = ropeAngles.subarray(rope * step.tokens.length * shape.headDim);
    const mix = (inputs: readonly Float32Array[]) =>
      attendCached({ shape, layer, step, inputs, own: read, read, angles });
    addLayer({ shape, layer, states, mix });
    if (layer.scale) for (const state of states) multiplyBy(state, layer.scale[0] as number);
  }
  const normed = states.map((state) =>
    normaliseVector(state, { weight: norm, eps: shape.normEps }),
  );
  return {
    best: Array.from(step.outputs, (token) => bestToken(assistant, normed[token] as Float32Array)),
    states: normed.map((state) => multiplyMatrix(back, state)),
  };
}

function bestToken({ lmHead, groups }: ReadAssistant, state: Float32Array): number {
  if (groups === undefined) return indexOfLargest(multiplyMatrix(lmHead, state));
  const found = largestOf([...multiplyMatrix(groups.scores, state)], groups.chosen).map((group) => {
    const logits = multiplyMatrix(lmHead, state, group);
    const at = indexOfLargest(logits);
    return { logit: logits[at] as number, token: groups.tokens[group * lmHead.out + at] as number };
  });
  return found.reduce((a, b) => (b.logit > a.logit ? b : a)).token;
}
