import {
  type AccountUsage,
  type GenerationRecord,
  JOB_RESULTS,
  JobId,
  type RoutedBecause,
  services,
} from '#bus-schemas';
import { type Static, Type } from '#bus-schemas/type.ts';
import { ApiError } from '#http-api/errors.ts';
import { type Api, asTime, MicroUsd, orNull } from './api.ts';
import { callerOf } from './authenticate.ts';

const MICRO = 1_000_000;
const MS = 1_000;
/** Result of a job whose ingress ended before it reported the end: only the ledger has the job. */
const INGRESS_LOST = 'ingress_lost';

const GenerationData = Type.Object({
  id: Type.String(),
  created_at: Type.String(),
  model: Type.String(),
  build: orNull(Type.String()),
  key: Type.String(),
  status: Type.Enum([...JOB_RESULTS, INGRESS_LOST]),
  streamed: orNull(Type.Boolean()),
  cancelled: Type.Boolean(),
  finish_reason: orNull(Type.String()),
  attempts: orNull(Type.Integer()),
  provider: Type.Object({ id: orNull(Type.String()), trust_level: Type.String() }),
  tokens_prompt: orNull(Type.Integer()),
  tokens_cached: orNull(Type.Integer()),
  tokens_completion: Type.Integer(),
  total_cost: Type.Union([Type.Number(), Type.Null()], { description: 'US dollars.' }),
  cost_micro_usd: Type.Union([MicroUsd, Type.Null()]),
  latency: Type.Union([Type.Number(), Type.Null()], {
    description: 'Milliseconds to the first content.',
  }),
  generation_time: Type.Union([Type.Number(), Type.Null()], {
    description: 'Milliseconds from the first content to the end.',
  }),
  routing: orNull(
    Type.Object(
      {
        chosen_after: orNull(Type.Number({ description: 'Milliseconds until routing answered.' })),
        held_after: orNull(
          Type.Number({ description: 'Milliseconds until the highest cost was set aside.' }),
        ),
        queued_ms: Type.Number({ description: 'The part that the request waited in a queue.' }),
        able_machines: Type.Integer({ description: 'Machines that could have served it.' }),
        refused: Type.Array(Type.Object({ gate: Type.String(), machines: Type.Integer() }), {
          description: 'Machines that could not, by the first condition that each one failed.',
        }),
        terms: Type.Array(Type.Object({ term: Type.String(), ms: Type.Number() }), {
          description:
            'The cost of the chosen machine by its terms that are not 0, in milliseconds.',
        }),
        failed_choice: orNull(
          Type.String({
            description: 'The machine that was chosen, if it failed and another one served.',
          }),
        ),
      },
      {
        description:
          'Why routing chose the machine, at its last choice; null for requests that have no such record.',
      },
    ),
  ),
});
type Description = Omit<
  Static<typeof GenerationData>,
  `tokens_${string}` | 'total_cost' | 'cost_micro_usd'
>;

/** Route for one past request, in OpenRouter's format, with the amounts of the ledger. */
export function addGenerationRoute(api: Api): void {
  api.route({
    method: 'GET',
    url: '/v1/generation',
    group: 'Money',
    access: 'keyOrUser',
    summary: 'Tokens, cost and times of one request',
    description:
      'The id is the `X-Inference-Job-ID` of the answer. The record exists about a second after the end of the answer; the cost is null until the ledger has it. A request that failed costs 0, and so does an answer of which you received nothing. An answer that was lost with our server has the status `ingress_lost`: its record exists about a minute later, and its cost covers only the tokens that you received.',
    query: Type.Object({ id: JobId }, { additionalProperties: false }),
    reply: Type.Object({ data: GenerationData }),
    example: { path: '/v1/generation?id=job_0123456789abcdefghijkl' },
    handle: async ({ request, query }) => {
      const { account, key } = callerOf(request);
      const [{ generation }, { jobs }] = await Promise.all([
        api.ask(services.telemetry.generation, { account, job: query.id }),
        api.ask(services.settlement.usage, { account, job: query.id, limit: 1 }),
      ]);
      const [charge] = jobs;
      const description: Description | undefined = generation
        ? described(generation)
        : charge?.ingressLost
          ? lost(charge)
          : undefined;
      if (description === undefined || (key !== undefined && key.key !== description.key))
        throw new ApiError('not_found', 'You have no such generation.');
      // A failed request costs nothing. The ledger has no row for it if no money was set aside.
      const microUsd = charge?.chargedMicroUsd ?? (description.status === 'failed' ? 0 : undefined);
      return {
        data: {
          ...description,
          tokens_prompt: charge?.promptTokens ?? null,
          tokens_cached: charge?.cachedTokens ?? null,
          tokens_completion: charge?.completionTokens ?? generation?.deliveredTokens ?? 0,
          total_cost: microUsd === undefined ? null : microUsd / MICRO,
          cost_micro_usd: microUsd ?? null,
        },
      };
    },
  });
}

function described({
  job,
  at,
  model,
  build,
  key,
  streamed,
  result,
  finish,
  attempts,
  provider,
  firstContentUs,
  totalUs,
  trustLevel,
  routeUs,
  holdUs,
  routed,
}: GenerationRecord): Description {
  const moments = {
    chosen_after: routeUs === undefined ? null : routeUs / MS,
    held_after: routeUs === undefined || holdUs === undefined ? null : (routeUs + holdUs) / MS,
  };
  return {
    id: job,
    created_at: asTime(at - totalUs / MS),
    model,
    build,
    key,
    streamed,
    attempts,
    status: result,
    cancelled: result === 'client_gone' || finish === 'cancelled',
    finish_reason: finish ?? null,
    provider: { id: provider ?? null, trust_level: trustLevel ?? 'none' },
    latency: firstContentUs === undefined ? null : firstContentUs / MS,
    generation_time: firstContentUs === undefined ? null : (totalUs - firstContentUs) / MS,
    routing: routed ? { ...reason(routed), ...moments } : null,
  };
}

const reason = ({ queuedMs, able, rejected, terms, first }: RoutedBecause) => ({
  queued_ms: queuedMs,
  able_machines: able,
  refused: Object.entries(rejected).map(([gate, machines]) => ({ gate, machines })),
  terms: Object.entries(terms ?? {}).map(([term, ms]) => ({ term, ms })),
  failed_choice: first ?? null,
});

function lost({ job, at, model, key, provider }: AccountUsage['jobs'][number]): Description {
  return {
    id: job,
    created_at: asTime(at),
    model,
    build: null,
    key,
    streamed: null,
    attempts: null,
    status: INGRESS_LOST,
    cancelled: false,
    finish_reason: null,
    provider: { id: provider ?? null, trust_level: 'none' },
    latency: null,
    generation_time: null,
    routing: null,
  };
}
