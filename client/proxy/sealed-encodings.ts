import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { WholeAnswer } from '#http-api/answer-writers.ts';
import { withAnyContentType } from '#http-api/any-content-type.ts';
import { encodingIntent } from '#http-api/core/encodings/encoding-intent.ts';
import type { EncodingSurface } from '#http-api/core/encodings/encoding-surface.ts';
import { encodingSurfaces } from '#http-api/core/encodings/encoding-surfaces.ts';
import { parseJson } from '#http-api/core/json.ts';
import { ignoredHeader } from '#http-api/core/parameters/parameter.ts';
import { ApiError } from '#http-api/errors.ts';
import { takeOver } from '#http-api/respond.ts';
import { encodeSealed } from '../mod.ts';
import { apiErrorOf } from './proxy-errors.ts';
import type { SealedDeps } from './sealed-surfaces.ts';
import { servingDetailsOf } from './serving-details.ts';

/** The routes for embeddings and reranking, on the customer's machine. */
export function addSealedEncodings(server: FastifyInstance, deps: SealedDeps): void {
  for (const surface of encodingSurfaces) {
    const add = (scope: FastifyInstance) => {
      scope.post(surface.path, { config: { surface } }, (request, reply) =>
        encode(surface, request, reply, deps),
      );
    };
    if (surface.readsAnyContentType) withAnyContentType(server, add);
    else add(server);
  }
}

async function encode(
  surface: EncodingSurface,
  request: FastifyRequest,
  reply: FastifyReply,
  { client, authorizationOf, memory }: SealedDeps,
): Promise<FastifyReply> {
  const authorization = authorizationOf(request);
  const body = parseJson(request.body);
  const {
    task,
    model,
    ignored,
    promptEstimate,
    promptBound,
    body: fields,
  } = encodingIntent(surface, body);
  for (const [name, value] of Object.entries(ignoredHeader(ignored)))
    reply.raw.setHeader(name, value);
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const route = request.headers['x-dinf-route']?.toString();
  const createdSeconds = nowSeconds();
  const { serving, text, end } = await encodeSealed({
    client,
    task,
    wish: { model, provider: fields['provider'], route },
    authorization,
    signal: gone.signal,
  }).catch((error: unknown) => {
    throw apiErrorOf(error);
  });
  const head = {
    job: serving.job,
    model,
    createdSeconds,
    nowSeconds,
    includeUsage: false,
    maxOutputTokens: serving.maxTokens,
    promptTokens: { estimate: promptEstimate, bound: promptBound },
    request: body,
  };
  const options = { response: takeOver(reply, serving.job), surface, head, requestId: request.id };
  const answer = new WholeAnswer(options, memory);
  answer.serving(servingDetailsOf(serving));
  const isFull = answer.write([{ k: 'text', text, tokens: serving.maxTokens }]) === 'full';
  if (isFull) answer.reject(new ApiError('service_unavailable', MEMORY_FULL));
  else answer.finish(end);
  return reply;
}

const MEMORY_FULL =
  'The memory of this proxy for answers is full. Try again later, with fewer texts.';
const nowSeconds = () => Math.floor(Date.now() / 1_000);
