import type { DecoderShape, DeltaShape, LayerShape } from '../../models/decoder-shape.ts';
import { type LayerWeights, type Matrix, MXFP4_NUMBERS } from '../../models/decoder-weights.ts';
import { RopeTables } from '../../models/rope.ts';
import type { Tensor } from '../../models/safetensors.ts';
import { TensorReader } from '../../models/tensor-reader.ts';
import { checkStep, type StepLimits, stepLimits } from './check-step.ts';
import {
  type Backend,
  type Decoder,
  type DecoderOptions,
  NO_STATE,
  PAGE_TOKENS,
  type Step,
  type StepResult,
  wholeNumbers,
} from './decoder.ts';
import {
  type DeltaNumbers,
  type DeltaState,
  deltaState,
  deltaStep,
  sigmoid,
} from './reference-delta.ts';
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

/** A matrix whose weights have been expanded to 32-bit floats. */
interface Dense {
  readonly out: number;
  readonly in: number;
  readonly values: Float32Array;
  readonly bias: Float32Array | undefined;
}

type Read<Part> = Part extends Matrix ? Dense : Part extends Tensor ? Float32Array : Part;

/** The weights of a layer, as 32-bit numbers. */
type Layer = {
  readonly shape: LayerShape;
  readonly mlp: ReadMlp;
  readonly delta: ReadDelta | undefined;
} & {
  readonly [Name in keyof Omit<Required<LayerWeights>, 'mlp' | 'delta'>]: Read<LayerWeights[Name]>;
};

type ReadMlp = Record<'gate' | 'up' | 'down', Dense> & {
  readonly router: Dense | undefined;
  readonly shared: Record<'gate' | 'up' | 'down' | 'share', Dense> | undefined;
};

interface ReadDelta extends DeltaNumbers {
  readonly write: Dense;
  readonly fade: Dense;
  readonly norm: Float32Array;
}

interface Parts {
  readonly shape: DecoderShape;
  readonly embedding: Dense;
  readonly lmHead: Dense;
  readonly norm: Float32Array;
  readonly layers: readonly Layer[];
  readonly ropes: RopeTables;
}

class ReferenceDecoder implements Decoder {
  readonly memoryBytes: number;
  readonly #parts: Parts;
  readonly #limits: StepLimits;
  /** The pages of each layer, from the first to the highest one used so far. */
  readonly #cache: readonly { readonly keys: Float32Array[]; readonly values: Float32Array[] }[];

  /** The states of each layer with Gated DeltaNet, from the first slot to the highest one used so far. */
  readonly #states: readonly DeltaState[][];

  private constructor(parts: Parts, options: DecoderOptions) {
    this.#parts = parts;
    this.#limits = stepLimits(options);
    const { shape } = parts;
    this.#cache = shape.layers.map(() => ({ keys: [], values: [] }));
    this.#states = shape.layers.map(() => []);
    this.memoryBytes = 4 * countWeights(parts);
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

  #growCache(pages: number): void {
    const { kvHeads, headDim, layers } = this.#parts.shape;
    for (const [index, { keys, values }] of this.#cache.entries())
      for (const list of layers[index]?.delta ? [] : [keys, values])
        while (list.length < pages) list.push(new Float32Array(PAGE_TOKENS * kvHeads * headDim));
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
    const ropeAngles = ropes.angles(step.positions);
    const anglesPerRope = step.tokens.length * shape.headDim;
    for (const [index, layer] of layers.entries()) {
      const inputs = states.map((state) =>
        normalise(state, { weight: layer.inputNorm, eps: normEps }),
      );
      const angles = ropeAngles.subarray(layer.shape.rope * anglesPerRope);
      const mixed = layer.shape.delta
        ? this.#delta(index, { layer, step, inputs })
        : this.#attention(index, { layer, step, inputs, angles });
      for (const [token, state] of states.entries()) {
        const attentionOut = multiply(layer.o, mixed[token] as Float32Array);
        add(
          state,
          layer.attentionNorm
            ? normalise(attentionOut, { weight: layer.attentionNorm, eps: normEps })
            : attentionOut,
        );
        const mlpOut = mlp(layer, normalise(state, { weight: layer.mlpNorm, eps: normEps }), shape);
        add(
          state,
          layer.mlpOutputNorm
            ? normalise(mlpOut, { weight: layer.mlpOutputNorm, eps: normEps })
            : mlpOut,
        );
      }
    }
    const logits = new Float32Array(step.outputs.length * vocabulary);
    const best = new Int32Array(step.outputs.length);
    for (const [index, token] of step.outputs.entries()) {
      const row = multiply(
        lmHead,
        normalise(states[token] as Float32Array, { weight: norm, eps: normEps }),
      );
      if (shape.logitSoftcap > 0)
        for (let i = 0; i < row.length; i += 1)
          row[i] = Math.tanh((row[i] as number) / shape.logitSoftcap) * shape.logitSoftcap;
      logits.set(row, index * vocabulary);
      best[index] = row.reduce(
        (found, value, i) => (value > (row[found] as number) ? i : found),
        0,
      );
    }
    return { best, logits };
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
      const gate = multiply(layer.outputGate, inputs[token] as Float32Array);
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
      const channels = [layer.q, layer.k, layer.v].flatMap((w) => [...multiply(w, input)]);
      const out = deltaStep(states[write] as DeltaState, {
        shape,
        weights,
        input: {
          channels: Float32Array.from(channels),
          write: multiply(weights.write, input),
          fade: multiply(weights.fade, input),
        },
      });
      const gate = multiply(layer.outputGate as Dense, input);
      for (let from = 0; from < out.length; from += shape.valueDim) {
        const head = out.subarray(from, from + shape.valueDim);
        head.set(normalise(head, { weight: norm, eps: normEps }));
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
    const { headDim, kvHeads, normEps } = this.#parts.shape;
    const ready = (matrix: Dense, weight: Float32Array | undefined) => {
      const heads = multiply(matrix, input);
      for (let from = 0; from < heads.length; from += headDim) {
        const head = heads.subarray(from, from + headDim);
        if (weight) head.set(normalise(head, { weight, eps: normEps }));
        rotate(head, angles.subarray(token * headDim, (token + 1) * headDim));
      }
      return heads;
    };
    const place = step.places[token] as number;
    const page = Math.floor(place / PAGE_TOKENS);
    const at = (place % PAGE_TOKENS) * kvHeads * headDim;
    this.#cache[index]?.keys[page]?.set(ready(layer.k, layer.kNorm), at);
    this.#cache[index]?.values[page]?.set(multiply(layer.v, input), at);
    return ready(layer.q, layer.qNorm);
  }

  #attend(
    index: number,
    { layer, step, token, query }: { layer: Layer; step: Step; token: number; query: Float32Array },
  ): Float32Array {
    const { heads, kvHeads, headDim, attentionScale } = this.#parts.shape;
    const { keys, values } = this.#cache[index] as { keys: Float32Array[]; values: Float32Array[] };
    const position = step.positions[token] as number;
    const first = layer.shape.window > 0 ? Math.max(0, position - layer.shape.window + 1) : 0;
    const table = (step.rows[token] as number) * step.tableWidth;
    const seen = Array.from({ length: position - first + 1 }, (_, i) => {
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

async function readLayer(
  reader: TensorReader,
  { shape, layer, index }: { shape: DecoderShape; layer: LayerWeights; index: number },
): Promise<Layer> {
  const dense = (matrix: Matrix) => readDense(reader, matrix);
  const some = async (matrix: Matrix | undefined) => matrix && (await dense(matrix));
  const norm = async (tensor: Tensor) => normOf(await reader.numbers(tensor), shape);
  const someNorm = async (tensor: Tensor | undefined) => tensor && (await norm(tensor));
  const { gate, up, down, router, shared } = layer.mlp;
  const { delta } = layer;
  return {
    shape: shape.layers[index] as LayerShape,
    inputNorm: await norm(layer.inputNorm),
    q: await dense(layer.q),
    k: await dense(layer.k),
    v: await dense(layer.v),
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
    mlpNorm: await norm(layer.mlpNorm),
    mlpOutputNorm: await someNorm(layer.mlpOutputNorm),
    mlp: {
      gate: await dense(gate),
      up: await dense(up),
      down: await dense(down),
      router: await some(router),
      shared: shared && {
        gate: await dense(shared.gate),
        up: await dense(shared.up),
        down: await dense(shared.down),
        share: await dense(shared.share),
      },
    },
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

const normOf = (weight: Float32Array, { normPlusOne }: DecoderShape): Float32Array =>
  normPlusOne ? weight.map((value) => value + 1) : weight;

const countWeights = ({ embedding, lmHead, layers }: Parts): number =>
  new Set([
    embedding,
    lmHead,
    ...layers.flatMap(({ q, k, v, o, outputGate, mlp: { gate, up, down, shared } }) =>
      [q, k, v, o, outputGate, gate, up, down, ...Object.values(shared ?? {})].filter(
        (matrix) => matrix !== undefined,
      ),
    ),
  ])
    .values()
    .reduce((sum, { values }) => sum + values.length, 0);

/** Multiplies with the matrix at index `expert` of those stacked in `matrix`. */
function multiply(matrix: Dense, input: Float32Array, expert = 0): Float32Array {
  const { out, in: width, values, bias } = matrix;
  const result = new Float32Array(out);
  for (let row = 0; row < out; row += 1) {
    const from = (expert * out + row) * width;
    let sum = 0;
    for (let i = 0; i < width; i += 1) sum += (values[from + i] as number) * (input[i] as number);
    result[row] = sum + (bias?.[expert * out + row] ?? 0);
  }
  return result;
}

function normalise(
  input: Float32Array,
  { weight, eps }: { weight: Float32Array | undefined; eps: number },
): Float32Array {
  const factor =
    1 / Math.sqrt(input.reduce((sum, value) => sum + value * value, 0) / input.length + eps);
  return input.map((value, i) => value * factor * (weight?.[i] ?? 1));
}

function rotate(head: Float32Array, angles: Float32Array): void {
  const half = head.length / 2;
  for (let i = 0; i < half; i += 1) {
    const [a, b] = [head[i] as number, head[half + i] as number];
    const [cos, sin] = [angles[i] as number, angles[half + i] as number];
    head[i] = a * cos - b * sin;
    head[half + i] = b * cos + a * sin;
  }
}

function mlp(
  { shape: { mlp: mlpShape }, mlp: weights }: Layer,
  input: Float32Array,
  shape: DecoderShape,
): Float32Array {
  const { router, shared } = weights;
  if (mlpShape.kind === 'dense' || router === undefined)
    return denseMlp(weights, { input, shape, expert: 0 });
  const shares = softmax(Array.from(multiply(router, input)));
  const chosen = shares
    .map((share, expert) => ({ share, expert }))
    .sort((a, b) => b.share - a.share || a.expert - b.expert)
    .slice(0, mlpShape.perToken);
  const total = mlpShape.normalised ? chosen.reduce((sum, { share }) => sum + share, 0) : 1;
  const out = new Float32Array(input.length);
  for (const { share, expert } of chosen)
    addPart(out, { made: denseMlp(weights, { input, shape, expert }), share: share / total });
  if (shared !== undefined)
    addPart(out, {
      made: denseMlp(shared, { input, shape, expert: 0 }),
      share: sigmoid(multiply(shared.share, input)[0] as number),
    });
  return out;
}

function addPart(into: Float32Array, { made, share }: { made: Float32Array; share: number }): void {
  for (let i = 0; i < into.length; i += 1)
    into[i] = (into[i] as number) + (made[i] as number) * share;
}

function denseMlp(
  weights: Pick<ReadMlp, 'gate' | 'up' | 'down'>,
  { input, shape, expert }: { input: Float32Array; shape: DecoderShape; expert: number },
): Float32Array {
  const gate = multiply(weights.gate, input, expert);
  const up = multiply(weights.up, input, expert);
  const gated = up.map((value, i) => gatedBy(shape, { gate: gate[i] as number, up: value }));
  return multiply(weights.down, gated, expert);
}

function gatedBy(
  { activation, activationLimit: limit }: DecoderShape,
  { gate, up }: { gate: number; up: number },
): number {
  switch (activation) {
    case 'silu':
      return up * silu(gate);
    case 'gelu_tanh':
      return up * geluTanh(gate);
    case 'clamped_silu': {
      const g = Math.min(gate, limit);
      return (g / (1 + Math.exp(-1.702 * g))) * (Math.max(-limit, Math.min(up, limit)) + 1);
    }
  }
}

const silu = (x: number): number => x * sigmoid(x);
const geluTanh = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

function softmax(scores: readonly number[]): number[] {
  const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const parts = scores.map((score) => Math.exp(score - most));
  const total = parts.reduce((sum, part) => sum + part, 0);
  return parts.map((part) => part / total);
}

function add(into: Float32Array, addend: Float32Array): void {
  for (let i = 0; i < into.length; i += 1) into[i] = (into[i] as number) + (addend[i] as number);
}
