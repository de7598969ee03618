import type { BertModel } from '../../models/encoders/bert-model.ts';
import type { EncoderInput } from '../../models/encoders/encoder-tokenizer.ts';
import {
  added,
  attention,
  gelu,
  multiplyAffine,
  normaliseAffine,
  type ReadAffine,
} from './affine-parts.ts';
import { type Encoder, readWeights } from './encoder.ts';

/**
 * BERT in plain TypeScript, in the order of the published formulas. It is slow, runs on any machine,
 * and the tests compare the encoder in C++ with it.
 */
export async function loadReferenceEncoder(model: BertModel): Promise<Encoder> {
  const layersOf = partsOf(model, await readWeights(model));
  return {
    name: 'reference',
    vectorsPer: 'token',
    pass: async (inputs) => {
      const out = inputs.map((input) => encode(model, layersOf, input));
      return joinedRows(out.flat(), model.shape.hidden);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

type Parts = ReturnType<typeof partsOf>;

/** Divides the numbers into the weights, in the order of `listWeights`. */
function partsOf({ shape }: BertModel, numbers: Float32Array) {
  const { vocabulary, hidden, inner, positions, kinds } = shape;
  let at = 0;
  const next = (size: number): Float32Array => {
    at += size;
    return numbers.subarray(at - size, at);
  };
  const affine = (out: number, width = 1): ReadAffine => ({
    weight: next(out * width),
    bias: next(out),
  });
  return {
    words: next(vocabulary * hidden),
    positions: next(positions * hidden),
    kinds: next(kinds * hidden),
    norm: affine(hidden),
    layers: Array.from({ length: shape.layers }, () => ({
      q: affine(hidden, hidden),
      k: affine(hidden, hidden),
      v: affine(hidden, hidden),
      o: affine(hidden, hidden),
      attentionNorm: affine(hidden),
      up: affine(inner, hidden),
      down: affine(hidden, inner),
      outputNorm: affine(hidden),
    })),
  };
}

function encode({ shape }: BertModel, parts: Parts, { tokens, first }: EncoderInput) {
  const { hidden, normEps } = shape;
  const row = (table: Float32Array, index: number) =>
    table.subarray(index * hidden, (index + 1) * hidden);
  let states = Array.from(tokens, (token, position) => {
    const word = row(parts.words, token);
    const place = row(parts.positions, position);
    const kind = row(parts.kinds, position < first ? 0 : 1);
    const sum = word.map((value, i) => value + (place[i] as number) + (kind[i] as number));
    return normaliseAffine(sum, parts.norm, normEps);
  });
  for (const layer of parts.layers) {
    const made = (matrix: ReadAffine) => states.map((state) => multiplyAffine(matrix, state));
    const attended = attention([made(layer.q), made(layer.k), made(layer.v)], shape.heads);
    const settled = states.map((state, i) =>
      normaliseAffine(
        added(state, multiplyAffine(layer.o, attended[i] as Float32Array)),
        layer.attentionNorm,
        normEps,
      ),
    );
    states = settled.map((state) => {
      const inner = multiplyAffine(layer.up, state).map(gelu);
      return normaliseAffine(
        added(state, multiplyAffine(layer.down, inner)),
        layer.outputNorm,
        normEps,
      );
    });
  }
  return states;
}

function joinedRows(rows: readonly Float32Array[], width: number): Float32Array {
  const all = new Float32Array(rows.length * width);
  for (const [index, row] of rows.entries()) all.set(row, index * width);
  return all;
}
