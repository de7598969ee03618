import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { PrintedReceipt } from '#bus-schemas';
import type { Answer } from '#http-api/answer.ts';
import { StreamAnswer, WholeAnswer } from '#http-api/answer-writers.ts';
import { withAnyContentType } from '#http-api/any-content-type.ts';
import { wantedModels } from '#http-api/core/fallback-models.ts';
import { invalid, isGiven, type JsonObject, parseJson } from '#http-api/core/json.ts';
import { responses } from '#http-api/core/surfaces/responses.ts';
import type { Surface } from '#http-api/core/surfaces/surface.ts';
import { surfaces } from '#http-api/core/surfaces/surfaces.ts';
import { ApiError } from '#http-api/errors.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import { takeOver } from '#http-api/respond.ts';
import type { Claim, IdempotentAnswers } from '../idempotent-answers.ts';
import type { JobSpec } from '../job-spec.ts';
import type { Jobs } from '../jobs.ts';
import { type Auth, keyOf, secretOf } from './authenticate.ts';
import { compactionFor } from './compaction.ts';
import { answerWithFirst } from './fallback-answer.ts';
import { inferenceSchema } from './inference-schemas.ts';
import { checkOpen } from './job-admission.ts';
import { type PrepareDeps, type PreparedJob, prepareJob } from './prepare-job.ts';

export interface InferenceDeps extends PrepareDeps {
  readonly auth: Auth;
  readonly idempotent: IdempotentAnswers;
  readonly jobs: Jobs;
  /** Memory for answers that are collected whole. */
  readonly memory: MemoryBudget;
  /** Returns the receipt of a job that has just ended. */
  readonly receiptOf: (asked: {
    account: string;
    job: string;
  }) => Promise<PrintedReceipt | undefined>;
  readonly heartbeatMs: number;
  readonly log: Logger;
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
    const add = (scope: FastifyInstance) => {
      scope.post(surface.path, options, (request, reply) =>
        infer(surface, { request, reply, deps }),
      );
    };
    if (surface.readsAnyContentType) withAnyContentType(server, add);
    else add(server);
  }
  server.post(
    '/v1/responses/compact',
    {
      config: { surface: responses, isForBrowsers: true },
      onRequest: deps.auth.key,
      schema: inferenceSchema('/v1/responses/compact'),
    },
    (request, reply) => {
      const owner = { account: keyOf(request).account, secret: secretOf(request) };
      return infer(compactionFor(owner), { request, reply, deps });
    },
  );
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly deps: InferenceDeps;
}

async function infer(surface: Surface, exchange: Exchange): Promise<FastifyReply> {
  const { request, reply, deps } = exchange;
  checkOpen(deps);
  const asked = parseJson(request.body);
  const hasFallbacks = Object.hasOwn(surface.parameters, 'models') && isGiven(asked['models']);
  if (hasFallbacks) return inferWithFallbacks(surface, asked, exchange);
  const job = await prepare(surface, asked, exchange);
  const claim = await claimOf(job.spec, surface, exchange);
  if (claim !== undefined && 'answer' in claim) {
    return reply
      .header('x-inference-job-id', claim.job)
      .header('idempotent-replayed', 'true')
      .type('application/json; charset=utf-8')
      .serializer(String)
      .send(claim.answer);
  }
  const answer = answerFor(surface, exchange, { ...job, claim: claim?.claim });
  start(job.spec, answer, { ...exchange, outlivesClient: claim !== undefined });
  return reply;
}

async function prepare(
  surface: Surface,
  body: JsonObject,
  { request, reply, deps }: Exchange,
): Promise<PreparedJob> {
  const { headers, ...job } = await prepareJob({ surface, body, request }, deps);
  for (const [name, value] of Object.entries(headers)) reply.raw.setHeader(name, value);
  if (job.refusal !== undefined) throw job.refusal;
  return { headers, ...job };
}

/** Answers with the first model that can, in the order of the request. */
async function inferWithFallbacks(
  surface: Surface,
  asked: JsonObject,
  exchange: Exchange,
): Promise<FastifyReply> {
  const { request, reply, deps } = exchange;
  if (request.headers['idempotency-key'] !== undefined)
    throw invalid('models', 'A request with an Idempotency-Key names one model.');
  const { models, body } = wantedModels(asked);
  await answerWithFirst(models, {
    prepare: (model) => prepare(surface, { ...body, model }, exchange),
    answer: (job) => answerFor(surface, exchange, { ...job, claim: undefined }),
    start: ({ spec }, answer) => start(spec, answer, { ...exchange, outlivesClient: false }),
    isGone: () => reply.raw.destroyed,
    onFailure: (err) =>
      deps.log.error({ request: request.id, err }, 'a fallback model could not be tried'),
  });
  return reply;
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

interface AnsweredJob extends Pick<PreparedJob, 'spec' | 'intent' | 'head'> {
  readonly claim: Claim | undefined;
}

function answerFor(
  surface: Surface,
  { request, reply, deps }: Exchange,
  { spec, intent, head, claim }: AnsweredJob,
): Answer {
  const options = { response: reply.raw, surface, head, requestId: request.id };
  if (!intent.streamed)
    return new WholeAnswer(options, deps.memory, claim && ((text) => claim.end(text)));
  const heartbeatMs = request.headers['x-dinf-heartbeat'] === 'off' ? 0 : deps.heartbeatMs;
  const receipt =
    request.headers['x-dinf-receipt'] === 'on' && surface.streamType === undefined
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
