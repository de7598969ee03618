import { defineMessage } from '../codec.ts';
import { BuildId } from '../ids.ts';
import { optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { MAX_REQUEST_BYTES } from './inference.ts';

/**
 * The content of a sealed request for an encoding: texts that a model reads, and whose results are
 * numbers. The results come back as an answer, one line of text for each (`encoding-results.ts`).
 */

/** Most texts of one request, as OpenAI's API allows. */
export const MAX_INPUTS = 2_048;
/** Most numbers in one vector. */
export const MAX_DIMENSIONS = 4_096;
/** Most tokens of one text. */
const MAX_INPUT_TOKENS = 100_000;
/**
 * Tokens that a model adds to each text that it reads, such as marks of its beginning and end. They
 * count as tokens of the prompt.
 */
export const ADDED_TOKENS = 4;

const list = <S extends Parameters<typeof Type.Array>[0]>(items: S) =>
  Type.Array(items, { minItems: 1, maxItems: MAX_INPUTS });
/** Shortens a text that is too long for the model; without it the request is refused. */
const truncate = optional(Type.Boolean());

const embeddings = Type.Object({
  k: Type.Literal('embeddings'),
  /** Texts, or their tokens in the vocabulary of the model. */
  inputs: list(
    Type.Union([
      Type.String(),
      Type.Array(Type.Integer({ minimum: 0, maximum: 10_000_000 }), {
        minItems: 1,
        maxItems: MAX_INPUT_TOKENS,
      }),
    ]),
  ),
  /** Keeps only the first numbers of each vector, and scales it to length 1 again. */
  dimensions: optional(Type.Integer({ minimum: 1, maximum: MAX_DIMENSIONS })),
  truncate,
});
const rerank = Type.Object({
  k: Type.Literal('rerank'),
  query: Type.String(),
  documents: list(Type.String()),
  truncate,
});
export const EncodingTask = Type.Union([embeddings, rerank]);
export type EncodingTask = Static<typeof EncodingTask>;

const request = Type.Object({
  task: EncodingTask,
  /** The build that the sender sealed this request for, as in an `inference-request`. */
  build: optional(BuildId),
});
export type EncodingRequest = Static<typeof request>;
export const EncodingRequest = defineMessage('encoding-request', request, MAX_REQUEST_BYTES);

/** The number of results of a task. */
export const resultsOf = (task: EncodingTask): number =>
  task.k === 'embeddings' ? task.inputs.length : task.documents.length;

/** The results that a task asks for, without its texts. */
export interface WantedResults {
  readonly k: EncodingTask['k'];
  readonly count: number;
  /** The length of each vector, if the task asks for one. */
  readonly dimensions: number | undefined;
}

export const wantedResults = (task: EncodingTask): WantedResults => ({
  k: task.k,
  count: resultsOf(task),
  dimensions: task.k === 'embeddings' ? task.dimensions : undefined,
});
