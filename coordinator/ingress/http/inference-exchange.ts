import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { PrintedReceipt } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { TokenCounter } from '#coordinator/tokenizers/token-counter.ts';
import type { Answer } from '#http-api/answer.ts';
import { StreamAnswer, WholeAnswer } from '#http-api/answer-writers.ts';
import type { JsonObject } from '#http-api/core/json.ts';
import { eventData, type Surface } from '#http-api/core/surfaces/surface.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import { takeOver } from '#http-api/respond.ts';
import type { LargeBody } from '../bodies/request-body.ts';
import type { Claim, IdempotentAnswers } from '../idempotent-answers.ts';
import type { Jobs } from '../jobs.ts';
import type { StoredRun, StoredRuns } from '../stored/stored-runs.ts';
import { type Auth, secretOf } from './authenticate.ts';
import { jobCallerOf } from './job-admission.ts';
import { type PrepareDeps, type PreparedJob, prepareJob } from './prepare-job.ts';

export interface InferenceDeps extends PrepareDeps {
  readonly auth: Auth;
  readonly bus: Bus;
  readonly idempotent: IdempotentAnswers;
  readonly storedRuns: StoredRuns;
  readonly jobs: Jobs;
  /** Memory for answers that are collected whole. */
  readonly memory: MemoryBudget;
  /** Returns the receipt of a job that has just ended. */
  readonly receiptOf: (asked: {
    account: string;
    job: string;
  }) => Promise<PrintedReceipt | undefined>;
  readonly heartbeatMs: number;
  readonly counter: TokenCounter;
  /** The folder that contains the tokenizers. */
  readonly home: string;
  readonly log: Logger;
}

/** A request for an answer of a model, and the means to answer it. */
export interface InferenceExchange {
  readonly surface: Surface;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly deps: InferenceDeps;
  /** The body of the request in its thread; undefined if it is small. */
  readonly large: LargeBody | undefined;
}

/** A prepared job, with what its end stores. */
export interface ReadyJob extends PreparedJob {
  /** The claim of its idempotency key. */
  readonly claim: Claim | undefined;
  /** Its response, if this is stored or continues a conversation. */
  readonly run: StoredRun | undefined;
}

/** Prepares the job of a request, and sets the headers of its answer. */
export async function prepareExchange(
  body: JsonObject,
  { surface, request, reply, deps, large }: InferenceExchange,
): Promise<PreparedJob> {
  const job = await prepareJob(
    { surface, body, caller: jobCallerOf(request), secret: secretOf(request), large },
    deps,
  );
  for (const [name, value] of Object.entries(job.headers)) reply.raw.setHeader(name, value);
  if (job.refusal !== undefined) throw job.refusal;
  return job;
}

export function answerFor(
  { spec, wish, head, claim, run }: ReadyJob,
  { surface, request, reply, deps }: InferenceExchange,
): Answer {
  const options = { response: reply.raw, surface, head, requestId: request.id };
  /** Stores the end of the response, or removes the response after an error. */
  const store = (response: JsonObject | undefined): Promise<void> | undefined =>
    response === undefined ? run?.giveUp() : run?.end(response);
  if (!wish.streamed)
    return new WholeAnswer(options, deps.memory, {
      outlivesClient: claim !== undefined,
      ...((run || claim) && {
        beforeEnd: async (text) => {
          await store(text === undefined ? undefined : JSON.parse(text));
          await claim?.end(text);
        },
      }),
    });
  const heartbeatMs = request.headers['x-dinf-heartbeat'] === 'off' ? 0 : deps.heartbeatMs;
  const receipt =
    request.headers['x-dinf-receipt'] === 'on' && surface.streamType === undefined
      ? () => deps.receiptOf({ account: spec.account, job: spec.id })
      : undefined;
  const beforeEnd =
    run &&
    (async (events: string | undefined) => {
      const last = events === undefined ? undefined : eventData(events).at(-1);
      await store(last === undefined ? undefined : JSON.parse(last).response);
    });
  return new StreamAnswer(options, heartbeatMs, { receipt, beforeEnd });
}

/**
 * Starts the job. A job with a claim goes on after its client has left: the answer is paid for, and
 * the client can fetch it with the same idempotency key.
 */
export function startJob(
  { spec, claim, run }: ReadyJob,
  answer: Answer,
  { reply, deps }: InferenceExchange,
): void {
  const response = takeOver(reply, spec.id);
  const job = deps.jobs.start(spec, answer);
  response.on('drain', () => job.clientReady());
  if (claim !== undefined) return;
  const gone = () => {
    job.clientGone();
    void run?.giveUp();
  };
  response.once('close', gone);
  if (response.destroyed) gone();
}
