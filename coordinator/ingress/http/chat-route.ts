import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type CatalogModel, InferenceRequest, newJobId } from '#bus-schemas';
import type { CatalogCache } from '../catalog-cache.ts';
import { type ChatIntent, forwardedRequest, introspectChat, parseJson } from '../core/introspect.ts';
import { ApiError } from '../errors.ts';
import type { JobSpec } from '../job-run.ts';
import type { Jobs } from '../jobs.ts';
import type { KeyCache } from '../key-cache.ts';
import { authenticateWith, callerOf } from './authenticate.ts';
import { ChatStreamAnswer, ChatWholeAnswer } from './chat-answers.ts';

export interface ChatRouteDeps {
  readonly keys: KeyCache;
  readonly catalog: CatalogCache;
  readonly jobs: Jobs;
  readonly now: () => number;
  readonly isDraining: () => boolean;
}

export function addChatRoute(server: FastifyInstance, deps: ChatRouteDeps): void {
  server.post('/v1/chat/completions', { onRequest: authenticateWith(deps.keys) }, (request, reply) => chat(request, reply, deps));
}

async function chat(request: FastifyRequest, reply: FastifyReply, deps: ChatRouteDeps): Promise<FastifyReply> {
  const { account, key } = callerOf(request);
  if (deps.isDraining()) throw new ApiError('draining');
  const intent = introspectChat(parseJson(bodyOf(request)));
  const model = await deps.catalog.model(intent.model);
  const maxOutputTokens = outputLimit(intent, model);
  const spec: JobSpec = {
    id: newJobId(),
    account,
    key,
    model,
    streamed: intent.streamed,
    request: InferenceRequest.encode(forwardedRequest(intent, maxOutputTokens)),
    promptEstimate: intent.promptEstimate,
    promptBound: intent.promptBound,
    maxOutputTokens,
  };
  start(spec, intent, { request, reply, deps });
  return reply;
}

function start(spec: JobSpec, intent: ChatIntent, { request, reply, deps }: { request: FastifyRequest; reply: FastifyReply; deps: ChatRouteDeps }): void {
  reply.hijack();
  const response = reply.raw;
  response.setHeader('x-request-id', request.id);
  response.setHeader('x-inference-job-id', spec.id);
  // Writing to a client that has just left is no event of its own: `close` tells of it.
  response.on('error', () => undefined);
  const head = { job: spec.id, model: intent.model, createdSeconds: Math.floor(deps.now() / 1_000) };
  const answer = intent.streamed ? new ChatStreamAnswer(response, head, intent) : new ChatWholeAnswer(response, head);
  const job = deps.jobs.start(spec, answer);
  response.on('drain', () => job.clientReady());
  response.once('close', () => job.clientGone());
  if (response.destroyed) job.clientGone();
}

/** The smaller of what was asked for and what the model can give in one answer. */
function outputLimit(intent: ChatIntent, model: CatalogModel): number {
  const room = model.contextTokens - intent.promptEstimate;
  if (room < 1) throw new ApiError('context_length_exceeded', undefined, { param: 'messages' });
  return Math.min(intent.maxOutputTokens ?? model.maxOutputTokens, model.maxOutputTokens, room);
}

function bodyOf(request: FastifyRequest): Buffer {
  if (!Buffer.isBuffer(request.body)) throw new ApiError('invalid_json', 'The request has no body.');
  return request.body;
}
