import { createHmac } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type CatalogModel, InferenceRequest, newJobId } from '#bus-schemas';
import type { Answer } from '../answer.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import { type ChatIntent, forwardedRequest, introspectChat } from '../core/introspect.ts';
import { type JsonObject, parseJson } from '../core/json.ts';
import { beginningsOf } from '../core/prefixes.ts';
import { withinPrice, withQuantizations } from '../core/provider-preferences.ts';
import { chat } from '../core/surfaces/chat.ts';
import { completions } from '../core/surfaces/completions.ts';
import { messages } from '../core/surfaces/messages.ts';
import { responses } from '../core/surfaces/responses.ts';
import type { Surface } from '../core/surfaces/surface.ts';
import { ApiError } from '../errors.ts';
import type { Claim, IdempotentAnswers } from '../idempotent-answers.ts';
import type { JobSpec } from '../job-run.ts';
import type { Jobs } from '../jobs.ts';
import type { KeyPolicy, WantedMachines } from '../key-policy.ts';
import type { ProviderPrices } from '../provider-prices.ts';
import { StreamAnswer, WholeAnswer } from './answers.ts';
import { type Auth, keyOf, secretOf } from './authenticate.ts';
import { inferenceSchema } from './inference-schemas.ts';

export interface InferenceDeps {
  readonly auth: Auth;
  readonly policy: KeyPolicy;
  readonly idempotent: IdempotentAnswers;
  readonly catalog: CatalogCache;
  readonly jobs: Jobs;
  readonly now: () => number;
  readonly clock: () => number;
  readonly prices: ProviderPrices;
  readonly heartbeatMs: number;
  readonly isDraining: () => boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whose shape the errors of a route have; OpenAI's where there is none. */
    surface?: Surface;
  }
}

const MAX_IDEMPOTENCY_KEY = 255;

const surfaces: readonly Surface[] = [chat, responses, completions, messages];

/** Everything that makes a model work. The surfaces differ in what is read and written, and in nothing that is done. */
export function addInferenceRoutes(server: FastifyInstance, deps: InferenceDeps): void {
  for (const surface of surfaces) {
    const options = { config: { surface }, onRequest: deps.auth.key, schema: inferenceSchema(surface.path) };
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
  const caller = keyOf(request);
  if (deps.isDraining()) throw new ApiError('draining');
  const body = parseJson(request.body);
  const intent = introspectChat(surface.lower(body));
  const offered = await deps.catalog.model(intent.model);
  deps.policy.checkModel(caller, intent.model, offered);
  checkCapable(intent, offered);
  const model = withQuantizations(offered, intent.quantizations);
  const maxOutputTokens = outputLimit(intent, model);
  const machines = await deps.policy.machinesFor(caller, intent, request.headers['x-dinf-route']);
  const { headers, refusal } = await deps.policy.take(caller, { inputTokens: intent.promptEstimate, outputTokens: maxOutputTokens });
  for (const [name, value] of Object.entries(headers)) reply.raw.setHeader(name, value);
  if (refusal !== undefined) throw refusal;
  const cacheScope = cacheScopeOf(secretOf(request));
  const spec: JobSpec = {
    id: newJobId(),
    account: caller.account,
    key: caller.key,
    model,
    streamed: intent.streamed,
    receivedAt,
    requires: intent.requires,
    ...(await whoServes(intent, model, machines, deps.prices)),
    ...beginningsOf(intent.body, `${cacheScope} ${model.id}`),
    request: InferenceRequest.encode(forwardedRequest(intent, { maxOutputTokens, cacheScope })),
    promptEstimate: intent.promptEstimate,
    promptBound: intent.promptBound,
    maxOutputTokens,
  };
  const claim = await claimOf(spec, surface, exchange);
  if (claim !== undefined && 'answer' in claim) {
    return reply
      .header('x-inference-job-id', claim.job)
      .header('idempotent-replayed', 'true')
      .type('application/json; charset=utf-8')
      .serializer(String)
      .send(claim.answer);
  }
  const answer = answerFor(surface, exchange, { spec, intent, body, claim: claim?.claim });
  start(spec, answer, { ...exchange, outlivesClient: claim !== undefined });
  return reply;
}

/**
 * By which a provider knows that two prompts come from the same key, on the same day, and nothing else: what one customer's prompt
 * has left in a cache must not answer another one faster.
 */
function cacheScopeOf(secret: string): string {
  return createHmac('sha256', secret)
    .update(`dinf cache scope ${new Date().toISOString().slice(0, 10)}`)
    .digest('base64url');
}

/** Streams are not kept: who loses one has seen a part of it. */
function claimOf(spec: JobSpec, surface: Surface, { request, deps }: Exchange) {
  const idempotencyKey = request.headers['idempotency-key'];
  if (idempotencyKey === undefined || spec.streamed) return undefined;
  if (typeof idempotencyKey !== 'string' || idempotencyKey === '' || idempotencyKey.length > MAX_IDEMPOTENCY_KEY) {
    throw new ApiError('invalid_request', `Idempotency-Key must have 1 to ${MAX_IDEMPOTENCY_KEY} characters.`, { param: 'Idempotency-Key' });
  }
  return deps.idempotent.begin({
    account: spec.account,
    secret: secretOf(request),
    idempotencyKey,
    path: surface.path,
    body: request.body as Buffer,
    job: spec.id,
  });
}

interface Asked {
  readonly spec: JobSpec;
  readonly intent: ChatIntent;
  readonly body: JsonObject;
  readonly claim: Claim | undefined;
}

function answerFor(surface: Surface, { request, reply, deps }: Exchange, { spec, intent, body, claim }: Asked): Answer {
  const head = {
    job: spec.id,
    model: intent.model,
    createdSeconds: Math.floor(deps.now() / 1_000),
    includeUsage: intent.includeUsage,
    maxOutputTokens: spec.maxOutputTokens,
    request: body,
  };
  const options = { response: reply.raw, surface, head, requestId: request.id };
  if (!intent.streamed) return new WholeAnswer(options, (text) => claim?.end(text));
  return new StreamAnswer(options, request.headers['x-dinf-heartbeat'] === 'off' ? 0 : deps.heartbeatMs);
}

/** A request that may be asked for again goes on without its client: the answer is paid for, and will be fetched. */
function start(spec: JobSpec, answer: Answer, { request, reply, deps, outlivesClient }: Exchange & { outlivesClient: boolean }): void {
  reply.hijack();
  const response = reply.raw;
  response.setHeader('x-request-id', request.id);
  response.setHeader('x-inference-job-id', spec.id);
  // Writing to a client that has just left is no event of its own: `close` tells of it.
  response.on('error', () => undefined);
  const job = deps.jobs.start(spec, answer);
  response.on('drain', () => job.clientReady());
  if (outlivesClient) return;
  response.once('close', () => job.clientGone());
  if (response.destroyed) job.clientGone();
}

/** Where each trait is asked for, to name the field that asks too much. */
const TRAIT_FIELDS = { tools: 'tools', vision: 'messages', reasoning: 'reasoning_effort' } as const;

/** Who may serve and who is asked first, by all that the caller says of it. His own machines cost him nothing, whatever he would pay at most. */
async function whoServes(
  { ignore, prefers, price }: ChatIntent,
  model: CatalogModel,
  machines: WantedMachines,
  prices: ProviderPrices,
): Promise<Pick<JobSpec, 'machines' | 'ignore' | 'prefers' | 'maxPrice'>> {
  if (price === undefined || machines.areOwn) return { machines, ignore, prefers, maxPrice: undefined };
  const { only, ignore: tooDear, order } = withinPrice(price, model, await prices.of(model.id));
  const inReach = only === undefined ? machines.only : (machines.only?.filter((id) => only.includes(id)) ?? only);
  return {
    machines: { ...machines, only: inReach },
    ignore: [...ignore, ...tooDear],
    prefers: order.length === 0 ? prefers : { order: [...order], ...prefers },
    maxPrice: price.max,
  };
}

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
