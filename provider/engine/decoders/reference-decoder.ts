import type { DeltaShape } from '../../models/decoder-shape.ts';
import { RopeTables } from '../../models/rope.ts';
import { TensorReader } from '../../models/tensor-reader.ts';
import { checkStep, checkUnits, type StepLimits, stepLimits } from './check-step.ts';
import {
  type Backend,
  type Decoder,
  type DecoderOptions,
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
import { type DeltaState, deltaState, deltaStep, sigmoid } from './reference-delta.ts';
import {
  add,
  eachHead,
  fromPerLayer,
  mlp,
  mlpAndExperts,
  multiplyBy,
  multiplyMatrix,
  normalisedIf,
  normaliseVector,
  rotate,
  silu,
  softmax,
} from './reference-parts.ts';
import {
  countWeights,
  type Dense,
  type Layer,
  normOf,
  type Parts,
  type ReadDelta,
  readDense,
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

interface LayerCache {
  readonly keys: Float32Array<ArrayBuffer>[];
  readonly values: Float32Array<ArrayBuffer>[];
}

class ReferenceDecoder implements Decoder {
  readonly memoryBytes: number;
  readonly #parts: Parts;
  readonly #limits: StepLimits & { readonly unitBytes: UnitBytes };
  /** The pages of each layer, from the first to the highest one used so far. */
  readonly #cache: readonly LayerCache[];

  /** The states of each layer with Gated DeltaNet, from the first slot to the highest one used so far. */
  readonly #states: readonly DeltaState[][];

  private constructor(parts: Parts, options: DecoderOptions) {
    this.#parts = parts;
    this.#limits = {
      ...stepLimits(options),
      unitBytes: unitBytesOf(options.model, { cacheNumberBytes: wholeNumbers }),
    };
    const { shape } = parts;
    this.#cache = shape.layers.map(() => ({ keys: [], values: [] }));
    this.#states = shape.layers.map(() => []);
    this.memoryBytes = 4 * countWeights(options.model.weights);
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
    const ofPages = [...pages].flatMap((page) =>
      this.#cache.flatMap(({ keys, values }) => [keys[page], values[page]]),
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
    for (const [index, layer] of this.#parts.shape.layers.entries()) {
      const { keys, values } = this.#cache[index] as LayerCache;
      for (const list of hasKeys(layer) ? [keys, values] : [])
        while (list.length < pages)
          list.push(new Float32Array(PAGE_TOKENS * layer.kvHeads * layer.headDim));
    }
  }

  static async load(options: DecoderOptions): Promise<ReferenceDecoder> {
    const { shape, weights } = options.model;
    await using reader = new TensorReader();
    const layers: Layer[] = [];
    for (const [index, layer] of weights.layers.entries())
      layers.push(await readLayer(reader, { shape, layer, index }));
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
      ropes: new RopeTables(shape),
    };
    return new ReferenceDecoder(parts, options);
  }

  async step(step: Step): Promise<StepResult> {
    const { shape, embedding, lmHead, norm, layers, ropes } = this.#parts;
    const { hidden, normEps, embeddingScale, vocabulary } = shape;
    checkStep(step, this.#limits);
    this.#growCache(pagesOf(step));
    const states = Array.from(step.tokens, (token) =>
      embedding.values
        .slice(token * hidden, (token + 1) * hidden)
        .map((value) => value * embeddingScale),
    );
    /** What an image's token gets first, or after one of the layers. */
    const ofImage = (index: number, part: number) => {
      const from = (index * (1 + shape.imageLayers) + part) * hidden;
      return step.imageEmbeddings.slice(from, from + hidden);
    };
    for (const [index, token] of step.imageTokens.entries()) states[token] = ofImage(index, 0);
    const ropeAngles = ropes.angles(step.coordinates);
    const anglesPerRope = step.tokens.length * shape.headDim;
    const perLayer = this.#perLayerEmbeddings(step, states);
    for (const [index, layer] of layers.entries()) {
      const inputs = states.map((state) =>
        normalisedIf(state, { weight: layer.inputNorm, eps: normEps }),
      );
      const angles = ropeAngles.subarray(layer.shape.rope * anglesPerRope);
      const mixed = layer.shape.delta
        ? this.#delta(index, { layer, step, inputs })
        : this.#attention(index, { layer, step, inputs, angles });
      for (const [token, state] of states.entries()) {
        const attentionOut = multiplyMatrix(layer.o, mixed[token] as Float32Array);
        add(state, normalisedIf(attentionOut, { weight: layer.attentionNorm, eps: normEps }));
        const mlpOut = layer.expertsBeside
          ? mlpAndExperts(layer, state, shape)
          : mlp(layer, normalisedIf(state, { weight: layer.mlpNorm, eps: normEps }), shape);
        add(state, normalisedIf(mlpOut, { weight: layer.mlpOutputNorm, eps: normEps }));
        const own = perLayer?.[token];
        if (layer.perLayer && own)
          add(state, fromPerLayer(layer.perLayer, { state, own: own(index), shape }));
        if (layer.scale) multiplyBy(state, layer.scale[0] as number);
      }
      if (index < shape.imageLayers)
        for (const [image, token] of step.imageTokens.entries())
          add(states[token] as Float32Array, ofImage(image, 1 + index));
    }
    const width = shape.returnsStates ? hidden : vocabulary;
    const logits = new Float32Array(step.outputs.length * width);
    const best = new Int32Array(step.outputs.length);
    for (const [index, token] of step.outputs.entries()) {
      const state = normaliseVector(states[token] as Float32Array, { weight: norm, eps: normEps });
      if (shape.returnsStates) {
        logits.set(state, index * width);
        continue;
      }
      const row = multiplyMatrix(lmHead, state).map((logit) => logit * shape.outputScale);
      if (shape.logitSoftcap > 0)
        for (let i = 0; i < row.length; i += 1)
          row[i] = Math.tanh((row[i] as number) / shape.logitSoftcap) * shape.logitSoftcap;
      logits.set(row, index * width);
      best[index] = row.reduce(
        (found, value, i) => (value > (row[found] as number) ? i : found),
        0,
      );
    }
    return { best, logits };
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

  /** Returns for each token what it attends to, before the output projection. */
  #attention(
    index: number,
    { layer, step, inputs, angles }: LayerInputs & { readonly angles: Float32Array },
  ): Float32Array[] {
    const queries = inputs.map((input, token) =>
      this.#projectAndCache(index, { layer, step, token, input, angles }),
    );
    return queries.map((query, token) => {
      const out = this.#attend(index, { layer, step, token, query });
      if (!layer.outputGate) return out;
      const gate = multiplyMatrix(layer.outputGate, inputs[token] as Float32Array);
      return out.map((value, i) => value * sigmoid(gate[i] as number));
    });
  }

  /** Returns for each token what it reads from its sequence's state, before the output projection. */
  #delta(index: number, { layer, step, inputs }: LayerInputs): Float32Array[] {
    const { normEps } = this.#parts.shape;
    const shape = layer.shape.delta as DeltaShape;
    const { norm, ...weights } = layer.delta as ReadDelta;
    const states = this.#states[index] as DeltaState[];
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
      const out = deltaStep(states[write] as DeltaState, {
        shape,
        weights,
        input: {
          channels: Float32Array.from(channels),
          write: multiplyMatrix(weights.write, input),
          fade: multiplyMatrix(weights.fade, input),
        },
      });
      const gate = multiplyMatrix(layer.outputGate as Dense, input);
      for (let from = 0; from < out.length; from += shape.valueDim) {
        const head = out.subarray(from, from + shape.valueDim);
        head.set(normaliseVector(head, { weight: norm, eps: normEps }));
      }
      return out.map((value, i) => value * silu(gate[i] as number));
    });
  }

  /** Computes query, key and value of a token, caches key and value, and returns the query. */
  #projectAndCache(
    index: number,
    {
      layer,
      step,
      token,
      input,
      angles,
    }: { layer: Layer; step: Step; token: number; input: Float32Array; angles: Float32Array },
  ): Float32Array {
    const { headDim: anglesPerToken, normEps, valueNorm, qkNorm } = this.#parts.shape;
    const { headDim, kvHeads } = layer.shape;
    const row = angles.subarray(token * anglesPerToken, (token + 1) * anglesPerToken);
    const ready = (projected: Float32Array, weight: Float32Array | undefined) => {
      const norm = { weight, eps: normEps };
      const heads = qkNorm === 'projections' ? normaliseVector(projected, norm) : projected;
      return eachHead(heads, headDim, (head) => {
        if (qkNorm === 'heads') head.set(normaliseVector(head, norm));
        rotate(head, row);
      });
    };
    if (layer.k) {
      const keys = multiplyMatrix(layer.k, input);
      const values = layer.v ? multiplyMatrix(layer.v, input) : keys.slice();
      if (valueNorm)
        eachHead(values, headDim, (head) =>
          head.set(normaliseVector(head, { weight: undefined, eps: normEps })),
        );
      const place = step.places[token] as number;
      const page = Math.floor(place / PAGE_TOKENS);
      const at = (place % PAGE_TOKENS) * kvHeads * headDim;
      this.#cache[index]?.keys[page]?.set(ready(keys, layer.kNorm), at);
      this.#cache[index]?.values[page]?.set(values, at);
    }
    return ready(multiplyMatrix(layer.q, input), layer.qNorm);
  }

  #attend(
    index: number,
    { layer, step, token, query }: { layer: Layer; step: Step; token: number; query: Float32Array },
  ): Float32Array {
    const { heads, attentionScale, attendsBothWays, globalIsCausal } = this.#parts.shape;
    const { kvHeads, headDim, window, keysOf = index } = layer.shape;
    const { keys, values } = this.#cache[keysOf] as LayerCache;
    const position = step.positions[token] as number;
    const first = window > 0 ? Math.max(0, position - window + 1) : 0;
    const reach = attendsBothWays && window > 0 ? position + window : Number.POSITIVE_INFINITY;
    const isCausal = globalIsCausal && window === 0;
    const end = isCausal ? position + 1 : Math.min(step.ends[token] as number, reach);
    const table = (step.rows[token] as number) * step.tableWidth;
    const seen = Array.from({ length: end - first }, (_, i) => {
      const page = step.tables[table + Math.floor((first + i) / PAGE_TOKENS)] as number;
      return {
        keys: keys[page] as Float32Array,
        values: values[page] as Float32Array,
        at: ((first + i) % PAGE_TOKENS) * kvHeads * headDim,
      };
    });
    const out = new Float32Array(heads * headDim);
    for (let head = 0; head < heads; head += 1) {
      const offset = Math.floor((head * kvHeads) / heads) * headDim;
      const scores = seen.map(({ keys: page, at }) => {
        let sum = 0;
        for (let i = 0; i < headDim; i += 1)
          sum += (query[head * headDim + i] as number) * (page[at + offset + i] as number);
        return sum * attentionScale;
      });
      // The sink takes part in the softmax like a token with a value of zero.
      const sink = layer.sinks?.[head];
      const shares = softmax(sink === undefined ? scores : [...scores, sink]);
      for (const [n, { values: page, at }] of seen.entries()) {
        const share = shares[n] as number;
        for (let i = 0; i < headDim; i += 1)
          out[head * headDim + i] =
            (out[head * headDim + i] as number) + share * (page[at + offset + i] as number);
      }
    }
    return out;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

interface LayerInputs {
  readonly layer: Layer;
  readonly step: Step;
  /** The normalised hidden state of each token. */
  readonly inputs: readonly Float32Array[];
}
