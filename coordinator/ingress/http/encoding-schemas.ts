import { type TObject, type TSchema, Type } from '#bus-schemas/type.ts';
import {
  embeddingsParameters,
  ollamaEmbeddingsParameters,
  ollamaEmbedParameters,
  rerankParameters,
} from '#http-api/core/parameters/encoding-parameters.ts';
import { documentedBody } from '#http-api/core/parameters/parameter.ts';

/** Documentation of the routes for embeddings and reranking. */

interface Described {
  readonly summary: string;
  readonly body: TObject;
  readonly reply: TSchema;
  readonly example: object;
}

const Numbers = Type.Array(Type.Number());
const Usage = Type.Object({ prompt_tokens: Type.Integer(), total_tokens: Type.Integer() });

const described: Readonly<Record<string, Described>> = {
  '/v1/embeddings': {
    summary: 'Compute the vectors of texts (OpenAI)',
    body: documentedBody(embeddingsParameters),
    reply: Type.Object({
      object: Type.Literal('list'),
      data: Type.Array(
        Type.Object({
          object: Type.Literal('embedding'),
          index: Type.Integer(),
          embedding: Type.Union([Numbers, Type.String()]),
        }),
      ),
      model: Type.String(),
      usage: Usage,
    }),
    example: { model: 'sim-embed', input: ['Hello', 'Good morning'] },
  },
  '/v1/rerank': {
    summary: 'Order documents by their relevance to a query (Cohere, Jina)',
    body: documentedBody(rerankParameters),
    reply: Type.Object({
      id: Type.String(),
      object: Type.Literal('list'),
      model: Type.String(),
      results: Type.Array(
        Type.Object({
          index: Type.Integer(),
          relevance_score: Type.Number(),
          document: Type.Optional(Type.Object({ text: Type.String() })),
        }),
      ),
      usage: Usage,
    }),
    example: {
      model: 'sim-rerank',
      query: 'What does a leaf do?',
      documents: ['A leaf turns light into sugar.', 'The train leaves at noon.'],
      top_n: 1,
    },
  },
  '/api/embed': {
    summary: 'Compute the vectors of texts (Ollama)',
    body: documentedBody(ollamaEmbedParameters),
    reply: Type.Object({
      model: Type.String(),
      embeddings: Type.Array(Numbers),
      total_duration: Type.Integer(),
      load_duration: Type.Integer(),
      prompt_eval_count: Type.Integer(),
    }),
    example: { model: 'sim-embed', input: 'Hello' },
  },
  '/api/embeddings': {
    summary: 'Compute the vector of a text (Ollama, superseded by /api/embed)',
    body: documentedBody(ollamaEmbeddingsParameters),
    reply: Type.Object({ embedding: Numbers }),
    example: { model: 'sim-embed', prompt: 'Hello' },
  },
};

export function encodingSchema(path: string) {
  const { summary, body, reply, example } = described[path] as Described;
  return {
    summary,
    body,
    tags: ['Inference'],
    security: [{ apiKey: [] }],
    'x-example': { body: example },
    response: { 200: reply },
    description:
      'The models have the feature `embeddings` or `rerank` in `/v1/models`. Input tokens are billed at the price of the prompt, and each result as one output token. ' +
      '[parameters.md](parameters.md) lists all fields. The header `X-Dinf-Ignored` of the answer names the fields without effect. ' +
      '`X-Dinf-Route: self` allows only your own machines, `prefer` tries them first. ' +
      '`Idempotency-Key` has no effect on these routes: results, which can have many megabytes, are not stored, and a request that is sent twice is computed and billed twice.',
  };
}
