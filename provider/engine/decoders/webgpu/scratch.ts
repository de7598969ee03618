import {
  type DecoderShape,
  type DeltaShape,
  deltaChannels,
} from '../../../models/decoder-shape.ts';
import type { DecoderWeights } from '../../../models/decoder-weights.ts';
import type { DecoderModel } from '../../../models/model.ts';
import { imagesAreWhole } from '../../../models/vision/vision-shape.ts';
import { stepLimits } from '../check-step.ts';
import type { DecoderOptions } from '../decoder.ts';
import type { Uploader } from './gpu-weights.ts';

/** Buffers of a step: its inputs, and intermediate results of its dispatches. */
export interface Scratch {
  readonly tokens: GPUBuffer;
  readonly positions: GPUBuffer;
  /** For models whose tokens attend to later ones: the position after the last one that each attends to. */
  readonly ends: GPUBuffer;
  readonly places: GPUBuffer;
  readonly decodeRows: GPUBuffer;
  readonly prefillRuns: GPUBuffer;
  readonly tables: GPUBuffer;
  readonly outputs: GPUBuffer;
  readonly ropeAngles: GPUBuffer;
  readonly state: GPUBuffer;
  readonly normed: GPUBuffer;
  readonly partOut: GPUBuffer;
  readonly qkv: GPUBuffer;
  readonly attentionOut: GPUBuffer;
  readonly gateUp: GPUBuffer;
  readonly gated: GPUBuffer;
  /** The embeddings of the tokens for all layers. */
  readonly perLayer: GPUBuffer;
  /** The output of a dense MLP, to which that of the experts beside it is added. */
  readonly besideOut: GPUBuffer;
  /** Gates of the outputs of attention and Gated DeltaNet. */
  readonly outputGates: GPUBuffer;
  /** For models with states: the runs of sequences, the run of each token, and what layers make. */
  readonly stateRuns: GPUBuffer;
  readonly runOf: GPUBuffer;
  readonly mixed: GPUBuffer;
  readonly writeFade: GPUBuffer;
  /** Scores of the expert that every token uses. */
  readonly sharedScores: GPUBuffer;
  /** For models with a vision tower: which tokens belong to images, and their numbers. */
  readonly imageTokens: GPUBuffer;
  readonly imageEmbeddings: GPUBuffer;
  /** For models with a draft head or an assistant: the indices of the tokens before those of a draft, and its inputs. */
  readonly before: GPUBuffer;
  readonly joined: GPUBuffer;
  /** The normalised states of the last step, and of the last draft. */
  readonly steppedStates: GPUBuffer;
  readonly draftedStates: GPUBuffer;
}

/** Creates the buffers for steps of up to `maxTokens` tokens. Those that the model does not use are tiny. */
export function createScratch(upload: Uploader, options: DecoderOptions): Scratch {
  const { model, maxTokens, pages } = options;
  const { shape, weights, vision } = model;
  const { hidden, heads, headDim } = shape;
  const perLayerWidth = shape.perLayer?.width ?? 0;
  const qkvWidth = Math.max(
    ...layersOf(shape).map((layer) => (heads + 2 * layer.kvHeads) * layer.headDim),
  );
  const deltas = shape.layers.flatMap(({ delta }) => delta ?? []);
  const most = (sizeOf: (delta: DeltaShape) => number, least = 0) =>
    Math.max(least, ...deltas.map(sizeOf));
  const outputs = most(({ valueHeads, valueDim }) => valueHeads * valueDim, heads * headDim);
  const widest = Math.max(perLayerWidth, widestMlp(shape));
  const numbers = (count: number) => upload.buffer(4 * count);
  const drafts = shape.head ?? model.assistant;
  return {
    tokens: numbers(maxTokens),
    positions: numbers(maxTokens),
    ends: numbers(attendsLater(model) ? maxTokens : 0),
    places: numbers(maxTokens),
    decodeRows: numbers(2 * maxTokens),
    prefillRuns: numbers(3 * maxTokens),
    tables: numbers(maxTokens * pages),
    outputs: numbers(maxTokens),
    ropeAngles: numbers(shape.ropes.length * maxTokens * headDim),
    state: numbers(maxTokens * hidden),
    normed: numbers(maxTokens * hidden),
    partOut: numbers(maxTokens * hidden * slotsPerToken(shape)),
    qkv: numbers(maxTokens * most(deltaChannels, qkvWidth)),
    attentionOut: numbers(maxTokens * outputs),
    gateUp: numbers(2 * maxTokens * widest),
    gated: numbers(maxTokens * widest),
    perLayer: numbers(maxTokens * perLayerWidth * shape.layers.length),
    besideOut: numbers(
      shape.layers.some(({ expertsBeside }) => expertsBeside) ? maxTokens * hidden : 0,
    ),
    outputGates: numbers(hasOutputGates(weights) ? maxTokens * outputs : 0),
    stateRuns: numbers(deltas.length > 0 ? 4 * (maxTokens + 1) : 0),
    runOf: numbers(deltas.length > 0 ? maxTokens : 0),
    mixed: numbers(maxTokens * most(deltaChannels)),
    writeFade: numbers(2 * maxTokens * most(({ valueHeads }) => valueHeads)),
    sharedScores: numbers(maxTokens),
    imageTokens: numbers(vision ? maxTokens : 0),
    imageEmbeddings: numbers(vision ? maxTokens * stepLimits(options).imageNumbers : 0),
    before: numbers(drafts ? maxTokens : 0),
    joined: numbers(drafts ? 2 * maxTokens * hidden : 0),
    steppedStates: numbers(drafts ? maxTokens * hidden : 0),
    draftedStates: numbers(drafts ? maxTokens * hidden : 0),
  };
}

/** The buffers of an assistant: the inputs of a step of the large model, and results of its own. */
export function scratchBeside(
  upload: Uploader,
  large: Scratch,
  { shape, maxTokens }: { shape: DecoderShape; maxTokens: number },
): Scratch {
  const { hidden, heads, headDim } = shape;
  const numbers = (perToken: number) => upload.buffer(4 * maxTokens * perToken);
  const widest = widestMlp(shape);
  return {
    ...large,
    state: numbers(hidden),
    normed: numbers(hidden),
    partOut: numbers(hidden),
    qkv: numbers(heads * headDim),
    attentionOut: numbers(heads * headDim),
    gateUp: numbers(2 * widest),
    gated: numbers(widest),
  };
}

/** Whether tokens attend to later ones: those of a text, or those of an image to one another. */
export const attendsLater = ({ shape, vision }: DecoderModel): boolean =>
  shape.attendsBothWays || (vision !== undefined && imagesAreWhole(vision.shape));

/** The largest number of experts that a token uses in one layer. */
export const slotsPerToken = (shape: DecoderShape): number =>
  Math.max(...mlpsOf(shape).map((mlp) => (mlp.kind === 'experts' ? mlp.perToken : 1)));

const widestMlp = (shape: DecoderShape): number =>
  Math.max(
    ...mlpsOf(shape).map((mlp) =>
      mlp.kind === 'experts'
        ? Math.max(mlp.width * mlp.perToken, mlp.shared?.width ?? 0)
        : mlp.width,
    ),
  );

const mlpsOf = (shape: DecoderShape) =>
  layersOf(shape).flatMap(({ mlp, expertsBeside }) => [mlp, expertsBeside ?? mlp]);

/** The layers, and that of the draft head if there is one. */
const layersOf = ({ layers, head }: DecoderShape) => (head ? [...layers, head] : layers);

const hasOutputGates = ({ layers, head }: DecoderWeights): boolean =>
  (head ? [...layers, head.layer] : layers).some(({ outputGate }) => outputGate !== undefined);
