import type { EncodingTask } from '#bus-schemas';
import { costFields } from '../answer-cost.ts';
import { invalid, isGiven } from '../json.ts';
import { LongJson } from '../long-json.ts';
import { embeddingsParameters } from '../parameters/encoding-parameters.ts';
import type { AnswerContent, AnswerHead } from '../surfaces/surface.ts';
import type { EncodingSurface } from './encoding-surface.ts';
import { checkCount, dimensionsOf, isList, isText } from './fields.ts';
import { numbersOf, resultLines } from './result-texts.ts';

/** `POST /v1/embeddings`: OpenAI's API for the vectors of texts. */
export const embeddings: EncodingSurface = {
  path: '/v1/embeddings',
  parameters: embeddingsParameters,
  taskOf: (fields) => {
    const { encoding_format: format, dimensions } = fields;
    if (isGiven(format) && format !== 'float' && format !== 'base64')
      throw invalid('encoding_format', 'encoding_format must be "float" or "base64".');
    return { k: 'embeddings', inputs: inputsOf(fields['input']), ...dimensionsOf(dimensions) };
  },
  whole: ({ model, request }: AnswerHead, { text, end: { usage, cost } }: AnswerContent) =>
    new LongJson({
      object: 'list',
      data: Iterator.from(resultLines(text)).map((line, index) => ({
        object: 'embedding',
        index,
        embedding: request['encoding_format'] === 'base64' ? line : numbersOf(line),
      })),
      model,
      usage: {
        prompt_tokens: usage.promptTokens,
        total_tokens: usage.promptTokens,
        ...costFields(cost, ['prompt', 'completions']),
      },
    }),
  error: (error) => error.toBody(),
};

type Inputs = Extract<EncodingTask, { k: 'embeddings' }>['inputs'];

function inputsOf(input: unknown): Inputs {
  if (isText(input)) return [input];
  if (isTokens(input)) return [input];
  if (isList(input)) checkCount(input, 'input');
  if (isList(input) && input.every((each) => isText(each) || isTokens(each))) return [...input];
  throw invalid(
    'input',
    'input must be a text that is not empty, a list of such texts, or one or several lists of token ids.',
  );
}

const isTokens = (value: unknown): value is number[] =>
  isList(value) && value.every((token) => Number.isInteger(token) && Number(token) >= 0);
