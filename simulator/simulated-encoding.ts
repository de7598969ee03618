import { createHash } from 'node:crypto';
import {
  ADDED_TOKENS,
  BYTES_PER_TOKEN,
  type Delta,
  type EncodingTask,
  type Finish,
  scoreLine,
  type Usage,
  vectorLine,
} from '#bus-schemas';
import { RequestRefused } from '#provider';

/** Length of the vectors of the simulated model. */
const SIMULATED_DIMENSIONS = 64;
const BYTE_MIDDLE = 127.5;

interface Text {
  readonly tokens: number;
  readonly line: () => string;
}

/**
 * The results of a simulated model, one for each text. They depend only on the texts: a vector
 * follows from the digests of its words, so texts with common words have similar vectors, and a
 * relevance is the similarity of two vectors.
 */
export class SimulatedEncoding {
  readonly #texts: readonly Text[];
  #made = 0;

  /** Throws RequestRefused if the task is larger than was announced, or a text longer than allowed. */
  constructor(
    task: EncodingTask,
    { contextTokens, mostTokens }: { contextTokens: number; mostTokens: number },
  ) {
    this.#texts = textsOf(task);
    if (task.truncate !== true && this.#texts.some(({ tokens }) => tokens > contextTokens))
      throw new RequestRefused('request_exceeds_context', {
        detail: `A text has more than ${contextTokens} tokens.`,
      });
    this.#texts = this.#texts.map((text) => ({
      ...text,
      tokens: Math.min(text.tokens, contextTokens),
    }));
    if (this.promptTokens > mostTokens)
      throw new RequestRefused('invalid_request', {
        detail: 'The texts have more tokens than the request announced.',
      });
  }

  get promptTokens(): number {
    return this.#texts.reduce((sum, { tokens }) => sum + tokens, 0);
  }

  /** Returns the next result, or undefined after the last one. */
  next(): Delta | undefined {
    const text = this.#texts[this.#made];
    if (text === undefined) return undefined;
    this.#made += 1;
    return { k: 'text', text: text.line(), tokens: 1 };
  }

  get finish(): Finish {
    return 'stop';
  }

  readonly stopSequence = undefined;

  get usage(): Usage {
    return { promptTokens: this.promptTokens, cachedTokens: 0, completionTokens: this.#made };
  }
}

function textsOf(task: EncodingTask): Text[] {
  if (task.k === 'embeddings')
    return task.inputs.map((input) => ({
      tokens: tokensIn(input),
      line: () => vectorLine(vectorOf(input, task.dimensions ?? SIMULATED_DIMENSIONS)),
    }));
  const query = vectorOf(task.query, SIMULATED_DIMENSIONS);
  return task.documents.map((document) => ({
    tokens: tokensIn(task.query) + tokensIn(document) - ADDED_TOKENS,
    line: () => scoreLine(similarity(query, vectorOf(document, SIMULATED_DIMENSIONS))),
  }));
}

const tokensIn = (input: string | readonly number[]): number =>
  ADDED_TOKENS +
  (typeof input === 'string'
    ? Math.ceil(Buffer.byteLength(input) / BYTES_PER_TOKEN)
    : input.length);

function vectorOf(input: string | readonly number[], dimensions: number): Float32Array {
  const words = typeof input === 'string' ? input.toLowerCase().match(/[\p{L}\p{N}]+/gu) : input;
  const sum = new Float32Array(dimensions);
  for (const word of words ?? ['']) addWord(sum, String(word));
  const length = Math.hypot(...sum);
  return sum.map((value) => value / length);
}

function addWord(sum: Float32Array, word: string): void {
  const bytes = createHash('shake256', { outputLength: sum.length }).update(word).digest();
  for (const [at, byte] of bytes.entries()) sum[at] = (sum[at] ?? 0) + byte - BYTE_MIDDLE;
}

/** The cosine of two vectors of length 1, from 0 to 1, rounded to six decimal places. */
function similarity(one: Float32Array, other: Float32Array): number {
  const cosine = one.reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0);
  return Number(Math.min(1, Math.max(0, (1 + cosine) / 2)).toFixed(6));
}
