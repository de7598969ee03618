import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { newJobId } from '#bus-schemas';
import { WholeAnswer } from '#http-api/answer-writers.ts';
import { withAnyContentType } from '#http-api/any-content-type.ts';
import type { EncodingSurface } from '#http-api/core/encodings/encoding-surface.ts';
import { encodingSurfaces } from '#http-api/core/encodings/encoding-surfaces.ts';
import { parseJson } from '#http-api/core/json.ts';
import { ignoredHeader } from '#http-api/core/parameters/parameter.ts';
import { takeOver } from '#http-api/respond.ts';
import { readEncoding } from '../bodies/encoding-work.ts';
import type { JobSpec } from '../job-spec.ts';
import { relaySealing } from '../relay-sealing.ts';
import { encodingSchema } from './encoding-schemas.ts';
import type { InferenceDeps } from './inference-exchange.ts';
import { admitJob, earlyRefusal, jobCallerOf, mayBegin } from './job-admission.ts';
import { largeBodyOf } from './large-request.ts';

interface EncodingExchange {
  readonly surface: EncodingSurface;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly deps: InferenceDeps;
}

/** The routes for embeddings and reranking. Their jobs take the same path as those for answers. */
export function addEncodingRoutes(server: FastifyInstance, deps: InferenceDeps): void {
  for (const surface of encodingSurfaces) {
    const options = {
      config: { surface, isForBrowsers: true },
      onRequest: [earlyRefusal(deps), deps.auth.key],
      schema: encodingSchema(surface.path),
    };
    const add = (scope: FastifyInstance) => {
      scope.post(surface.path, options, (request, reply) =>
        encode({ surface, request, reply, deps }),
      );
    };
    if (surface.readsAnyContentType) withAnyContentType(server, add);
    else add(server);
  }
}

async function encode(exchange: EncodingExchange): Promise<FastifyReply> {
  const { surface, request, reply, deps } = exchange;
  await mayBegin(deps);
  const receivedAt = deps.clock();
  await using large = await largeBodyOf(request, deps.bodies);
  const body = large?.fields ?? parseJson(request.body);
  const { wish, results, encoded } =
    (await large?.encoding(surface)) ?? readEncoding(surface, body);
  const { headers, refusal, job } = await admitJob(wish, jobCallerOf(request), deps);
  const all = { ...headers, ...ignoredHeader(wish.ignored) };
  for (const [name, value] of Object.entries(all)) reply.raw.setHeader(name, value);
  if (refusal !== undefined) throw refusal;
  const id = newJobId();
  const spec: JobSpec = {
    ...job,
    id,
    receivedAt,
    streamed: false,
    clientSeals: false,
    // Results have no text that a tokenizer could count again.
    recount: undefined,
    // No machine keeps anything of an encoding that a later request could use.
    conversation: id,
    prefixes: [],
    seal: relaySealing(deps.sealFor, id, { encoded, topLogprobs: undefined, results }),
  };
  const nowSeconds = () => Math.floor(deps.now() / 1_000);
  const head = {
    job: id,
    model: wish.model,
    createdSeconds: nowSeconds(),
    nowSeconds,
    includeUsage: false,
    maxOutputTokens: job.maxOutputTokens,
    promptTokens: { estimate: wish.promptEstimate, bound: wish.promptBound },
    // Of what is long, an answer repeats only the documents of a rerank.
    request: (await large?.resolved(body, () => body['return_documents'] === true)) ?? body,
  };
  const response = takeOver(reply, id);
  const answer = new WholeAnswer({ response, surface, head, requestId: request.id }, deps.memory);
  const run = deps.jobs.start(spec, answer);
  response.on('drain', () => run.clientReady());
  response.once('close', () => run.clientGone());
  if (response.destroyed) run.clientGone();
  return reply;
}
