import { costFields } from '../answer-cost.ts';
import { invalid, isGiven, isObject } from '../json.ts';
import { LongJson } from '../long-json.ts';
import { rerankParameters } from '../parameters/encoding-parameters.ts';
import type { AnswerContent, AnswerHead } from '../surfaces/surface.ts';
import type { EncodingSurface } from './encoding-surface.ts';
import { checkCount, flagOf, isList, isText } from './fields.ts';
import { resultLines } from './result-texts.ts';

/** `POST /v1/rerank`: the relevance of documents to a query, in the format of Cohere and Jina. */
export const rerank: EncodingSurface = {
  path: '/v1/rerank',
  parameters: rerankParameters,
  taskOf: ({ query, documents, top_n: most, return_documents: returned, truncation }) => {
    if (!isText(query)) throw invalid('query', 'query must be a text that is not empty.');
    if (isGiven(most) && (!Number.isInteger(most) || Number(most) < 1))
      throw invalid('top_n', 'top_n must be a whole number from 1 on.');
    flagOf(returned, 'return_documents', false);
    return {
      k: 'rerank',
      query,
      documents: textsOf(documents),
      ...(flagOf(truncation, 'truncation', false) && { truncate: true }),
    };
  },
  whole,
  error: (error) => error.toBody(),
};

function textsOf(documents: unknown): string[] {
  if (isList(documents)) checkCount(documents, 'documents');
  const texts = isList(documents)
    ? documents.map((each) => (isObject(each) ? each['text'] : each))
    : [];
  if (texts.length === 0 || !texts.every(isText))
    throw invalid(
      'documents',
      'documents must be a list of texts that are not empty, or of objects with such a text.',
    );
  return texts;
}

function whole(
  { job, model, request }: AnswerHead,
  { text, end: { usage, cost } }: AnswerContent,
): object {
  const lines = resultLines(text);
  const most = isGiven(request['top_n']) ? Number(request['top_n']) : lines.length;
  const results = lines
    .map((line, index) => ({ index, relevance_score: Number(line) }))
    .toSorted((one, other) => other.relevance_score - one.relevance_score)
    .slice(0, most);
  const texts = request['return_documents'] === true ? textsOf(request['documents']) : undefined;
  return new LongJson({
    id: job,
    object: 'list',
    model,
    results: Iterator.from(results).map((result) =>
      texts === undefined ? result : { ...result, document: { text: texts[result.index] } },
    ),
    usage: {
      prompt_tokens: usage.promptTokens,
      total_tokens: usage.promptTokens,
      ...costFields(cost, ['prompt', 'completions']),
    },
  });
}
