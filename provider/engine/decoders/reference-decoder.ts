import type { DeltaShape, LayerShape } from '../../models/decoder-shape.ts';
import { RopeTables } from '../../models/rope.ts';
import { TensorReader } from '../../models/tensor-reader.ts';
import {
  checkAdvance,
  checkDraft,
  checkStep,
  checkUnits,
  InvalidStep,
  keptTokens,
  type StepLimits,
  stepLimits,
} from './check-step.ts';
import {
  type Advance,
  type Backend,
  type Decoder,
  type DecoderOptions,
  type DraftStep,
  hasKeys,
  NO_STATE,
  PAGE_TOKENS,
  type Step,
  type StepResult,
  type UnitBytes,
  type Units,
  unitBytesOf,
  wholeNumbers,
} from './decoder.ts';
import { readAssistant, runAssistant } from './reference-assistant.ts';
import { attendCached, type LayerCache } from './reference-attention.ts';
import { type DeltaInput, type DeltaState, deltaState, deltaStep } from './reference-delta.ts';
import { addLayer } from './reference-layer.ts';
import {
  add,
  fromPerLayer,
  indexOfLargest,
  multiplyBy,
  multiplyMatrix,
  normaliseVector,
  silu,
} from './reference-parts.ts';
import {
  countWeights,
  type Dense,
  type Layer,
  normOf,
  type Parts,
  type ReadDelta,
  readDense,
  readDraftHead,
  readLayer,
} from './reference-weights.ts';
import { pagesOf } from './step.ts';

/**
 * The decoder in plain TypeScript, written for readability in the order of the published formulas.
 * It is slow, runs on any machine, and the tests compare the faster decoders with it.
 */
export function createReferenceBackend(): Backend {
  return {
    name: 'reference',
    device: 'plain TypeScript',
    isSoftware: false,
    maxBufferBytes: Number.POSITIVE_INFINITY,
    cacheNumberBytes: wholeNumbers,
    load: ReferenceDecoder.load,
    [Symbol.asyncDispose]: async () => {},
  };
}

class ReferenceDecoder implements Decoder {
  readonly memoryBytes: number;
  readonly #parts: Parts;
  readonly #limits: StepLimits & { readonly unitBytes: UnitBytes };
  /** The layers, and that of the draft head if there is one. */
  readonly #cached: readonly LayerShape[];
  /** The pages of each of them, from the first to the highest one used so far. */
  readonly #cache: readonly LayerCache[];

  /** The states of each layer with Gated DeltaNet, from the first slot to the highest one used so far. */
  readonly #states: readonly DeltaState[][];
  /** What each of these layers projected from the first tokens of the last step. */
  readonly #kept: DeltaInput[][];
  /** Number of tokens of the last step. */
  #tokens = 0;
  /** The normalised states of the last step, if there is a draft head or an assistant, and of the last draft. */
  #stepped: readonly Float32Array[] = [];
  #drafted: readonly Float32Array[] = [];

  private constructor(parts: Parts, options: DecoderOptions) {
    this.#parts = parts;
    this.#limits = {
      ...stepLimits(options),
      unitBytes: unitBytesOf(options.model, { cacheNumberBytes: wholeNumbers }),
    };
    const { shape } = parts;
    this.#cached = shape.head ? [...shape.layers, shape.head] : shape.layers;
    this.#cache = this.#cached.map(() => ({ keys: [], values: [] }));
    this.#states = shape.layers.map(() => []);
    this.#kept = shape.layers.map(() => []);
    this.memoryBytes = 4 * countWeights(options.model);
  }

  get cacheBytes(): number {
    const bytesOf = (lists: readonly Float32Array[]) =>
      lists.reduce((bytes, { byteLength }) => bytes + byteLength, 0);
    return (
      this.#cache.reduce((sum, { keys, values }) => sum + bytesOf(keys) + bytesOf(values), 0) +
      this.#states.reduce((sum, states) => sum + bytesOf(states.flatMap(Object.values)), 0)
    );
  }

  async keep(pages: number, states: number): Promise<void> {
    for (const { keys, values } of this.#cache)
      for (const list of [keys, values]) list.length = Math.min(list.length, pages);
    for (const list of this.#states) list.length = Math.min(list.length, states);
  }

  async save(units: Units): Promise<Uint8Array<ArrayBuffer>> {
    checkUnits(units, this.#limits);
    this.#growFor(units);
    return new Uint8Array(await new Blob(this.#partsOf(units)).arrayBuffer());
  }

  async restore(units: Units, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    checkUnits(units, this.#limits, bytes);
    this.#growFor(units);
    let at = 0;
    for (const part of this.#partsOf(units)) {
      new Uint8Array(part.buffer).set(bytes.subarray(at, at + part.byteLength));
      at += part.byteLength;
    }
  }

  /** The numbers of units, layer by layer. */
  #partsOf({ pages, states }: Units): Float32Array<ArrayBuffer>[] {
    const ofLayers = this.#cache.slice(0, this.#parts.shape.layers.length);
    const ofPages = [...pages].flatMap((page) =>
      ofLayers.flatMap(({ keys, values }) => [keys[page], values[page]]),
    );
    const ofStates = [...states].flatMap((slot) =>
      this.#states.flatMap((list) => [list[slot]?.memory, list[slot]?.inputs]),
    );
    return [...ofPages, ...ofStates].filter((part) => part !== undefined);
  }

  #growFor({ pages, states }: Units): void {
    this.#growCache(Math.max(0, ...pages.map((page) => page + 1)));
    const slots = Math.max(0, ...states.map((slot) => slot + 1));
    for (const [index, { delta }] of this.#parts.shape.layers.entries()) {
      const list = this.#states[index] as DeltaState[];
      while (delta && list.length < slots) list.push(deltaState(delta));
    }
  }

  #growCache(pages: number): void {
    for (const [index, layer] of this.#cached.entries()) {
      const { keys, values } = this.#cache[index] as LayerCache;
      for (const list of hasKeys(layer) ? [keys, values] : [])
        while (list.length < pages)
          list.push(new Float32Array(PAGE_TOKENS * layer.kvHeads * layer.headDim));
    }
  }

  static async load(options: DecoderOptions): Promise<ReferenceDecoder> {
    const { shape, weights, assistant } = options.model;
    await using reader = new TensorReader();
    const layers: Layer[] = [];
    for (const [index, layer] of weights.layers.entries())
      layers.push(
        await readLayer(reader, { shape, layer, layerShape: shape.layers[index] as LayerShape }),
      );
    const embedding = await readDense(reader, weights.embedding);
    const parts = {
      shape,
      embedding,
      lmHead:
        weights.lmHead === weights.embedding ? embedding : await readDense(reader, weights.lmHead),
      norm: normOf(await reader.numbers(weights.norm), shape),
      perLayer: weights.perLayer && {
        embedding: await readDense(reader, weights.perLayer.embedding),
        projection: await readDense(reader, weights.perLayer.projection),
        norm: await reader.numbers(weights.perLayer.norm),
      },
      layers,
      head: weights.head && (await readDraftHead(reader, shape, weights.head)),
      assistant: assistant && (await readAssistant(reader, assistant)),
      ropes: new RopeTables(shape),
    };
    return new ReferenceDecoder(parts, options);
  }

  async step(step: Step): Promise<StepResult> {
    const { shape, lmHead, norm, layers, head, assistant, ropes } = this.#parts;
    const { hidden, normEps, vocabulary } = shape;
    checkStep(step, this.#limits);
    this.#growCache(pagesOf(step));
    this.#tokens = step.tokens.length;
    const states = this.#embeddings(step);
    /** What an image's token gets first, or after one of the layers. */
    const ofImage = (index: number, part: number) => {
      const from = (index * (1 + shape.imageLayers) + part) * hidden;
      return step.imageEmbeddings.slice(from, from + hidden);
    };
    for (const [index, token] of step.imageTokens.entries()) states[token] = ofImage(index, 0);
    const ropeAngles = ropes.angles(step.coordinates);
    const perLayer = this.#perLayerEmbeddings(step, states);
    for (const [index, layer] of layers.entries()) {
      this.#runLayer(index, { layer, step, states, ropeAngles });
      for (const [token, state] of states.entries()) {
        const own = perLayer?.[token];
        if (layer.perLayer && own)
          add(state, fromPerLayer(layer.perLayer, { state, own: own(index), shape }));
        if (layer.scale) multiplyBy(state, layer.scale[0] as number);
      }
      if (index < shape.imageLayers)
        for (const [image, token] of step.imageTokens.entries())
          add(states[token] as Float32Array, ofImage(image, 1 + index));
    }
    const normalised = (state: Float32Array) =>
      normaliseVector(state, { weight: norm, eps: normEps });
    if (head ?? assistant) this.#stepped = states.map(normalised);
    const width = shape.returnsStates ? hidden : vocabulary;
    const logits = new Float32Array(step.outputs.length * width);
    const best = new Int32Array(step.outputs.length);
    for (const [index, token] of step.outputs.entries()) {
      const state = normalised(states[token] as Float32Array);
      if (shape.returnsStates) {
        logits.set(state, index * width);
        continue;
      }
      const row = multiplyMatrix(lmHead, state).map((logit) => logit * shape.outputScale);
      if (shape.logitSoftcap > 0)
        for (let i = 0; i < row.length; i += 1)
          row[i] = Math.tanh((row[i] as number) / shape.logitSoftcap) * shape.logitSoftcap;
      logits.set(row, index * width);
      best[index] = indexOfLargest(row);
    }
    return { best, logits };
  }

  async advance(advance: Advance): Promise<void> {
    checkAdvance(advance, this.#limits, this.#tokens);
    this.#growFor({ pages: new Int32Array(), states: advance.slots });
    for (const [index, { shape, delta }] of this.#parts.layers.entries()) {
      if (shape.delta === undefined) continue;
      for (const [i, slot] of advance.slots.entries()) {
        const first = advance.firsts[i] as number;
        const kept = this.#kept[index]?.slice(first, first + (advance.counts[i] as number)) ?? [];
        const state = this.#states[index]?.[slot] as DeltaState;
        for (const input of kept)
          deltaStep(state, { shape: shape.delta, weights: delta as ReadDelta, input });
      }
    }
  }

  async draft(step: DraftStep): Promise<Int32Array> {
    const { shape, lmHead, head, assistant, ropes } = this.#parts;
    const kept = step.isChained ? this.#drafted : this.#stepped;
    checkDraft(step, this.#limits, kept.length);
    this.#growCache(pagesOf(step));
    if (assistant !== undefined) {
      const { best, states } = runAssistant(assistant, {
        step,
        embeddings: this.#embeddings(step),
        before: Array.from(step.before, (index) => kept[index] as Float32Array),
        caches: this.#cache,
        ropeAngles: ropes.angles(step.coordinates),
      });
      this.#drafted = states;
      return Int32Array.from(best);
    }
    if (head === undefined) throw new InvalidStep('the model has no draft head');
    const norm = (state: Float32Array, weight: Float32Array) =>
      normaliseVector(state, { weight, eps: shape.normEps });
    const states = this.#embeddings(step).map((embedding, token) => {
      const before = kept[step.before[token] as number] as Float32Array;
      const both = [norm(embedding, head.embeddingNorm), norm(before, head.hiddenNorm)];
      return multiplyMatrix(head.join, Float32Array.from(both.flatMap((part) => [...part])));
    });
    const ropeAngles = ropes.angles(step.coordinates);
    this.#runLayer(shape.layers.length, { layer: head.layer, step, states, ropeAngles });
    this.#drafted = states.map((state) => norm(state, head.norm));
    return step.outputs.map((token) =>
      indexOfLargest(multiplyMatrix(lmHead, this.#drafted[token] as Float32Array)),
    );
  }

  #embeddings({ tokens }: Step): Float32Array[] {
    const { embedding, shape } = this.#parts;
    const { hidden, embeddingScale } = shape;
    return Array.from(tokens, (token) =>
      embedding.values
        .slice(token * hidden, (token + 1) * hidden)
        .map((value) => value * embeddingScale),
    );
  }

  /** Runs a layer of the model, or that of its draft head. */
  #runLayer(
    index: number,
    {
      layer,
      step,
      states,
      ropeAngles,
    }: {
      layer: Layer;
      step: Step;
      states: readonly Float32Array[];
      ropeAngles: Float32Array;
    },
  ): void {
    const { shape } = this.#parts;
    const mix = (inputs: readonly Float32Array[]) =>
      layer.shape.delta
        ? this.#delta(index, { layer, step, inputs })
        : attendCached({
            shape,
            layer,
            step,
            inputs,
            own: this.#cache[index] as LayerCache,
            read: this.#cache[layer.shape.keysOf ?? index] as LayerCache,
            angles: ropeAngles.subarray(layer.shape.rope * step.tokens.length * shape.headDim),
          });
    addLayer({ shape, layer, states, mix });
  }

  /** Returns for each token a function from the index of a layer to the embedding for it. */
  #perLayerEmbeddings(
    { tokens }: Step,
    states: readonly Float32Array[],
  ): ((layer: number) => Float32Array)[] | undefined {
    const { shape, perLayer } = this.#parts;
    if (!perLayer || !shape.perLayer) return undefined;
    const { width, embeddingScale, projectionScale } = shape.perLayer;
    const all = perLayer.embedding.in;
    return states.map((state, i) => {
      const token = tokens[i] as number;
      const found = perLayer.embedding.values.subarray(token * all, (token + 1) * all);
      const projected = multiplyMatrix(perLayer.projection, state).map((x) => x * projectionScale);
      return (layer) => {
        const part = (list: Float32Array) => list.subarray(layer * width, (layer + 1) * width);
        const normed = normaliseVector(part(projected), {
          weight: perLayer.norm,
          eps: shape.normEps,
        });
        const own = part(found);
        return normed.map((x, n) => (x + (own[n] as number) * embeddingScale) * Math.SQRT1_2);
      };
    });
  }

  /** Returns for each token what it reads from its sequence's state, before the output projection. */
  #delta(
    index: number,
    { layer, step, inputs }: { layer: Layer; step: Step; inputs: readonly Float32Array[] },
  ): Float32Array[] {
    const { normEps } = this.#parts.shape;
    const shape = layer.shape.delta as DeltaShape;
    const { norm, ...weights } = layer.delta as ReadDelta;
    const states = this.#states[index] as DeltaState[];
    const kept: DeltaInput[] = [];
    this.#kept[index] = kept;
    return inputs.map((input, token) => {
      const row = step.rows[token] as number;
      const [read, write] = step.states.subarray(2 * row, 2 * row + 2) as unknown as [
        number,
        number,
      ];
      if (row !== step.rows[token - 1]) {
        while (states.length <= write) states.push(deltaState(shape));
        if (read !== write)
          states[write] = deltaState(shape, read === NO_STATE ? undefined : states[read]);
      }
      const channels = [layer.q, layer.k, layer.v].flatMap((w) => [
        ...multiplyMatrix(w as Dense, input),
      ]);
      const made = {
        channels: Float32Array.from(channels),
        write: multiplyMatrix(weights.write, input),
        fade: multiplyMatrix(weights.fade, input),
      };
      if (token < keptTokens(this.#limits.maxTokens)) kept.push(made);
      const out = deltaStep(states[write] as DeltaState, { shape, weights, input: made });
      const gate = multiplyMatrix(layer.outputGate as Dense, input);
      for (let from = 0; from < out.length; from += shape.valueDim) {
        const head = out.subarray(from, from + shape.valueDim);
        head.set(normaliseVector(head, { weight: norm, eps: normEps }));
      }
      return out.map((value, i) => value * silu(gate[i] as number));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
