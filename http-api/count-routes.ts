import type { FastifyInstance, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { type TObject, Type } from '#bus-schemas/type.ts';
import { type JsonObject, parseJson } from './core/json.ts';
import { documentedBody, ignoredHeader } from './core/parameters/parameter.ts';
import { type CountedPrompt, countedPrompt } from './core/prompt-text.ts';
import { messages } from './core/surfaces/messages.ts';
import { responses } from './core/surfaces/responses.ts';
import type { Surface } from './core/surfaces/surface.ts';

interface CountRoute {
  readonly path: string;
  readonly surface: Surface;
  readonly summary: string;
  /** Fields that the surface requires and that do not change the prompt. */
  readonly filling: JsonObject;
  readonly example: JsonObject;
  readonly reply: TObject;
  readonly print: (tokens: number) => object;
}

const Count = { input_tokens: Type.Integer() };
const ROUTES: readonly CountRoute[] = [
  {
    path: '/v1/messages/count_tokens',
    surface: messages,
    summary: "Count the input tokens of a conversation (Anthropic's Messages API)",
    filling: { max_tokens: 1 },
    example: { model: 'sim', messages: [{ role: 'user', content: 'Hello' }] },
    reply: Type.Object(Count),
    print: (tokens) => ({ input_tokens: tokens }),
  },
  {
    path: '/v1/responses/input_tokens',
    surface: responses,
    summary: "Count the input tokens of a conversation (OpenAI's Responses API)",
    filling: {},
    example: { model: 'sim', input: 'Hello' },
    reply: Type.Object({ object: Type.Literal('response.input_tokens'), ...Count }),
    print: (tokens) => ({ object: 'response.input_tokens', input_tokens: tokens }),
  },
];

export type CountCall = Pick<CountRoute, 'surface' | 'filling'> & {
  readonly request: FastifyRequest;
};

interface CountOptions extends Pick<RouteShorthandOptions, 'onRequest'> {
  /** Reads the request; in this thread unless it is given. */
  readonly read?: (call: CountCall) => Promise<CountedPrompt>;
  readonly count: (prompt: CountedPrompt, request: FastifyRequest) => Promise<number>;
}

export const promptOf = ({ surface, filling, request }: CountCall): CountedPrompt =>
  countedPrompt(surface, { ...filling, ...parseJson(request.body) });

/** Routes that count the tokens of a prompt without running a model. */
export function addCountRoutes(
  server: FastifyInstance,
  { read = async (call) => promptOf(call), count, onRequest = [] }: CountOptions,
): void {
  for (const { path, surface, summary, filling, example, reply, print } of ROUTES) {
    const schema = {
      summary,
      body: documentedBody(surface.parameters, Object.keys(filling)),
      tags: ['Inference'],
      security: [{ apiKey: [] }],
      'x-example': { body: example },
      response: { 200: reply },
      description:
        'The count is close to the one that is charged: the text is counted with the tokenizer of the model, and the marks between messages are estimated. Without a tokenizer, or for a very long text, four bytes count as one token. The call is free. It counts as one request of the key.',
    };
    const config = { surface, isForBrowsers: true };
    server.post(path, { config, onRequest, schema }, async (request, reply) => {
      const prompt = await read({ surface, filling, request });
      reply.headers(ignoredHeader(prompt.ignored));
      return print(await count(prompt, request));
    });
  }
}
