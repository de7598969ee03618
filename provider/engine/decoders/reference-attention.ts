import type { DecoderShape } from '../../models/decoder-shape.ts';
import { PAGE_TOKENS, type Step } from './decoder.ts';
import { sigmoid } from './reference-delta.ts';
import { eachHead, multiplyMatrix, normaliseVector, rotate, softmax } from './reference-parts.ts';
import type { Layer } from './reference-weights.ts';

/** The keys and values of one layer, page by page. */
export interface LayerCache {
  readonly keys: Float32Array<ArrayBuffer>[];
  readonly values: Float32Array<ArrayBuffer>[];
}

interface AttentionInputs {
  readonly shape: DecoderShape;
  readonly layer: Layer;
  readonly step: Step;
  /** The cache that the layer writes to, and the one that it reads. */
  readonly own: LayerCache;
  readonly read: LayerCache;
  /** The normalised hidden state of each token. */
  readonly inputs: readonly Float32Array[];
  readonly angles: Float32Array;
}

/** Returns for each token what it attends to, before the output projection. */
export function attendCached(all: AttentionInputs): Float32Array[] {
  const { layer, inputs } = all;
  const queries = inputs.map((_, token) => projectAndCache(all, token));
  return queries.map((query, token) => {
    const out = attend(all, { token, query });
    if (!layer.outputGate) return out;
    const gate = multiplyMatrix(layer.outputGate, inputs[token] as Float32Array);
    return out.map((value, i) => value * sigmoid(gate[i] as number));
  });
}

/** Computes query, key and value of a token, caches key and value, and returns the query. */
function projectAndCache(
  { shape, layer, step, own, inputs, angles }: AttentionInputs,
  token: number,
): Float32Array {
  const { headDim: anglesPerToken, normEps, valueNorm, qkNorm } = shape;
  const { headDim, kvHeads } = layer.shape;
  const input = inputs[token] as Float32Array;
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
    own.keys[page]?.set(ready(keys, layer.kNorm), at);
    own.values[page]?.set(values, at);
  }
  return ready(multiplyMatrix(layer.q, input), layer.qNorm);
}

function attend(
  { shape, layer, step, read: { keys, values } }: AttentionInputs,
  { token, query }: { token: number; query: Float32Array },
): Float32Array {
  const { heads, attentionScale, attendsBothWays, globalIsCausal } = shape;
  const { kvHeads, headDim, window } = layer.shape;
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
