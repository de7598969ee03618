import {
  ADDED_TOKENS,
  EncodingRequest,
  type EncodingResults,
  type EncodingTask,
  type InferenceEnd,
  ResultReader,
  resultsOf,
  wantedResults,
} from '#bus-schemas/customer.ts';
import { utf8 } from '#bus-schemas/platform.ts';
import type { SealedClient, SealedServing, SealedWish } from './sealed-client.ts';
import { SealedError } from './sealed-error.ts';

export interface SealedEncoding {
  readonly client: SealedClient;
  readonly task: EncodingTask;
  readonly wish: Pick<SealedWish, 'model' | 'provider' | 'route'>;
  readonly authorization: string;
  readonly signal?: AbortSignal;
}

export interface OpenedEncoding {
  /** The machine that computed the results. */
  readonly serving: SealedServing;
  /** The lines of the results, which `results` contains as numbers. */
  readonly text: string;
  readonly results: EncodingResults;
  readonly end: InferenceEnd;
}

/** Computes vectors or relevances of texts that only the answering machine can read. */
export async function encodeSealed({
  client,
  task,
  wish,
  authorization,
  signal,
}: SealedEncoding): Promise<OpenedEncoding> {
  const request: EncodingRequest = { task };
  const asked: SealedWish = {
    ...wish,
    requires: [task.k],
    maxTokens: resultsOf(task),
    promptTokens: mostTokensOf(task),
    requestBytes: EncodingRequest.encode(request).length,
  };
  const place = await client.place(asked, authorization, signal);
  const events = client.run({ wish: asked, place, request }, authorization, signal);
  const reader = new ResultReader(wantedResults(task));
  let serving: SealedServing | undefined;
  let text = '';
  for (;;) {
    const { done, value } = await events.next();
    if (done) {
      if (serving === undefined || !reader.isWhole) throw unreadable();
      return { serving, text, results: reader.results, end: value };
    }
    if (value.k === 'serving') serving = value;
    else if (value.k !== 'text' || !reader.add(value)) throw unreadable();
    else text += value.text;
  }
}

const unreadable = () =>
  new SealedError('unreadable_answer', 'The machine did not send the results that were asked for.');

/** Most tokens of a task: one for each byte of its texts. A rerank reads its query with each document. */
function mostTokensOf(task: EncodingTask): number {
  const sizeOf = (input: string | readonly number[]) =>
    ADDED_TOKENS + (typeof input === 'string' ? utf8(input).length : input.length);
  const sum = (inputs: readonly (string | readonly number[])[]) =>
    inputs.reduce((total, input) => total + sizeOf(input), 0);
  return task.k === 'embeddings'
    ? sum(task.inputs)
    : sum(task.documents) + task.documents.length * utf8(task.query).length;
}
