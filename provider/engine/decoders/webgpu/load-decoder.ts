import type { LayerShape } from '../../../models/decoder-shape.ts';
import { ModelError } from '../../../models/model-error.ts';
import { RopeTables } from '../../../models/rope.ts';
import { TensorReader } from '../../../models/tensor-reader.ts';
import { stepLimits } from '../check-step.ts';
import {
  type Decoder,
  type DecoderOptions,
  hasKeys,
  PAGE_TOKENS,
  stateNumbers,
} from '../decoder.ts';
import { DecoderBuild } from './decoder-build.ts';
import type { Gpu } from './device.ts';
import { GpuCache } from './gpu-cache.ts';
import type { WeightRows } from './gpu-weights.ts';
import { scaleState } from './kernels/per-layer.ts';
import { normalise, pick } from './kernels/rows.ts';
import { THREADS } from './kernels/wgsl.ts';
import { addAssistant } from './parts/assistant.ts';
import { addAttention } from './parts/attention.ts';
import { addDelta } from './parts/delta.ts';
import { addDraftHead } from './parts/draft-head.ts';
import { addEmbedding, addEmbeddingForLayers, addPerLayer } from './parts/embeddings.ts';
import { addImages, addImagesAfter } from './parts/images.ts';
import { addMlp } from './parts/mlp.ts';
import { attendsLater, slotsPerToken } from './scratch.ts';
import { WebGpuDecoder } from './webgpu-decoder.ts';

/** Pages are allocated in blocks of this many. */
const BLOCK_PAGES = 16;

export async function loadDecoder(gpu: Gpu, options: DecoderOptions): Promise<Decoder> {
  gpu.device.pushErrorScope('validation');
  gpu.device.pushErrorScope('out-of-memory');
  const loader = new DecoderLoader(gpu, options);
  const built = await loader
    .load()
    .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
  const failure = [await gpu.device.popErrorScope(), await gpu.device.popErrorScope()].find(
    (error) => error !== null,
  );
  if (!(built instanceof Error) && failure === undefined) return built;
  loader.discard();
  throw failure === undefined
    ? built
    : new Error(`the device rejected the model: ${failure.message}`);
}

/** Creates a decoder's buffers and the list of dispatches of a step. */
class DecoderLoader {
  readonly #gpu: Gpu;
  readonly #options: DecoderOptions;
  readonly #reader = new TensorReader();
  readonly #build: DecoderBuild;
  readonly #cache: GpuCache;
  readonly #stateCache: GpuCache;
  /** The keys and values of the draft head; it has no buffers without one. */
  readonly #headCache: GpuCache;

  constructor(gpu: Gpu, options: DecoderOptions) {
    const { layers, head, hidden, headDim, attentionSinks } = options.model.shape;
    if (attendsLater(options.model) && attentionSinks)
      throw new ModelError(
        'unsupported_architecture',
        'the WebGPU kernels have no attention to later tokens for a model with attention sinks',
      );
    if (hidden % 4 !== 0 || headDim % 4 !== 0)
      throw new ModelError(
        'unsupported_architecture',
        'the WebGPU kernels process four numbers at a time, but a size of the model is not a multiple of four',
      );
    this.#gpu = gpu;
    this.#options = options;
    this.#build = DecoderBuild.create(gpu, options, this.#reader);
    this.#cache = new GpuCache(gpu.device, {
      units: options.pages,
      block: BLOCK_PAGES,
      unitBytes: layers.flatMap(pageBytesOf),
    });
    this.#headCache = new GpuCache(gpu.device, {
      units: options.pages,
      block: BLOCK_PAGES,
      unitBytes: head ? pageBytesOf(head) : [],
    });
    this.#stateCache = new GpuCache(gpu.device, {
      units: stepLimits(options).states,
      block: 1,
      unitBytes: layers.flatMap(({ delta }) => (delta ? [4 * stateNumbers(delta)] : [])),
    });
  }

  async load(): Promise<Decoder> {
    await using _ = this.#reader;
    const { model, maxTokens, pages, progressed = () => {} } = this.#options;
    const { shape, weights } = model;
    const { upload, scratch, dispatches } = this.#build;
    const { lmHead, embedding } = await this.#addEmbeddings();
    await this.#addLayers();
    const outputs = await this.#addOutput(lmHead);
    await this.#addDrafts({ lmHead, embedding, ...outputs });
    const { states, imageNumbers } = stepLimits(this.#options);
    return new WebGpuDecoder(this.#gpu.device, {
      programs: dispatches.programs,
      progressed,
      uniform: dispatches.uniform,
      buffers: upload.buffers,
      cache: this.#cache,
      stateCache: this.#stateCache,
      headCache: this.#headCache,
      drafts: weights.head ? 'head' : model.assistant ? 'assistant' : undefined,
      draftSlots: model.assistant?.weights.groups?.chosen ?? slotsPerToken(shape),
      states,
      unitBytes: { page: this.#cache.unitBytes, state: this.#stateCache.unitBytes },
      memoryBytes: upload.bytes,
      ropes: new RopeTables(shape),
      slots: slotsPerToken(shape),
      scratch,
      ...outputs,
      pages,
      maxTokens,
      vocabulary: shape.vocabulary,
      imageNumbers,
      attendsLater: this.#build.attendsLater,
      readsImages: this.#build.readsImages,
    });
  }

  /** Frees the buffers created so far, if loading failed. */
  discard(): void {
    const { upload, dispatches } = this.#build;
    for (const buffer of [...upload.buffers, dispatches.uniform]) buffer.destroy();
    this.#cache.destroy();
    this.#stateCache.destroy();
    this.#headCache.destroy();
  }

  /** Returns the matrix of the embeddings and the one that computes the logits, which often are the same. */
  async #addEmbeddings(): Promise<{ embedding: WeightRows[]; lmHead: WeightRows[] }> {
    const build = this.#build;
    const { shape, weights } = this.#options.model;
    const { hidden, embeddingScale: scale, perLayer } = shape;
    const embedding = await build.upload.matrices([weights.embedding]);
    const lmHead =
      weights.lmHead === weights.embedding
        ? embedding
        : await build.upload.matrices([weights.lmHead]);
    await build.dispatches.chooseMultiplication(lmHead[0] as WeightRows);
    await addEmbedding(build, embedding, { to: build.scratch.state, width: hidden, scale });
    await addImages(build);
    if (weights.perLayer && perLayer)
      await addEmbeddingForLayers(build, weights.perLayer, perLayer);
    return { embedding, lmHead };
  }

  async #addLayers(): Promise<void> {
    const build = this.#build;
    const { shape, weights } = this.#options.model;
    const { state } = build.scratch;
    let stateBuffers = 0;
    for (const [index, layer] of weights.layers.entries()) {
      const layerShape = shape.layers[index] as LayerShape;
      const { delta } = layerShape;
      await build.writeInput(layer.inputNorm);
      if (delta) {
        await addDelta(build, layer, { delta, states: this.#stateCache.buffer(stateBuffers) });
        stateBuffers += 1;
      } else {
        const cached = this.#keysOf(layerShape.keysOf ?? index);
        await addAttention(build, layer, { shape: layerShape, ...cached });
      }
      await addMlp(build, layer, layerShape);
      if (layer.perLayer) await addPerLayer(build, layer.perLayer, index);
      if (layer.scale)
        await build.run(
          scaleState({ hidden: shape.hidden }),
          [state, await build.vector(layer.scale)],
          ({ tokens }) => [Math.ceil(shape.hidden / THREADS), tokens],
        );
      await addImagesAfter(build, index);
    }
  }

  /** The keys and values of a layer that has any. */
  #keysOf(index: number) {
    const first = 2 * this.#options.model.shape.layers.slice(0, index).filter(hasKeys).length;
    return { keys: this.#cache.buffer(first), values: this.#cache.buffer(first + 1) };
  }

  /** Computes logits, and the most likely token of each output. */
  async #addOutput(lmHead: readonly WeightRows[]) {
    const build = this.#build;
    const { shape, weights } = this.#options.model;
    const { hidden, normEps, vocabulary, returnsStates } = shape;
    const outputNumbers = returnsStates ? hidden : vocabulary;
    const { normed, state, outputs } = build.scratch;
    const { maxStorageBufferBindingSize } = this.#gpu.device.limits;
    const rowsThatFit = Math.max(1, Math.floor(maxStorageBufferBindingSize / (4 * outputNumbers)));
    const rowsOfLogits = Math.min(build.maxTokens, rowsThatFit);
    const logits = build.upload.buffer(4 * rowsOfLogits * outputNumbers, GPUBufferUsage.COPY_SRC);
    const best = build.upload.buffer(4 * build.maxTokens, GPUBufferUsage.COPY_SRC);
    const norm = await build.norm(weights.norm, shape.outputScale);
    await build.run(
      normalise({ width: hidden, eps: normEps, picks: true, adds: false }),
      [returnsStates ? logits : normed, state, norm, outputs],
      (counts) => [counts.outputs, 1],
    );
    const made = { logits, best, rowsOfLogits, outputNumbers };
    if (!returnsStates) await this.#addChoice(lmHead, made);
    return made;
  }

  /** Computes logits of the states in `normed`, and the most likely token of each output. */
  async #addChoice(
    lmHead: readonly WeightRows[],
    { logits, best }: { logits: GPUBuffer; best: GPUBuffer },
  ): Promise<void> {
    const build = this.#build;
    const { vocabulary, logitSoftcap: softcap } = build.shape;
    await build.dispatches.multiply(lmHead, {
      from: build.scratch.normed,
      to: logits,
      stride: vocabulary,
      counted: 'outputs',
    });
    await build.run(pick({ vocabulary, softcap }), [logits, best], (counts) => [counts.outputs, 1]);
  }

  /** Keeps the states of each step, and computes drafts from them. */
  async #addDrafts(parts: {
    readonly embedding: readonly WeightRows[];
    readonly lmHead: readonly WeightRows[];
    readonly logits: GPUBuffer;
    readonly best: GPUBuffer;
  }): Promise<void> {
    const build = this.#build;
    const { shape, weights, assistant } = this.#options.model;
    const { hidden: width, embeddingScale: scale, head } = shape;
    const { state, steppedStates } = build.scratch;
    const { head: headWeights } = weights;
    if (headWeights === undefined && assistant === undefined) return;
    await build.writeNormed(steppedStates, state, await build.norm(weights.norm));
    await build.dispatches.addTo('draft', async () => {
      await addEmbedding(build, parts.embedding, { to: state, width, scale });
      if (assistant !== undefined) {
        const keysOf = (index: number) => this.#keysOf(index);
        return addAssistant(build, assistant, { ...parts, keysOf });
      }
      if (head === undefined || headWeights === undefined) return;
      await addDraftHead(build, headWeights, { shape: head, cache: this.#headCache });
      await this.#addChoice(parts.lmHead, parts);
    });
  }
}

/** Sizes in bytes of a page of a layer's keys and of its values. */
function pageBytesOf(layer: LayerShape): number[] {
  const bytes = 4 * PAGE_TOKENS * layer.kvHeads * layer.headDim;
  return hasKeys(layer) ? [bytes, bytes] : [];
}
