import { invalid } from '../json.ts';
import { LongJson } from '../long-json.ts';
import {
  ollamaEmbeddingsParameters,
  ollamaEmbedParameters,
} from '../parameters/encoding-parameters.ts';
import type { EncodingSurface } from './encoding-surface.ts';
import { checkCount, dimensionsOf, flagOf, isList, isText } from './fields.ts';
import { numbersOf, resultLines } from './result-texts.ts';

const SECOND_NS = 1_000_000_000;

/** `POST /api/embed` of Ollama. Like Ollama, it shortens texts that are too long for the model. */
export const ollamaEmbed: EncodingSurface = {
  path: '/api/embed',
  readsAnyContentType: true,
  parameters: ollamaEmbedParameters,
  taskOf: ({ input, truncate, dimensions }) => {
    const inputs = isText(input) ? [input] : input;
    if (isList(inputs)) checkCount(inputs, 'input');
    if (!isList(inputs) || !inputs.every(isText))
      throw invalid('input', 'input must be a text that is not empty, or a list of such texts.');
    return {
      k: 'embeddings',
      inputs: [...inputs],
      ...dimensionsOf(dimensions),
      ...(flagOf(truncate, 'truncate', true) && { truncate: true }),
    };
  },
  whole: ({ model, createdSeconds, nowSeconds }, { text, end }) =>
    new LongJson({
      model,
      embeddings: Iterator.from(resultLines(text)).map((line) => numbersOf(line)),
      total_duration: (nowSeconds() - createdSeconds) * SECOND_NS,
      load_duration: 0,
      prompt_eval_count: end.usage.promptTokens,
    }),
  error: ({ message }) => ({ error: message }),
};

/** `POST /api/embeddings` of Ollama, which its documentation calls superseded. */
export const ollamaEmbeddings: EncodingSurface = {
  path: '/api/embeddings',
  readsAnyContentType: true,
  parameters: ollamaEmbeddingsParameters,
  taskOf: ({ prompt }) => {
    if (!isText(prompt)) throw invalid('prompt', 'prompt must be a text that is not empty.');
    return { k: 'embeddings', inputs: [prompt], truncate: true };
  },
  whole: (_head, { text }) => ({ embedding: resultLines(text).flatMap(numbersOf) }),
  error: ({ message }) => ({ error: message }),
};
