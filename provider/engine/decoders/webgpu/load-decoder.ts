import {
  type DecoderShape,
  type DeltaShape,
  deltaChannels,
  type Experts,
  type LayerShape,
  type PerLayerShape,
} from '../../../models/decoder-shape.ts';
import type {
  DeltaWeights,
  ExpertsBeside,
  LayerWeights,
  Matrix,
  Mlp,
  PerLayerEmbedding,
  PerLayerWeights,
  SharedExpert,
} from '../../../models/decoder-weights.ts';
import { ModelError } from '../../../models/model-error.ts';
import { RopeTables } from '../../../models/rope.ts';
import type { Tensor } from '../../../models/safetensors.ts';
import { TensorReader } from '../../../models/tensor-reader.ts';
import { stepLimits } from '../check-step.ts';
import {
  type Decoder,
  type DecoderOptions,
  hasKeys,
  PAGE_TOKENS,
  stateNumbers,
} from '../decoder.ts';
import type { Gpu } from './device.ts';
import { CacheBuffer, GpuCache } from './gpu-cache.ts';
import { Uploader, type WeightRows } from './gpu-weights.ts';
import { attend, attendRun, place, projectedHeads } from './kernels/attention.ts';
import { addShared, convolve, gateOutput, recall, remember } from './kernels/delta.ts';
import { embed } from './kernels/embedding.ts';
import { chooseExperts, combine } from './kernels/experts.ts';
import { type Multiplication, multiply, multiplyGroups } from './kernels/multiply.ts';
import { gatePerLayer, joinPerLayer, scaleState } from './kernels/per-layer.ts';
import { activate, normalise, pick } from './kernels/rows.ts';
import { roundsFor, THREADS } from './kernels/wgsl.ts';
import { type Counts, type Operation, type Scratch, WebGpuDecoder } from './webgpu-decoder.ts';

/** Up to this number of inputs, a thread processes one input; above it, two are faster. */
const FEW = 1;
/** Pages are allocated in blocks of this many. */
const BLOCK_PAGES = 16;

export async function loadDecoder(gpu: Gpu, options: DecoderOptions): Promise<Decoder> {
  gpu.device.pushErrorScope('validation');
  gpu.device.pushErrorScope('out-of-memory');
  const builder = new Builder(gpu, options);
  const built = await builder
    .build()
    .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
  const failure = [await gpu.device.popErrorScope(), await gpu.device.popErrorScope()].find(
    (error) => error !== null,
  );
  if (!(built instanceof Error) && failure === undefined) return built;
  builder.discard();
  throw failure === undefined
    ? built
    : new Error(`the device rejected the model: ${failure.message}`);
}

/** Creates a decoder's buffers and the list of dispatches of a step. */
class Builder {
  readonly #gpu: Gpu;
  readonly #options: DecoderOptions;
  readonly #shape: DecoderShape;
  readonly #reader = new TensorReader();
  readonly #upload: Uploader;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #operations: Operation[] = [];
  readonly #uniform: GPUBuffer;
  #splits = false;
  #cache: GpuCache | undefined;
  #stateCache: GpuCache | undefined;

  constructor(gpu: Gpu, options: DecoderOptions) {
    this.#gpu = gpu;
    this.#options = options;
    this.#shape = options.model.shape;
    if (this.#shape.hidden % 4 !== 0 || this.#shape.headDim % 4 !== 0)
      throw new ModelError(
        'unsupported_architecture',
        'the WebGPU kernels process four numbers at a time, but a size of the model is not a multiple of four',
      );
    this.#upload = new Uploader(gpu.device, this.#reader);
    this.#uniform = gpu.device.createBuffer({
      size: 32,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
  }

  async build(): Promise<Decoder> {
    await using _ = this.#reader;
    const { model, pages, maxTokens } = this.#options;
    const { shape, weights } = model;
    const { hidden, heads, headDim, vocabulary } = shape;
    const mlps = shape.layers.flatMap(({ mlp, expertsBeside }) => [mlp, expertsBeside ?? mlp]);
    const perLayerWidth = shape.perLayer?.width ?? 0;
    const widest = Math.max(
      perLayerWidth,
      ...mlps.map((mlp) =>
        mlp.kind === 'experts'
          ? Math.max(mlp.width * mlp.perToken, mlp.sharedWidth ?? 0)
          : mlp.width,
      ),
    );
    const qkvWidth = Math.max(
      ...shape.layers.map((layer) => (heads + 2 * layer.kvHeads) * layer.headDim),
    );
    const deltas = shape.layers.flatMap(({ delta }) => delta ?? []);
    const most = (sizeOf: (delta: DeltaShape) => number, least = 0) =>
      Math.max(least, ...deltas.map(sizeOf));
    const outputs = most(({ valueHeads, valueDim }) => valueHeads * valueDim, heads * headDim);
    const hasGates = weights.layers.some(({ outputGate }) => outputGate !== undefined);
    const slots = Math.max(...mlps.map((mlp) => (mlp.kind === 'experts' ? mlp.perToken : 1)));
    const numbers = (count: number, usage = 0) => this.#upload.buffer(4 * count, usage);
    const scratch: Scratch = {
      tokens: numbers(maxTokens),
      positions: numbers(maxTokens),
      places: numbers(maxTokens),
      decodeRows: numbers(2 * maxTokens),
      prefillRuns: numbers(3 * maxTokens),
      tables: numbers(maxTokens * pages),
      outputs: numbers(maxTokens),
      ropeAngles: numbers(shape.ropes.length * maxTokens * headDim),
      state: numbers(maxTokens * hidden),
      normed: numbers(maxTokens * hidden),
      partOut: numbers(maxTokens * hidden * slots),
      qkv: numbers(maxTokens * most(deltaChannels, qkvWidth)),
      attentionOut: numbers(maxTokens * outputs),
      gateUp: numbers(2 * maxTokens * widest),
      gated: numbers(maxTokens * widest),
      perLayer: numbers(maxTokens * perLayerWidth * shape.layers.length),
      besideOut: numbers(
        shape.layers.some(({ expertsBeside }) => expertsBeside) ? maxTokens * hidden : 0,
      ),
      outputGates: numbers(hasGates ? maxTokens * outputs : 0),
      stateRuns: numbers(deltas.length > 0 ? 4 * maxTokens : 0),
      runOf: numbers(deltas.length > 0 ? maxTokens : 0),
      mixed: numbers(maxTokens * most(deltaChannels)),
      writeFade: numbers(2 * maxTokens * most(({ valueHeads }) => valueHeads)),
      sharedScores: numbers(maxTokens),
    };
    const rowsOfLogits = Math.min(
      maxTokens,
      Math.max(
        1,
        Math.floor(this.#gpu.device.limits.maxStorageBufferBindingSize / (4 * vocabulary)),
      ),
    );
    const logits = numbers(rowsOfLogits * vocabulary, GPUBufferUsage.COPY_SRC);
    const best = numbers(maxTokens, GPUBufferUsage.COPY_SRC);
    const embedding = await this.#upload.matrices([weights.embedding]);
    const lmHead =
      weights.lmHead === weights.embedding
        ? embedding
        : await this.#upload.matrices([weights.lmHead]);
    this.#splits = await this.#isSplittingFaster(lmHead[0] as WeightRows);
    for (const part of embedding)
      await this.#embed(part, {
        scratch,
        to: scratch.state,
        width: hidden,
        scale: shape.embeddingScale,
      });
    if (weights.perLayer && shape.perLayer)
      await this.#embedForLayers(weights.perLayer, { shape: shape.perLayer, scratch });
    const cache = new GpuCache(this.#gpu.device, {
      units: pages,
      block: BLOCK_PAGES,
      unitBytes: shape.layers.flatMap((layer) => {
        const pageBytes = 4 * PAGE_TOKENS * layer.kvHeads * layer.headDim;
        return hasKeys(layer) ? [pageBytes, pageBytes] : [];
      }),
    });
    this.#cache = cache;
    const { states } = stepLimits(this.#options);
    const stateCache = new GpuCache(this.#gpu.device, {
      units: states,
      block: 1,
      unitBytes: deltas.map((delta) => 4 * stateNumbers(delta)),
    });
    this.#stateCache = stateCache;
    // The number of the buffer with the keys of each layer that has any. Its values are in the next.
    const keyBuffers = new Map<number, number>();
    let stateBuffers = 0;
    for (const [index, layer] of weights.layers.entries()) {
      const layerShape = shape.layers[index] as LayerShape;
      await this.#normalise(scratch, await this.#norm(layer.inputNorm));
      if (layerShape.delta) {
        await this.#delta(layer, {
          delta: layerShape.delta,
          scratch,
          states: stateCache.buffer(stateBuffers),
        });
        stateBuffers += 1;
      } else {
        if (hasKeys(layerShape)) keyBuffers.set(index, 2 * keyBuffers.size);
        const first = keyBuffers.get(layerShape.keysOf ?? index) as number;
        const [keys, values] = [cache.buffer(first), cache.buffer(first + 1)];
        await this.#attention(layer, { shape: layerShape, scratch, keys, values });
      }
      await this.#mlp(layer, { shape: layerShape, scratch });
      if (layer.perLayer) await this.#addPerLayer(layer.perLayer, { index, scratch });
      if (layer.scale)
        await this.#run(
          scaleState({ hidden }),
          [scratch.state, await this.#upload.vector(await this.#reader.numbers(layer.scale))],
          ({ tokens }) => [Math.ceil(hidden / THREADS), tokens],
        );
    }
    const norm = await this.#norm(weights.norm);
    await this.#run(
      normalise({ width: hidden, eps: shape.normEps, picks: true, adds: false }),
      [scratch.normed, scratch.state, norm, scratch.outputs],
      ({ outputs }) => [outputs, 1],
    );
    await this.#multiply(lmHead, {
      from: scratch.normed,
      to: logits,
      stride: vocabulary,
      counted: 'outputs',
    });
    await this.#run(
      pick({ vocabulary, softcap: shape.logitSoftcap }),
      [logits, best],
      ({ outputs }) => [outputs, 1],
    );
    return new WebGpuDecoder(this.#gpu.device, {
      operations: this.#operations,
      progressed: this.#options.progressed ?? (() => {}),
      uniform: this.#uniform,
      buffers: this.#upload.buffers,
      cache,
      stateCache,
      states,
      memoryBytes: this.#upload.bytes,
      ropes: new RopeTables(shape),
      slots,
      scratch,
      logits,
      best,
      rowsOfLogits,
      pages,
      maxTokens,
      vocabulary,
    });
  }

  /** Frees the buffers created so far, if loading failed. */
  discard(): void {
    for (const buffer of [...this.#upload.buffers, this.#uniform]) buffer.destroy();
    this.#cache?.destroy();
    this.#stateCache?.destroy();
  }

  async #embed(
    { format, firstRow, rows, weight, scales, biases }: WeightRows,
    {
      scratch,
      to,
      width,
      scale,
    }: { scratch: Scratch; to: GPUBuffer; width: number; scale: number },
  ): Promise<void> {
    const code = embed({ format, width, firstRow, rows, scale });
    await this.#run(
      code,
      [to, scratch.tokens, weight, ...present(scales, biases)],
      ({ tokens }) => [Math.ceil(width / 4 / THREADS), tokens],
    );
  }

  async #embedForLayers(
    { embedding, projection, norm }: PerLayerEmbedding,
    { shape, scratch }: { shape: PerLayerShape; scratch: Scratch },
  ): Promise<void> {
    const { width, embeddingScale, projectionScale } = shape;
    const layers = this.#shape.layers.length;
    const all = width * layers;
    for (const part of await this.#upload.matrices([embedding]))
      await this.#embed(part, { scratch, to: scratch.perLayer, width: all, scale: embeddingScale });
    const projected = this.#upload.buffer(4 * this.#options.maxTokens * all);
    await this.#multiply(await this.#upload.matrices([projection]), {
      from: scratch.state,
      to: projected,
      stride: all,
      counted: 'tokens',
    });
    const weight = await this.#upload.vector(await this.#reader.numbers(norm));
    await this.#run(
      joinPerLayer({ width, layers, projectionScale, eps: this.#shape.normEps }),
      [scratch.perLayer, projected, weight],
      ({ tokens }) => [Math.ceil((tokens * layers) / THREADS), 1],
    );
  }

  /** Adds to the state what a layer makes of its own embeddings of the tokens. */
  async #addPerLayer(
    { gate, projection, norm }: PerLayerWeights,
    { index, scratch }: { index: number; scratch: Scratch },
  ): Promise<void> {
    const { hidden, normEps: eps, activation, activationLimit, layers } = this.#shape;
    const { width } = this.#shape.perLayer as PerLayerShape;
    await this.#multiply(await this.#upload.matrices([gate]), {
      from: scratch.state,
      to: scratch.gateUp,
      stride: width,
      counted: 'tokens',
    });
    await this.#run(
      gatePerLayer({ width, layers: layers.length, index, activation, activationLimit }),
      [scratch.gated, scratch.gateUp, scratch.perLayer],
      ({ tokens }) => [Math.ceil(width / THREADS), tokens],
    );
    await this.#multiply(await this.#upload.matrices([projection]), {
      from: scratch.gated,
      to: scratch.partOut,
      stride: hidden,
      counted: 'tokens',
    });
    await this.#run(
      normalise({ width: hidden, eps, picks: false, adds: true }),
      [scratch.state, scratch.partOut, await this.#norm(norm)],
      ({ tokens }) => [tokens, 1],
    );
  }

  /** Writes the normalised state of each token to `normed`. */
  async #normalise(scratch: Scratch, norm: GPUBuffer): Promise<void> {
    const { hidden, normEps } = this.#shape;
    await this.#run(
      normalise({ width: hidden, eps: normEps, picks: false, adds: false }),
      [scratch.normed, scratch.state, norm],
      ({ tokens }) => [tokens, 1],
    );
  }

  /**
   * Adds the output of attention or MLP to the state, directly or after its norm if the model has
   * one.
   */
  async #addResult(
    matrix: Matrix,
    { from, norm, scratch }: { from: GPUBuffer; norm: Tensor | undefined; scratch: Scratch },
  ): Promise<void> {
    const { hidden, normEps, outputNorms } = this.#shape;
    await this.#multiply(await this.#upload.matrices([matrix]), {
      from,
      to: outputNorms ? scratch.partOut : scratch.state,
      stride: hidden,
      counted: 'tokens',
      adds: !outputNorms,
    });
    if (norm)
      await this.#run(
        normalise({ width: hidden, eps: normEps, picks: false, adds: true }),
        [scratch.state, scratch.partOut, await this.#norm(norm)],
        ({ tokens }) => [tokens, 1],
      );
  }

  /** Computes Gated DeltaNet for the tokens in `normed`. */
  async #delta(
    layer: LayerWeights,
    { delta, scratch, states }: { delta: DeltaShape; scratch: Scratch; states: CacheBuffer },
  ): Promise<void> {
    const { write, fade, ...of } = layer.delta as DeltaWeights;
    const { valueHeads, valueDim } = delta;
    const channels = deltaChannels(delta);
    const multiplyInput = async (matrices: Matrix[], to: GPUBuffer, stride: number) =>
      this.#multiply(await this.#upload.matrices(matrices), {
        from: scratch.normed,
        to,
        stride,
        counted: 'tokens',
      });
    await multiplyInput([layer.q, layer.k as Matrix, layer.v as Matrix], scratch.qkv, channels);
    await multiplyInput([write, fade], scratch.writeFade, 2 * valueHeads);
    await multiplyInput([layer.outputGate as Matrix], scratch.outputGates, valueHeads * valueDim);
    const read = (tensor: Tensor) => this.#reader.numbers(tensor);
    const { qkv, mixed, stateRuns: runs, runOf, attentionOut, writeFade, outputGates } = scratch;
    const perChannel = Math.ceil(channels / THREADS);
    await this.#run(
      convolve(delta),
      [mixed, qkv, states, runs, runOf, await this.#upload.vector(await read(of.convolution))],
      ({ tokens }) => [perChannel, tokens],
    );
    await this.#run(remember(delta), [states, qkv, runs], ({ stateRuns }) => [
      perChannel,
      stateRuns,
    ]);
    const numbers = [await read(of.fadeBias), await read(of.fadeRate), await read(of.norm)];
    await this.#run(
      recall(delta, this.#shape.normEps),
      [
        attentionOut,
        states,
        mixed,
        writeFade,
        outputGates,
        runs,
        await this.#upload.vector(Float32Array.from(numbers.flatMap((list) => [...list]))),
      ],
      ({ stateRuns }) => [valueHeads, stateRuns],
    );
    await this.#addResult(layer.o, { from: attentionOut, norm: layer.attentionNorm, scratch });
  }

  /** Computes attention for the tokens in `normed`. */
  async #attention(
    layer: LayerWeights,
    { shape, scratch, keys, values }: LayerParts,
  ): Promise<void> {
    const { heads, normEps: eps, attentionScale, qkNorm, valueNorm } = this.#shape;
    const { kvHeads, headDim } = shape;
    const projected = layer.v ? 'keys and values' : layer.k ? 'keys' : 'none';
    const qkvHeads = projectedHeads({ heads, kvHeads, projected });
    await this.#multiply(await this.#upload.matrices(present(layer.q, layer.k, layer.v)), {
      from: scratch.normed,
      to: scratch.qkv,
      stride: qkvHeads * headDim,
      counted: 'tokens',
    });
    const sinks = layer.sinks
      ? [await this.#upload.vector(await this.#reader.numbers(layer.sinks))]
      : [];
    const norms = [];
    for (const norm of present(layer.qNorm, layer.kNorm)) norms.push(await this.#norm(norm));
    const cached = layer.k ? [keys, values, scratch.places] : [];
    await this.#run(
      place({
        ...{ heads, kvHeads, headDim, eps, qkNorm, valueNorm, projected },
        pairs: this.#shape.headDim / 2,
        rope: shape.rope,
      }),
      [scratch.qkv, ...cached, scratch.ropeAngles, ...norms],
      ({ tokens }) => [Math.ceil((tokens * qkvHeads) / THREADS), 1],
    );
    const attention = {
      heads,
      kvHeads,
      headDim,
      stride: qkvHeads * headDim,
      window: shape.window,
      scale: attentionScale,
      pageTokens: PAGE_TOKENS,
      sinks: sinks.length > 0,
    };
    await this.#run(
      attend(attention),
      [
        scratch.attentionOut,
        scratch.qkv,
        keys,
        values,
        scratch.positions,
        scratch.decodeRows,
        scratch.tables,
        ...sinks,
      ],
      ({ decodeRows }) => [heads, decodeRows],
    );
    await this.#run(
      attendRun(attention),
      [
        scratch.attentionOut,
        scratch.qkv,
        keys,
        values,
        scratch.positions,
        scratch.prefillRuns,
        scratch.tables,
        ...sinks,
      ],
      ({ prefillRuns }) => [heads, prefillRuns],
    );
    if (layer.outputGate) {
      const width = heads * headDim;
      await this.#multiply(await this.#upload.matrices([layer.outputGate]), {
        from: scratch.normed,
        to: scratch.outputGates,
        stride: width,
        counted: 'tokens',
      });
      await this.#run(
        gateOutput(width),
        [scratch.attentionOut, scratch.outputGates],
        ({ tokens }) => [Math.ceil(width / THREADS), tokens],
      );
    }
    await this.#addResult(layer.o, {
      from: scratch.attentionOut,
      norm: layer.attentionNorm,
      scratch,
    });
  }

  async #mlp(
    layer: LayerWeights,
    { shape, scratch }: Pick<LayerParts, 'shape' | 'scratch'>,
  ): Promise<void> {
    await this.#normalise(scratch, await this.#norm(layer.mlpNorm));
    const { mlp } = shape;
    const { width } = mlp;
    if (mlp.kind === 'experts') {
      await this.#experts(layer.mlp, {
        experts: mlp,
        scratch,
        routed: scratch.normed,
        to: scratch.state,
        adds: true,
      });
      if (layer.mlp.shared) await this.#sharedExpert(layer.mlp.shared, scratch);
      return;
    }
    await this.#gated(layer.mlp, width, scratch);
    if (layer.expertsBeside && shape.expertsBeside) {
      const { hidden, normEps: eps } = this.#shape;
      await this.#multiply(await this.#upload.matrices([layer.mlp.down]), {
        from: scratch.gated,
        to: scratch.partOut,
        stride: hidden,
        counted: 'tokens',
      });
      const experts = shape.expertsBeside;
      await this.#addExpertsBeside(layer.expertsBeside, { experts, scratch });
      await this.#run(
        normalise({ width: hidden, eps, picks: false, adds: true }),
        [scratch.state, scratch.besideOut, await this.#norm(layer.mlpOutputNorm as Tensor)],
        ({ tokens }) => [tokens, 1],
      );
      return;
    }
    await this.#addResult(layer.mlp.down, {
      from: scratch.gated,
      norm: layer.mlpOutputNorm,
      scratch,
    });
  }

  /** Computes experts, and adds their output to that of the dense MLP in `partOut`. */
  async #addExpertsBeside(
    { mlp, inputNorm, outputNorm, denseOutputNorm, routerNorm, shareScales }: ExpertsBeside,
    { experts, scratch }: { experts: Experts; scratch: Scratch },
  ): Promise<void> {
    const { hidden, normEps: eps } = this.#shape;
    const perToken = ({ tokens }: Counts): [number, number] => [tokens, 1];
    const write = normalise({ width: hidden, eps, picks: false, adds: false });
    const add = normalise({ width: hidden, eps, picks: false, adds: true });
    const routed = this.#upload.buffer(4 * this.#options.maxTokens * hidden);
    const made = this.#upload.buffer(4 * this.#options.maxTokens * hidden);
    const ofRouter = (await this.#reader.numbers(routerNorm)).map((x) => x / Math.sqrt(hidden));
    const norm = await this.#upload.vector(ofRouter);
    await this.#run(
      write,
      [scratch.besideOut, scratch.partOut, await this.#norm(denseOutputNorm)],
      perToken,
    );
    await this.#run(write, [routed, scratch.state, norm], perToken);
    await this.#run(write, [scratch.normed, scratch.state, await this.#norm(inputNorm)], perToken);
    const scales = await this.#upload.vector(await this.#reader.numbers(shareScales));
    await this.#experts(mlp, { experts, scratch, routed, scales, to: made, adds: false });
    await this.#run(add, [scratch.besideOut, made, await this.#norm(outputNorm)], perToken);
  }

  /** Computes the product of a gate and its input for the tokens in `normed`. */
  async #gated(
    { gate, up }: Pick<Mlp, 'gate' | 'up'>,
    width: number,
    scratch: Scratch,
  ): Promise<void> {
    const { activation, activationLimit } = this.#shape;
    await this.#multiply(await this.#upload.matrices([gate, up]), {
      from: scratch.normed,
      to: scratch.gateUp,
      stride: 2 * width,
      counted: 'tokens',
    });
    await this.#run(
      activate({ width, activation, activationLimit, counted: 'tokens' }),
      [scratch.gated, scratch.gateUp],
      ({ tokens }) => [Math.ceil(width / THREADS), tokens],
    );
  }

  async #sharedExpert(shared: SharedExpert, scratch: Scratch): Promise<void> {
    const { hidden } = this.#shape;
    const multiplyTokens = async (matrix: Matrix, from: GPUBuffer, to: GPUBuffer) =>
      this.#multiply(await this.#upload.matrices([matrix]), {
        from,
        to,
        stride: matrix.out,
        counted: 'tokens',
      });
    await this.#gated(shared, shared.gate.out, scratch);
    await multiplyTokens(shared.down, scratch.gated, scratch.partOut);
    await multiplyTokens(shared.share, scratch.normed, scratch.sharedScores);
    await this.#run(
      addShared(hidden),
      [scratch.state, scratch.partOut, scratch.sharedScores],
      ({ tokens }) => [Math.ceil(hidden / THREADS), tokens],
    );
  }

  async #experts(
    { gate, up, down, router }: Mlp,
    { experts: shape, scratch, routed, scales, to, adds }: Routing,
  ): Promise<void> {
    const { hidden, activation, activationLimit } = this.#shape;
    const { experts, perToken, normalised, width } = shape;
    const most = this.#options.maxTokens * perToken;
    const [scores, chosen, shares] = [
      this.#upload.buffer(4 * this.#options.maxTokens * experts),
      this.#upload.buffer(4 * most),
      this.#upload.buffer(4 * most),
    ];
    await this.#multiply(await this.#upload.matrices([router as Matrix]), {
      from: routed,
      to: scores,
      stride: experts,
      counted: 'tokens',
    });
    await this.#run(
      chooseExperts({ experts, perToken, normalised, isScaled: scales !== undefined }),
      [scores, chosen, shares, ...present(scales)],
      ({ tokens }) => [Math.ceil(tokens / THREADS), 1],
    );
    const stacked = async (
      matrix: Matrix,
      parts: { from: GPUBuffer; to: GPUBuffer; stride: number; firstRow: number; shared: number },
    ) => {
      const [part, more] = await this.#upload.matrices([matrix]);
      if (part === undefined || more !== undefined)
        throw new ModelError(
          'unsupported_architecture',
          `the experts of a layer do not fit into one buffer of this device`,
        );
      const { shared, ...rest } = parts;
      await this.#multiply([part], {
        ...rest,
        counted: 'slots',
        experts: { rows: matrix.out, shared },
        chosen,
      });
    };
    await stacked(gate, {
      from: scratch.normed,
      to: scratch.gateUp,
      stride: 2 * width,
      firstRow: 0,
      shared: perToken,
    });
    await stacked(up, {
      from: scratch.normed,
      to: scratch.gateUp,
      stride: 2 * width,
      firstRow: width,
      shared: perToken,
    });
    await this.#run(
      activate({ width, activation, activationLimit, counted: 'slots' }),
      [scratch.gated, scratch.gateUp],
      ({ tokens }) => [Math.ceil(width / THREADS), tokens * perToken],
    );
    await stacked(down, {
      from: scratch.gated,
      to: scratch.partOut,
      stride: hidden,
      firstRow: 0,
      shared: 1,
    });
    await this.#run(
      combine({ hidden, perToken, adds }),
      [to, scratch.partOut, shares],
      ({ tokens }) => [Math.ceil(hidden / THREADS), tokens],
    );
  }

  async #multiply(
    parts: readonly WeightRows[],
    { from, to, stride, counted, adds = false, firstRow = 0, experts, chosen }: Product,
  ): Promise<void> {
    for (const part of parts) {
      const { format, rows, bias, weight, scales, biases } = part;
      const common = {
        format,
        in: part.in,
        rows,
        firstRow: firstRow + part.firstRow,
        stride,
        hasBias: bias !== undefined,
        adds,
        counted,
        split: this.#splits,
      };
      const kernelOf = async (m: Multiplication) => {
        const pipeline = await this.#pipeline(multiply(m));
        return {
          m: { ...m, rows: experts?.rows ?? rows },
          pipeline,
          bindings: this.#bind(pipeline, [
            to,
            from,
            weight,
            ...present(scales, biases, bias, chosen),
          ]),
        };
      };
      const few = await kernelOf({ ...common, tile: 1, ...(experts && { experts }) });
      const many = experts ? few : await kernelOf({ ...common, tile: 2, split: false });
      this.#operations.push((counts) => {
        const { m, ...kernel } = counts[counted] <= FEW ? few : many;
        return { ...kernel, groups: multiplyGroups(m, counts[counted]) };
      });
    }
  }

  async #run(
    code: string,
    buffers: readonly (GPUBuffer | CacheBuffer)[],
    groups: (counts: Counts) => [number, number],
  ): Promise<void> {
    const pipeline = await this.#pipeline(code);
    const bind = () =>
      this.#bind(
        pipeline,
        buffers.map((buffer) => (buffer instanceof CacheBuffer ? buffer.buffer : buffer)),
      );
    const cache = buffers.find((buffer) => buffer instanceof CacheBuffer)?.cache;
    let bindings = bind();
    let version = cache?.version;
    this.#operations.push((counts) => {
      if (version !== cache?.version) {
        bindings = bind();
        version = cache?.version;
      }
      return { pipeline, bindings, groups: groups(counts) };
    });
  }

  /** Binds the step's uniform at 0, and the buffers in their order from 1 on. */
  #bind(pipeline: GPUComputePipeline, buffers: readonly GPUBuffer[]): GPUBindGroup {
    const entries = [this.#uniform, ...buffers].map((buffer, binding) => ({
      binding,
      resource: { buffer },
    }));
    return this.#gpu.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  }

  #pipeline(code: string): Promise<GPUComputePipeline> {
    const known = this.#pipelines.get(code);
    if (known) return known;
    const module = this.#gpu.device.createShaderModule({ code: code + roundsFor(this.#gpu) });
    const made = this.#gpu.device
      .createComputePipelineAsync({ layout: 'auto', compute: { module } })
      .catch(async (cause: unknown) => {
        const { messages } = await module.getCompilationInfo();
        throw new Error(
          `a kernel does not compile: ${messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`).join('; ')}`,
          { cause },
        );
      });
    this.#pipelines.set(code, made);
    void made.then(this.#options.progressed, () => {});
    return made;
  }

  async #norm(tensor: Tensor): Promise<GPUBuffer> {
    const values = await this.#reader.numbers(tensor);
    return this.#upload.vector(this.#shape.normPlusOne ? values.map((value) => value + 1) : values);
  }

  /**
   * Drivers that compute in software are faster if each thread has rows of its own, and compile the
   * other kernel for ten seconds. Most real GPUs are faster if the threads of a workgroup share
   * rows, so both are measured there with one multiplication.
   */
  async #isSplittingFaster(part: WeightRows): Promise<boolean> {
    const { device, isSoftware } = this.#gpu;
    if (isSoftware) return false;
    const rows = Math.min(part.rows, 1024);
    const [from, to] = [
      device.createBuffer({ size: 4 * part.in, usage: GPUBufferUsage.STORAGE }),
      device.createBuffer({ size: 4 * rows, usage: GPUBufferUsage.STORAGE }),
    ];
    device.queue.writeBuffer(this.#uniform, 0, Uint32Array.of(1, 1, 1, 1, 1, 1));
    const time = async (split: boolean): Promise<number> => {
      const m: Multiplication = {
        format: part.format,
        in: part.in,
        rows,
        firstRow: 0,
        stride: rows,
        hasBias: false,
        adds: false,
        tile: 1,
        split,
        counted: 'tokens',
      };
      const pipeline = await this.#pipeline(multiply(m));
      const bindings = this.#bind(pipeline, [
        to,
        from,
        part.weight,
        ...present(part.scales, part.biases),
      ]);
      const times: number[] = [];
      for (let i = 0; i < 4; i += 1) {
        const began = performance.now();
        const encoder = device.createCommandEncoder();
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindings);
        for (let n = 0; n < 20; n += 1) pass.dispatchWorkgroups(...multiplyGroups(m, 1));
        pass.end();
        device.queue.submit([encoder.finish()]);
        await device.queue.onSubmittedWorkDone();
        times.push(performance.now() - began);
        this.#options.progressed?.();
      }
      return Math.min(...times);
    };
    const [alone, together] = [await time(false), await time(true)];
    for (const buffer of [from, to]) buffer.destroy();
    return together < alone;
  }
}

interface LayerParts {
  readonly shape: LayerShape;
  readonly scratch: Scratch;
  readonly keys: CacheBuffer;
  readonly values: CacheBuffer;
}

interface Routing {
  readonly experts: Experts;
  readonly scratch: Scratch;
  /** The input of the router. That of the experts is `normed`. */
  readonly routed: GPUBuffer;
  /** A factor for the share of each expert. */
  readonly scales?: GPUBuffer;
  readonly to: GPUBuffer;
  /** True if the output is added to the numbers in `to`. */
  readonly adds: boolean;
}

interface Product {
  readonly from: GPUBuffer;
  readonly to: GPUBuffer;
  readonly stride: number;
  readonly counted: Multiplication['counted'];
  readonly adds?: boolean;
  readonly firstRow?: number;
  readonly experts?: NonNullable<Multiplication['experts']>;
  readonly chosen?: GPUBuffer;
}

const present = <Item>(...items: (Item | undefined)[]): Item[] =>
  items.filter((item) => item !== undefined);
