import { fromBase64 } from '#bus-schemas/platform.ts';
import { MAX_DIMENSIONS, type WantedResults } from './messages/encoding.ts';

/**
 * The results of an encoding as the text of an answer: one line for each text of the request, in the
 * same order, and one token for each line. A vector is the base64 of its numbers as 32-bit floats in
 * little-endian order; a relevance is a decimal number from 0 to 1.
 */

const FLOAT_BYTES = 4;
/** A line of text that holds a vector of `dimensions` numbers, in characters, without its end. */
const vectorCharacters = (dimensions: number): number =>
  4 * Math.ceil((FLOAT_BYTES * dimensions) / 3);
const MAX_SCORE_CHARACTERS = 32;
/** Longest line of a result with its end, in characters, which are also its bytes. */
export const MAX_RESULT_CHARACTERS = vectorCharacters(MAX_DIMENSIONS) + 1;

/** The numbers of a line; undefined if they are not finite, or the line has another form. */
function vectorIn(line: string): Float32Array | undefined {
  if (
    line.length === 0 ||
    line.length > MAX_RESULT_CHARACTERS ||
    !/^[A-Za-z0-9+/]+={0,2}$/.test(line)
  )
    return undefined;
  const bytes = fromBase64(line);
  const count = bytes.length / FLOAT_BYTES;
  if (!Number.isInteger(count) || line.length !== vectorCharacters(count)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const vector = new Float32Array(count);
  // A loop takes a tenth of the time of Float32Array.from, and an answer can have millions of numbers.
  for (let at = 0; at < count; at += 1) {
    const number = view.getFloat32(at * FLOAT_BYTES, true);
    if (!Number.isFinite(number)) return undefined;
    vector[at] = number;
  }
  return vector;
}

function scoreIn(line: string): number | undefined {
  if (line.length > MAX_SCORE_CHARACTERS || !/^\d+(?:\.\d+)?(?:e-\d+)?$/.test(line))
    return undefined;
  const score = Number(line);
  return score <= 1 ? score : undefined;
}

/** The results of a task; undefined if there are more or fewer, or if one has another form. */
export interface EncodingResults {
  /** The vectors of the texts; empty for a `rerank`. */
  readonly vectors: readonly Float32Array[];
  /** The relevance of each document; empty for `embeddings`. */
  readonly scores: readonly number[];
}

/**
 * Checks the results of a task while they arrive. A machine could otherwise bill for results that it
 * has not made, or send lines that no client can read.
 */
export class ResultReader {
  readonly #wanted: WantedResults;
  readonly #vectors: Float32Array[] = [];
  readonly #scores: number[] = [];

  constructor(wanted: WantedResults) {
    this.#wanted = wanted;
  }

  get #count(): number {
    return this.#vectors.length + this.#scores.length;
  }

  /** Takes whole lines. Returns false if they are not the next results of the task. */
  add({ text, tokens }: { readonly text: string; readonly tokens: number }): boolean {
    const lines = text.split('\n');
    if (lines.pop() !== '' || lines.length !== tokens) return false;
    return this.#count + tokens <= this.#wanted.count && lines.every((line) => this.#take(line));
  }

  #take(line: string): boolean {
    if (this.#wanted.k === 'rerank') {
      const score = scoreIn(line);
      if (score !== undefined) this.#scores.push(score);
      return score !== undefined;
    }
    const vector = vectorIn(line);
    if (vector === undefined || vector.length !== this.#lengthAfter(vector)) return false;
    this.#vectors.push(vector);
    return true;
  }

  /** The length that the next vector must have: that of the first one, or what the task asks for. */
  #lengthAfter(next: Float32Array): number {
    return this.#wanted.dimensions ?? this.#vectors[0]?.length ?? next.length;
  }

  /** True once there is a result for each text. */
  get isWhole(): boolean {
    return this.#count === this.#wanted.count;
  }

  get results(): EncodingResults {
    return { vectors: this.#vectors, scores: this.#scores };
  }
}
