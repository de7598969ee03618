import type { FastifyInstance, FastifyReply } from 'fastify';
import { withAnyContentType } from '#http-api/any-content-type.ts';
import { wantedChoices } from '#http-api/core/choices.ts';
import { wantedModels } from '#http-api/core/fallback-models.ts';
import { invalid, isGiven } from '#http-api/core/json.ts';
import { completions } from '#http-api/core/surfaces/completions.ts';
import { responses } from '#http-api/core/surfaces/responses.ts';
import { surfaces } from '#http-api/core/surfaces/surfaces.ts';
import type { LargeField } from '../bodies/large-fields.ts';
import { keyOf, ownerOf } from './authenticate.ts';
import { answerInBackground } from './background-response.ts';
import { answerChoices } from './choices-exchange.ts';
import { COMPACTION_PATH, compactionFor } from './compaction.ts';
import { answerWithFirst } from './fallback-answer.ts';
import { claimOf } from './idempotency-key.ts';
import {
  answerFor,
  type InferenceDeps,
  type InferenceExchange,
  prepareExchange,
  startJob,
} from './inference-exchange.ts';
import { inferenceSchema } from './inference-schemas.ts';
import { earlyRefusal, mayBegin } from './job-admission.ts';
import { largeBodyOf } from './large-request.ts';
import { openRequestState, type RequestState } from './stored-state.ts';
import { withTextPrompts } from './token-prompts.ts';

/** The routes that run a model. They differ only in the format of requests and answers. */
export function addInferenceRoutes(server: FastifyInstance, deps: InferenceDeps): void {
  for (const surface of surfaces) {
    const options = {
      config: { surface, isForBrowsers: true },
      onRequest: [earlyRefusal(deps), deps.auth.key],
      schema: inferenceSchema(surface.path),
    };
    const add = (scope: FastifyInstance) => {
      scope.post(surface.path, options, (request, reply) =>
        inferBody({ surface, request, reply, deps }),
      );
    };
    if (surface.readsAnyContentType) withAnyContentType(server, add);
    else add(server);
  }
  server.post(
    COMPACTION_PATH,
    {
      config: { surface: responses, isForBrowsers: true },
      onRequest: [earlyRefusal(deps), deps.auth.key],
      schema: inferenceSchema(COMPACTION_PATH),
    },
    (request, reply) =>
      inferBody({ surface: compactionFor(ownerOf(request)), request, reply, deps }),
  );
}

/** Reads a large body in a thread, which is free for other requests when the job starts. */
async function inferBody(exchange: Omit<InferenceExchange, 'large'>): Promise<FastifyReply> {
  const { request, deps } = exchange;
  await mayBegin(deps);
  await using large = await largeBodyOf(request, deps.bodies);
  return await infer({ ...exchange, large });
}

/** Fields that the main thread reads: names of models, and prompts that may be several or token ids. */
const isReadHere = (field: string, { isText }: LargeField): boolean =>
  field === 'models' || (field === 'prompt' && !isText);

async function infer(exchange: InferenceExchange): Promise<FastifyReply> {
  const { surface, request, reply, deps, large } = exchange;
  const opened = await openRequestState(exchange);
  const body = (await large?.resolved(opened.body, isReadHere)) ?? opened.body;
  const state = {
    ...opened,
    body: surface === completions ? await withTextPrompts(body, keyOf(request), deps) : body,
  };
  if (surface.choices !== undefined) {
    const choices = wantedChoices(state.body);
    if (choices.length > 1) {
      await answerChoices(choices, surface.choices, exchange);
      return reply;
    }
  }
  const hasFallbacks = Object.hasOwn(surface.parameters, 'models') && isGiven(state.body['models']);
  if (hasFallbacks) return inferWithFallbacks(state, exchange);
  const prepared = await prepareExchange(state.body, exchange);
  const claimed = await claimOf(prepared.spec, exchange);
  if (claimed !== undefined && 'answer' in claimed) {
    return reply
      .header('x-inference-job-id', claimed.job)
      .header('idempotent-replayed', 'true')
      .type('application/json; charset=utf-8')
      .serializer(String)
      .send(claimed.answer);
  }
  const job = await state.begin(prepared, claimed?.claim);
  const { run } = job;
  if (run !== undefined && state.isBackground)
    return answerInBackground({ ...job, run, reply }, deps);
  startJob(job, answerFor(job, exchange), exchange);
  return reply;
}

/** Answers with the first model that can, in the order of the request. */
async function inferWithFallbacks(
  state: RequestState,
  exchange: InferenceExchange,
): Promise<FastifyReply> {
  const { request, reply, deps } = exchange;
  if (request.headers['idempotency-key'] !== undefined)
    throw invalid('models', 'A request with an Idempotency-Key names one model.');
  if (state.isBackground) throw invalid('models', 'A response in the background names one model.');
  const { models, body } = wantedModels(state.body);
  await answerWithFirst(models, {
    prepare: async (model) => {
      try {
        return await state.begin(await prepareExchange({ ...body, model }, exchange), undefined);
      } finally {
        // The next model may be tried much later.
        await exchange.large?.rest();
      }
    },
    answer: (job) => answerFor(job, exchange),
    start: (job, answer) => startJob(job, answer, exchange),
    isGone: () => reply.raw.destroyed,
    onReplaced: ({ run }) => void run?.giveUp(),
    onFailure: (err) =>
      deps.log.error({ request: request.id, err }, 'a fallback model could not be tried'),
  });
  return reply;
}
