import type { FastifyReply } from 'fastify';
import { CollectedAnswer } from '#http-api/collected-answer.ts';
import {
  cancelledResponse,
  failedResponse,
  inProgress,
} from '#http-api/core/surfaces/response-resource.ts';
import { responses } from '#http-api/core/surfaces/responses.ts';
import type { AnswerHead } from '#http-api/core/surfaces/surface.ts';
import { ApiError } from '#http-api/errors.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import type { Claim } from '../idempotent-answers.ts';
import type { JobSpec } from '../job-spec.ts';
import type { Jobs } from '../jobs.ts';
import type { StoredRun } from '../stored/stored-runs.ts';

interface BackgroundResponse {
  readonly spec: JobSpec;
  readonly head: AnswerHead;
  readonly run: StoredRun;
  readonly claim: Claim | undefined;
  readonly reply: FastifyReply;
}

/**
 * Starts a job that no connection waits for, and answers with the response as it begins. The client
 * polls for its end.
 */
export async function answerInBackground(
  { spec, head, run, claim, reply }: BackgroundResponse,
  { jobs, memory }: { readonly jobs: Jobs; readonly memory: MemoryBudget },
): Promise<FastifyReply> {
  const answer = new CollectedAnswer({
    memory,
    onEnd: (result) =>
      void run.end(
        result instanceof ApiError
          ? failedResponse(inProgress(head), result.message)
          : { ...responses.whole(head, result) },
      ),
  });
  const job = jobs.start(spec, answer);
  run.canStop(() => {
    job.clientGone();
    return cancelledResponse(head, answer.takePart());
  });
  const text = JSON.stringify(inProgress(head));
  await claim?.end(text);
  return reply
    .header('x-inference-job-id', spec.id)
    .type('application/json; charset=utf-8')
    .serializer(String)
    .send(text);
}
