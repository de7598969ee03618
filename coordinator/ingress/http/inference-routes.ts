import { createHmac } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { InferenceRequest, newJobId, type PrintedReceipt } from '#bus-schemas';
import type { Answer } from '#http-api/answer.ts';
import { StreamAnswer, WholeAnswer } from '#http-api/answer-writers.ts';
import { type ChatIntent, forwardedRequest, introspectChat } from '#http-api/core/introspect.ts';
import { type JsonObject, parseJson } from '#http-api/core/json.ts';
import { beginningsOf } from '#http-api/core/prefixes.ts';
import type { Surface } from '#http-api/core/surfaces/surface.ts';
import { surfaces } from '#http-api/core/surfaces/surfaces.ts';
import { ApiError } from '#http-api/errors.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import { takeOver } from '#http-api/respond.ts';
import { recountTerms } from '../core/recount.ts';
import type { Claim, IdempotentAnswers } from '../idempotent-answers.ts';
import type { JobSpec } from '../job-run.ts';
import type { Jobs } from '../jobs.ts';
import { relaySealing, type SealFor } from '../relay-sealing.ts';
import { type Auth, secretOf } from './authenticate.ts';
import { inferenceSchema } from './inference-schemas.ts';
import { type AdmissionDeps, admitJob, checkOpen } from './job-admission.ts';

export interface InferenceDeps extends AdmissionDeps {
  readonly auth: Auth;
  readonly idempotent: IdempotentAnswers;
  readonly jobs: Jobs;
  readonly now: () => number;
  readonly clock: () => number;
  readonly sealFor: SealFor;
  /** Memory for answers that are collected whole. */
  readonly memory: MemoryBudget;
  /** Returns the receipt of a job that has just ended. */
  readonly receiptOf: (asked: {
    account: string;
    job: string;
  }) => Promise<PrintedReceipt | undefined>;
  readonly heartbeatMs: number;
}

const MAX_IDEMPOTENCY_KEY = 255;

/** The routes that run a model. They differ only in the format of requests and answers. */
export function addInferenceRoutes(server: FastifyInstance, deps: InferenceDeps): void {
  for (const surface of surfaces) {
    const options = {
      config: { surface, isForBrowsers: true },
      onRequest: deps.auth.key,
      schema: inferenceSchema(surface.path),
    };
    server.post(surface.path, options, (request, reply) =>
      infer(surface, { request, reply, deps }),
    );
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
  checkOpen(deps);
  const body = parseJson(request.body);
  const intent = introspectChat(surface.lower(body));
  const { headers, refusal, job } = await admitJob(intent, request, deps);
  for (const [name, value] of Object.entries(headers)) reply.raw.setHeader(name, value);
  if (refusal !== undefined) throw refusal;
  const cacheScope = cacheScopeOf(secretOf(request));
  const id = newJobId();
  const { maxOutputTokens } = job;
  const spec: JobSpec = {
    ...job,
    id,
    receivedAt,
    streamed: intent.streamed,
    clientSeals: false,
    recount: recountTerms(intent.body),
    ...beginningsOf(intent.body, `${cacheScope} ${job.model.id}`),
    seal: relaySealing(deps.sealFor, id, {
      encoded: InferenceRequest.encode(forwardedRequest(intent, { maxOutputTokens, cacheScope })),
      topLogprobs: topLogprobsOf(intent.body),
    }),
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
 * Number of alternatives per token, or undefined without log probabilities. The chat contract has
 * been checked: `top_logprobs` is only valid with `logprobs`.
 */
function topLogprobsOf({ logprobs, top_logprobs: top }: JsonObject): number | undefined {
  return logprobs === true ? (typeof top === 'number' ? top : 0) : undefined;
}

/**
 * The cache scope: a digest that is the same for all prompts of one API key on one day. A provider
 * reuses cached prompts only within one scope.
 *
 * The attack: a customer sends guesses of another customer's prompt, and learns from a faster
 * answer that a guess is in the cache.
 */
function cacheScopeOf(secret: string): string {
  return createHmac('sha256', secret)
    .update(`dinf cache scope ${new Date().toISOString().slice(0, 10)}`)
    .digest('base64url');
}

/**
 * Claims the idempotency key of a request. Streams have no claim and are not stored: their client
 * has already seen a part of the answer.
 */
function claimOf(spec: JobSpec, surface: Surface, { request, deps }: Exchange) {
  const idempotencyKey = request.headers['idempotency-key'];
  if (idempotencyKey === undefined || spec.streamed) return undefined;
  if (
    typeof idempotencyKey !== 'string' ||
    idempotencyKey === '' ||
    idempotencyKey.length > MAX_IDEMPOTENCY_KEY
  ) {
    throw new ApiError(
      'invalid_request',
      `Idempotency-Key must have 1 to ${MAX_IDEMPOTENCY_KEY} characters.`,
      { param: 'Idempotency-Key' },
    );
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

interface AnswerRequest {
  readonly spec: JobSpec;
  readonly intent: ChatIntent;
  readonly body: JsonObject;
  readonly claim: Claim | undefined;
}

function answerFor(
  surface: Surface,
  { request, reply, deps }: Exchange,
  { spec, intent, body, claim }: AnswerRequest,
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
  if (!intent.streamed)
    return new WholeAnswer(options, deps.memory, claim && ((text) => claim.end(text)));
  const heartbeatMs = request.headers['x-dinf-heartbeat'] === 'off' ? 0 : deps.heartbeatMs;
  const receipt =
    request.headers['x-dinf-receipt'] === 'on'
      ? () => deps.receiptOf({ account: spec.account, job: spec.id })
      : undefined;
  return new StreamAnswer(options, heartbeatMs, receipt);
}

/**
 * Starts the job. With `outlivesClient`, the job goes on after its client has left: the answer is
 * paid for, and the client can fetch it with the same idempotency key.
 */
function start(
  spec: JobSpec,
  answer: Answer,
  { reply, deps, outlivesClient }: Exchange & { outlivesClient: boolean },
): void {
  const response = takeOver(reply, spec.id);
  const job = deps.jobs.start(spec, answer);
  response.on('drain', () => job.clientReady());
  if (outlivesClient) return;
  response.once('close', () => job.clientGone());
  if (response.destroyed) job.clientGone();
}
