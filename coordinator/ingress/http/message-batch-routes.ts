import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { MAX_BATCH_LINES, MAX_LISTED_PAGE, MAX_REQUEST_BYTES } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { Bus } from '#coordinator/bus.ts';
import { invalid } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import { anthropicBatch, MESSAGES } from '../batches/anthropic-batch.ts';
import { BatchInput } from '../batches/batch-input.ts';
import type { OpenedBatch } from '../batches/batch-record.ts';
import { CallerBatches, MESSAGE_BATCHES } from '../batches/caller-batches.ts';
import { LIFETIME_MS, StoredContents } from '../stored/stored-contents.ts';
import { readFileContent, readFileRecord, uploadFile } from '../stored/stored-files.ts';
import { type Api, optional } from './api.ts';
import { contentKeysOf, ownerOf } from './authenticate.ts';
import { LooseObject } from './item-pages.ts';

const params = Type.Object({ id: Type.String() });
const DEFAULT_PAGE = 20;
const Time = Type.Union([Type.String({ format: 'date-time' }), Type.Null()]);
const Id = Type.Union([Type.String(), Type.Null()]);

const MessageBatch = Type.Object({
  id: Type.String(),
  type: Type.Literal('message_batch'),
  processing_status: Type.Enum(['in_progress', 'canceling', 'ended']),
  request_counts: Type.Object({
    processing: Type.Integer(),
    succeeded: Type.Integer(),
    errored: Type.Integer(),
    canceled: Type.Integer(),
    expired: Type.Integer(),
  }),
  created_at: Type.String({ format: 'date-time' }),
  expires_at: Type.String({ format: 'date-time' }),
  cancel_initiated_at: Time,
  ended_at: Time,
  archived_at: Time,
  results_url: Id,
});

interface MessageBatchRoutesDeps {
  readonly bus: Bus;
  readonly now: () => number;
  readonly ingressKey: Buffer;
  readonly publicUrl: string | undefined;
}

/** Routes for batches in Anthropic's format. */
export function addMessageBatchRoutes(api: Api, deps: MessageBatchRoutesDeps): void {
  const batchesOf = (request: FastifyRequest) =>
    new CallerBatches(deps, ownerOf(request), MESSAGE_BATCHES);
  const contentsOf = (request: FastifyRequest) => new StoredContents(deps, contentKeysOf(request));
  const printed = (batch: OpenedBatch) => print(batch, deps.publicUrl ?? '');
  const common = { group: 'Batches', access: 'key' } as const;
  api.route({
    ...common,
    method: 'POST',
    url: '/v1/messages/batches',
    summary: "Run requests for messages while machines are idle (Anthropic's format)",
    description:
      'Lines cost less than other requests, by the discount that the operator sets, and only answered ones are charged. A batch has at most 10,000 requests and 16 MiB, an account 16 unfinished batches. Everything is encrypted under the API key and deleted after 30 days.',
    bodyLimit: MAX_REQUEST_BYTES,
    body: Type.Object({
      requests: Type.Array(
        Type.Object({
          custom_id: Type.String({ pattern: '^[a-zA-Z0-9_-]{1,64}$' }),
          params: LooseObject,
        }),
        { minItems: 1, maxItems: MAX_BATCH_LINES },
      ),
    }),
    reply: MessageBatch,
    example: {
      body: {
        requests: [
          {
            custom_id: 'one',
            params: {
              model: 'sim',
              max_tokens: 8,
              messages: [{ role: 'user', content: 'Hello' }],
            },
          },
        ],
      },
    },
    handle: async ({ request, body: { requests } }) => {
      const lines = requests.map(({ custom_id, params: body }) =>
        JSON.stringify({ custom_id, params: body }),
      );
      const content = Buffer.from(lines.join('\n'));
      const [problem] = await new BatchInput(content, anthropicBatch).problems();
      if (problem !== undefined)
        throw invalid('requests', `requests.${(problem.line ?? 1) - 1}: ${problem.message}`);
      const contents = contentsOf(request);
      const file = { filename: 'requests.jsonl', content, isListed: false };
      const { id: input } = await uploadFile(contents, file, deps.now());
      const wanted = {
        endpoint: MESSAGES,
        input,
        metadata: null,
        resultsMs: LIFETIME_MS,
        requests: requests.length,
      };
      try {
        return printed(await batchesOf(request).create(wanted));
      } catch (error) {
        await contents.delete(input);
        throw error;
      }
    },
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/messages/batches',
    summary: 'The message batches of the API key, the newest first',
    query: Type.Object({
      after_id: optional(Type.String({ description: 'Id of the last batch of the page before.' })),
      before_id: optional(
        Type.String({
          description: 'Id of the first batch of the page after. Not together with `after_id`.',
        }),
      ),
      limit: optional(
        Type.Integer({ minimum: 1, maximum: MAX_LISTED_PAGE, default: DEFAULT_PAGE }),
      ),
    }),
    reply: Type.Object({
      data: Type.Array(MessageBatch),
      first_id: Id,
      last_id: Id,
      has_more: Type.Boolean(),
    }),
    handle: async ({ request, query }) => {
      const { after_id: after, before_id: before, limit = DEFAULT_PAGE } = query;
      if (after !== undefined && before !== undefined)
        throw invalid('before_id', 'before_id and after_id exclude each other.');
      const batches = batchesOf(request);
      const cursor = after ?? before;
      if (cursor !== undefined) await batches.read(cursor);
      const listed = await batches.list({ after, before, limit });
      const data = listed.batches.map(printed);
      return {
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
    url: '/v1/messages/batches/:id',
    summary: 'A message batch',
    description:
      'A batch has ended when `processing_status` is `ended`; its results are then at `results_url`.',
    params,
    reply: MessageBatch,
    handle: async ({ request, params: { id } }) => printed(await batchesOf(request).read(id)),
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/messages/batches/:id/results',
    summary: 'The results of a message batch, one JSON object in each line',
    params,
    reply: Type.String(),
    replyType: 'application/x-jsonl',
    handle: async ({ request, reply, params: { id } }) => {
      const batch = await batchesOf(request).read(id);
      if (batch.record.endedAt === undefined)
        throw new ApiError(
          'invalid_request',
          'This batch has no results yet. Poll it until its processing_status is "ended".',
        );
      return reply
        .type('application/x-jsonl')
        .send(Readable.from(resultsOf(batch, contentsOf(request)), { highWaterMark: 1 }));
    },
  });
  api.route({
    ...common,
    method: 'POST',
    url: '/v1/messages/batches/:id/cancel',
    summary: 'Cancel a message batch',
    description: 'Requests that run are finished; the others are not run and cost nothing.',
    params,
    reply: MessageBatch,
    handle: async ({ request, params: { id } }) => printed(await batchesOf(request).cancel(id)),
  });
  api.route({
    ...common,
    method: 'DELETE',
    url: '/v1/messages/batches/:id',
    summary: 'Delete a message batch that has ended, with its requests and results',
    params,
    reply: Type.Object({ id: Type.String(), type: Type.Literal('message_batch_deleted') }),
    handle: async ({ request, params: { id } }) => {
      const { input, output, errors } = (await batchesOf(request).delete(id)).request;
      const contents = contentsOf(request);
      for (const file of [input, output, errors]) await contents.delete(file);
      return { id, type: 'message_batch_deleted' as const };
    },
  });
}

async function* resultsOf({ record, request }: OpenedBatch, contents: StoredContents) {
  for (const [file, isThere] of [
    [request.output, record.hasOutputFile],
    [request.errors, record.hasErrorFile],
  ] as const)
    if (isThere) yield* readFileContent(contents, await readFileRecord(contents, file));
}

function print({ record, request }: OpenedBatch, publicUrl: string) {
  const { status, endedAt, outputs, failures } = record;
  const left = (request.requests ?? 0) - outputs - failures;
  const isOver = endedAt !== undefined;
  const unrun = (end: typeof status) => (status === end ? left : 0);
  const isErrored = isOver && status !== 'cancelled' && status !== 'expired';
  return {
    id: record.id,
    type: 'message_batch' as const,
    processing_status: isOver
      ? ('ended' as const)
      : status === 'cancelling'
        ? ('canceling' as const)
        : ('in_progress' as const),
    request_counts: {
      processing: isOver ? 0 : left,
      succeeded: outputs,
      errored: failures + (isErrored ? left : 0),
      canceled: unrun('cancelled'),
      expired: unrun('expired'),
    },
    created_at: new Date(record.createdAt).toISOString(),
    expires_at: new Date(record.expiresAt).toISOString(),
    cancel_initiated_at: timeOf(record.cancellingAt),
    ended_at: timeOf(endedAt),
    archived_at: null,
    results_url: isOver ? `${publicUrl}/v1/messages/batches/${record.id}/results` : null,
  };
}

const timeOf = (at: number | undefined): string | null =>
  at === undefined ? null : new Date(at).toISOString();
