import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type CatalogModel, InferenceRequest, newJobId } from '#bus-schemas';
import type { Answer } from '../answer.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import { type ChatIntent, forwardedRequest, introspectChat } from '../core/introspect.ts';
import { type JsonObject, parseJson } from '../core/json.ts';
import { chat } from '../core/surfaces/chat.ts';
import { completions } from '../core/surfaces/completions.ts';
import { messages } from '../core/surfaces/messages.ts';
import { responses } from '../core/surfaces/responses.ts';
import type { Surface } from '../core/surfaces/surface.ts';
import { ApiError } from '../errors.ts';
import type { JobSpec } from '../job-run.ts';
import type { Jobs } from '../jobs.ts';
import type { KeyCache } from '../key-cache.ts';
import { StreamAnswer, WholeAnswer } from './answers.ts';
import { authenticateWith, callerOf } from './authenticate.ts';

export interface InferenceDeps {
  readonly keys: KeyCache;
  readonly catalog: CatalogCache;
  readonly jobs: Jobs;
  readonly now: () => number;
  readonly clock: () => number;
  readonly heartbeatMs: number;
  readonly isDraining: () => boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whose shape the errors of a route have; OpenAI's where there is none. */
    surface?: Surface;
  }
}

const surfaces: readonly Surface[] = [chat, responses, completions, messages];

/** Everything that makes a model work. The surfaces differ in what is read and written, and in nothing that is done. */
export function addInferenceRoutes(server: FastifyInstance, deps: InferenceDeps): void {
  for (const surface of surfaces) {
    const options = { config: { surface }, onRequest: authenticateWith(deps.keys) };
    server.post(surface.path, options, (request, reply) => infer(surface, { request, reply, deps }));
  }
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly deps: InferenceDeps;
}

async function infer(surface: Surface, exchange: Exchange): Promise<FastifyReply> {
  const { request, reply, deps } = exchange;
  const receivedAt = deps.clock();
  const { account, key } = callerOf(request);
  if (deps.isDraining()) throw new ApiError('draining');
  const body = parseJson(request.body);
  const intent = introspectChat(surface.lower(body));
  const model = await deps.catalog.model(intent.model);
  checkCapable(intent, model);
  const maxOutputTokens = outputLimit(intent, model);
  const spec: JobSpec = {
    id: newJobId(),
    account,
    key,
    model,
    streamed: intent.streamed,
    receivedAt,
    requires: intent.requires,
    only: intent.only,
    ignore: intent.ignore,
    request: InferenceRequest.encode(forwardedRequest(intent, maxOutputTokens)),
    promptEstimate: intent.promptEstimate,
    promptBound: intent.promptBound,
    maxOutputTokens,
  };
  start(spec, answerFor(surface, exchange, { spec, intent, body }), exchange);
  return reply;
}

function answerFor(
  surface: Surface,
  { request, reply, deps }: Exchange,
  { spec, intent, body }: { spec: JobSpec; intent: ChatIntent; body: JsonObject },
): Answer {
  const head = {
    job: spec.id,
    model: intent.model,
    createdSeconds: Math.floor(deps.now() / 1_000),
    includeUsage: intent.includeUsage,
    maxOutputTokens: spec.maxOutputTokens,
    request: body,
  };
  const options = { response: reply.raw, surface, head, requestId: request.id };
  if (!intent.streamed) return new WholeAnswer(options);
  return new StreamAnswer(options, request.headers['x-dinf-heartbeat'] === 'off' ? 0 : deps.heartbeatMs);
}

function start(spec: JobSpec, answer: Answer, { request, reply, deps }: Exchange): void {
  reply.hijack();
  const response = reply.raw;
  response.setHeader('x-request-id', request.id);
  response.setHeader('x-inference-job-id', spec.id);
  // Writing to a client that has just left is no event of its own: `close` tells of it.
  response.on('error', () => undefined);
  const job = deps.jobs.start(spec, answer);
  response.on('drain', () => job.clientReady());
  response.once('close', () => job.clientGone());
  if (response.destroyed) job.clientGone();
}

/** Where each trait is asked for, to name the field that asks too much. */
const TRAIT_FIELDS = { tools: 'tools', vision: 'messages', reasoning: 'reasoning_effort' } as const;

function checkCapable({ requires }: ChatIntent, { id, traits = [] }: CatalogModel): void {
  const missing = requires.find((trait) => !traits.includes(trait));
  if (missing !== undefined) throw new ApiError('invalid_request', `${id} cannot do this: it has no ${missing}.`, { param: TRAIT_FIELDS[missing] });
}

/** The smaller of what was asked for and what the model can give in one answer. */
function outputLimit(intent: ChatIntent, model: CatalogModel): number {
  const room = model.contextTokens - intent.promptEstimate;
  if (room < 1) throw new ApiError('context_length_exceeded', undefined, { param: 'messages' });
  return Math.min(intent.maxOutputTokens ?? model.maxOutputTokens, model.maxOutputTokens, room);
}
