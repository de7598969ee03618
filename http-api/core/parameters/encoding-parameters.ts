import { MAX_DIMENSIONS, MAX_INPUTS } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import { chatFields } from '../chat-schema.ts';
import { ignored, type ParameterTable, supported, unsupported } from './parameter.ts';
import { openAiHints, openRouter } from './shared-parameters.ts';

/** Parameters of the routes whose results are numbers. */

const optional = Type.Optional;
const text = Type.String({ minLength: 1 });
const Texts = Type.Array(text, { minItems: 1, maxItems: MAX_INPUTS });
const Tokens = Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1 });
const dimensions = supported(
  optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_DIMENSIONS,
      description: 'Keeps the first numbers of each vector, and scales it to length 1 again.',
    }),
  ),
);
const provider = openRouter['provider'] as ParameterTable[string];
const OF_THE_MACHINE = ignored('Machines decide how they run a model.');

/** `POST /v1/embeddings` of OpenAI. */
export const embeddingsParameters: ParameterTable = {
  model: supported(chatFields.model),
  input: supported(
    Type.Union([text, Texts, Tokens, Type.Array(Tokens, { minItems: 1, maxItems: MAX_INPUTS })], {
      description: 'A text, a list of texts, or their tokens in the vocabulary of the model.',
    }),
  ),
  encoding_format: supported(
    optional(
      Type.Enum(['float', 'base64'], {
        description: 'base64 is that of 32-bit floats in little-endian order.',
      }),
    ),
  ),
  dimensions,
  user: openAiHints['user'] as ParameterTable[string],
  provider,
  input_type: unsupported('Write the instruction of the model into the text.', ''),
};

/** `POST /v1/rerank`, with the names of Cohere and Jina. */
export const rerankParameters: ParameterTable = {
  model: supported(chatFields.model),
  query: supported(text),
  documents: supported(
    Type.Array(Type.Union([text, Type.Object({ text })]), { minItems: 1, maxItems: MAX_INPUTS }),
  ),
  top_n: supported(
    optional(Type.Integer({ minimum: 1, description: 'Most results; all documents if absent.' })),
  ),
  return_documents: supported(
    optional(Type.Boolean({ description: 'Adds the text of each document to its result.' })),
  ),
  truncation: supported(
    optional(Type.Boolean({ description: 'Shortens documents that are too long for the model.' })),
  ),
  provider,
  max_chunks_per_doc: unsupported('A document is read at once.', 1),
  max_tokens_per_doc: unsupported('Set truncation, or shorten the documents.'),
  rank_fields: unsupported('A document is a text.', []),
  return_embeddings: unsupported('Use /v1/embeddings.', false),
};

const ofOllama: ParameterTable = {
  model: supported(chatFields.model),
  provider,
  options: OF_THE_MACHINE,
  keep_alive: OF_THE_MACHINE,
};

/** `POST /api/embed` of Ollama. */
export const ollamaEmbedParameters: ParameterTable = {
  ...ofOllama,
  input: supported(Type.Union([text, Texts])),
  truncate: supported(
    optional(
      Type.Boolean({
        description: 'Shortens texts that are too long for the model. Absent means true.',
      }),
    ),
  ),
  dimensions,
};

/** `POST /api/embeddings` of Ollama, which is older and takes one text. */
export const ollamaEmbeddingsParameters: ParameterTable = { ...ofOllama, prompt: supported(text) };
