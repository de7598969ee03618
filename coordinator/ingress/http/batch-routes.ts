import type { FastifyRequest } from 'fastify';
import { BATCH_STATUSES, MAX_LISTED_PAGE } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { Bus } from '#coordinator/bus.ts';
import type { OpenedBatch } from '../batches/batch-record.ts';
import { CallerBatches, OPENAI_BATCHES } from '../batches/caller-batches.ts';
import { ENDPOINTS } from '../batches/openai-batch.ts';
import { LIFETIME_MS, StoredContents } from '../stored/stored-contents.ts';
import { readFileRecord } from '../stored/stored-files.ts';
import { type Api, optional } from './api.ts';
import { contentKeysOf, ownerOf } from './authenticate.ts';

const params = Type.Object({ id: Type.String() });
const DEFAULT_PAGE = 20;
const HOUR_SECONDS = 3_600;
const Nullable = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);
const Time = Nullable(Type.Integer());
const Metadata = Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 512 }), {
  maxProperties: 16,
});

const Batch = Type.Object({
  id: Type.String(),
  object: Type.Literal('batch'),
  endpoint: Type.Enum([...ENDPOINTS]),
  errors: Nullable(
    Type.Object({
      object: Type.Literal('list'),
      data: Type.Array(
        Type.Object({
          code: Type.String(),
          message: Type.String(),
          param: Nullable(Type.String()),
          line: Nullable(Type.Integer()),
        }),
      ),
    }),
  ),
  input_file_id: Type.String(),
  completion_window: Type.Literal('24h'),
  status: Type.Enum([...BATCH_STATUSES]),
  output_file_id: Nullable(Type.String()),
  error_file_id: Nullable(Type.String()),
  created_at: Type.Integer(),
  in_progress_at: Time,
  expires_at: Type.Integer(),
  finalizing_at: Time,
  completed_at: Time,
  failed_at: Time,
  expired_at: Time,
  cancelling_at: Time,
  cancelled_at: Time,
  request_counts: Type.Object({
    total: Type.Integer(),
    completed: Type.Integer(),
    failed: Type.Integer(),
  }),
  metadata: Nullable(Metadata),
});

interface BatchRoutesDeps {
  readonly bus: Bus;
  readonly now: () => number;
  readonly ingressKey: Buffer;
}

/** Routes for batches in OpenAI's format. */
export function addBatchRoutes(api: Api, deps: BatchRoutesDeps): void {
  const batchesOf = (request: FastifyRequest) =>
    new CallerBatches(deps, ownerOf(request), OPENAI_BATCHES);
  const common = { group: 'Batches', access: 'key' } as const;
  api.route({
    ...common,
    method: 'POST',
    url: '/v1/batches',
    summary: 'Run the requests of a file while machines are idle',
    description:
      'Each line of the input file is `{"custom_id", "method": "POST", "url", "body"}`, where `url` is the endpoint of the batch. A batch has at most 10,000 lines, an account 16 unfinished batches. Lines cost less than other requests, by the discount that the operator sets, and only answered lines are charged. Blind mode has no batches: the coordinator cannot run what it cannot read.',
    body: Type.Object({
      input_file_id: Type.String({ description: 'A file with the purpose `batch`.' }),
      endpoint: Type.Enum([...ENDPOINTS]),
      completion_window: Type.Literal('24h'),
      metadata: optional(Nullable(Metadata)),
      output_expires_after: optional(
        Type.Object(
          {
            anchor: Type.Literal('created_at'),
            seconds: Type.Integer({ minimum: HOUR_SECONDS, maximum: LIFETIME_MS / 1_000 }),
          },
          { description: 'Lifetime of the files with the results; 30 days if absent.' },
        ),
      ),
    }),
    reply: Batch,
    example: {
      body: {
        input_file_id: 'file_0123456789abcdefghijklmn',
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
      },
    },
    handle: async ({ request, body }) => {
      const { input_file_id: input, endpoint, metadata = null, output_expires_after: kept } = body;
      await readFileRecord(new StoredContents(deps, contentKeysOf(request)), input);
      const resultsMs = kept === undefined ? LIFETIME_MS : kept.seconds * 1_000;
      return printed(await batchesOf(request).create({ input, endpoint, metadata, resultsMs }));
    },
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/batches',
    summary: 'The batches of the API key, the newest first',
    query: Type.Object({
      after: optional(Type.String({ description: 'Id of the last batch of the page before.' })),
      limit: optional(
        Type.Integer({ minimum: 1, maximum: MAX_LISTED_PAGE, default: DEFAULT_PAGE }),
      ),
    }),
    reply: Type.Object({
      object: Type.Literal('list'),
      data: Type.Array(Batch),
      first_id: Nullable(Type.String()),
      last_id: Nullable(Type.String()),
      has_more: Type.Boolean(),
    }),
    handle: async ({ request, query: { after, limit = DEFAULT_PAGE } }) => {
      const batches = batchesOf(request);
      if (after !== undefined) await batches.read(after);
      const listed = await batches.list({ limit, ...(after !== undefined && { after }) });
      const data = listed.batches.map(printed);
      return {
        object: 'list' as const,
        data,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: listed.hasMore,
      };
    },
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/batches/:id',
    summary: 'A batch',
    description:
      'A batch ends as `completed`, `failed` (its file has faults, or its API key was revoked), `expired` (after 24 hours) or `cancelled`. Its results are in the files `output_file_id` and `error_file_id`, in no guaranteed order. Only the API key that created a batch can read it; it is deleted after 30 days.',
    params,
    reply: Batch,
    handle: async ({ request, params: { id } }) => printed(await batchesOf(request).read(id)),
  });
  api.route({
    ...common,
    method: 'POST',
    url: '/v1/batches/:id/cancel',
    summary: 'Cancel a batch',
    description:
      'Lines that run are finished, and the results so far become files. A batch that is being finished or has ended stays as it is.',
    params,
    reply: Batch,
    handle: async ({ request, params: { id } }) => printed(await batchesOf(request).cancel(id)),
  });
}

function printed({ record, request, problems }: OpenedBatch) {
  const { status, endedAt, lines, outputs, failures } = record;
  const ended = (end: typeof status) => (status === end ? seconds(endedAt) : null);
  // Lines that were not run have no stored result, and stand in the error file.
  const failed = endedAt !== undefined && record.hasErrorFile ? lines - outputs : failures;
  return {
    id: record.id,
    object: 'batch' as const,
    endpoint: request.endpoint as (typeof ENDPOINTS)[number],
    errors: problems.length === 0 ? null : { object: 'list' as const, data: [...problems] },
    input_file_id: request.input,
    completion_window: '24h' as const,
    status,
    output_file_id: record.hasOutputFile ? request.output : null,
    error_file_id: record.hasErrorFile ? request.errors : null,
    created_at: Math.floor(record.createdAt / 1_000),
    in_progress_at: seconds(record.inProgressAt),
    expires_at: Math.floor(record.expiresAt / 1_000),
    finalizing_at: seconds(record.finalizingAt),
    completed_at: ended('completed'),
    failed_at: ended('failed'),
    expired_at: ended('expired'),
    cancelling_at: seconds(record.cancellingAt),
    cancelled_at: ended('cancelled'),
    request_counts: { total: lines, completed: outputs, failed },
    metadata: request.metadata as Record<string, string> | null,
  };
}

const seconds = (at: number | undefined): number | null =>
  at === undefined ? null : Math.floor(at / 1_000);
