import { StreamedChoices, WholeChoices } from '#http-api/choice-answers.ts';
import { invalid, isGiven, type JsonObject } from '#http-api/core/json.ts';
import type { ChoiceFormat } from '#http-api/core/surfaces/surface.ts';
import { takeOver } from '#http-api/respond.ts';
import type { JobRun } from '../job-run.ts';
import { JointHold } from '../joint-hold.ts';
import { type InferenceExchange, prepareExchange } from './inference-exchange.ts';
import type { PreparedJob } from './prepare-job.ts';

/** Header with the ids of the jobs of all choices, in the order of their index. */
const JOB_IDS = 'x-inference-job-ids';

/**
 * Answers a request for several choices with one job for each. All are checked and counted against
 * the rate limits before the first one starts, which sets money aside for all of them. The others
 * start when the first one has begun: routing then prefers its machine, which has the prompt in its
 * cache.
 */
export async function answerChoices(
  bodies: readonly JsonObject[],
  format: ChoiceFormat,
  exchange: InferenceExchange,
): Promise<void> {
  const { request } = exchange;
  if (request.headers['idempotency-key'] !== undefined)
    throw invalid('n', 'A request with an Idempotency-Key has one choice.');
  if (request.headers['x-dinf-receipt'] === 'on' && bodies[0]?.['stream'] === true)
    throw invalid(
      'n',
      'A stream with X-Dinf-Receipt has one choice. Each choice has its own receipt.',
    );
  if (isGiven(bodies[0]?.['models']))
    throw invalid('models', 'A request for several choices names one model.');
  const jobs: PreparedJob[] = [];
  for (const body of bodies) jobs.push(await prepareExchange(body, exchange));
  const [first, ...others] = jobs;
  if (first === undefined) return;
  startChoices(heldTogether([first, ...others]), format, exchange);
}

type Jobs = readonly [PreparedJob, ...PreparedJob[]];

function heldTogether([first, ...others]: Jobs): Jobs {
  const jointHold = new JointHold([first.spec, ...others.map(({ spec }) => spec)]);
  const held = (job: PreparedJob) => ({ ...job, spec: { ...job.spec, jointHold } });
  return [held(first), ...others.map(held)];
}

function startChoices(
  jobs: Jobs,
  format: ChoiceFormat,
  { surface, request, reply, deps }: InferenceExchange,
): void {
  const [first] = jobs;
  const response = takeOver(reply, first.spec.id);
  response.setHeader(JOB_IDS, jobs.map(({ spec }) => spec.id).join(', '));
  const runs: JobRun[] = [];
  const start = (job: PreparedJob, index: number) => {
    runs.push(deps.jobs.start(job.spec, choices.of(index)));
  };
  const options = {
    response,
    surface,
    format,
    heads: jobs.map((_, choice) => ({ ...first.head, choice })),
    requestId: request.id,
    onBegun: () => {
      if (response.destroyed) return;
      for (const [index, job] of jobs.entries()) if (index > 0) start(job, index);
    },
  };
  const heartbeatMs = request.headers['x-dinf-heartbeat'] === 'off' ? 0 : deps.heartbeatMs;
  const choices = first.wish.streamed
    ? new StreamedChoices(options, heartbeatMs)
    : new WholeChoices(options, deps.memory);
  response.on('drain', () => {
    for (const run of runs) run.clientReady();
  });
  const gone = () => {
    for (const run of runs) run.clientGone();
  };
  response.once('close', gone);
  start(first, 0);
  if (response.destroyed) gone();
}
