import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MAX_LISTED_PAGE } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { Bus } from '#coordinator/bus.ts';
import { invalid } from '#http-api/core/json.ts';
import { LIFETIME_MS, StoredContents } from '../stored/stored-contents.ts';
import { listFiles, readFileContent, readFileRecord, uploadFile } from '../stored/stored-files.ts';
import { Api, optional } from './api.ts';
import { type Auth, contentKeysOf } from './authenticate.ts';
import { acceptUploads, readUpload } from './uploaded-file.ts';

const params = Type.Object({ id: Type.String() });
const DEFAULT_PAGE = 20;
const MAX_NAME = 255;
const HOUR_SECONDS = 3_600;
const DAYS_30_SECONDS = LIFETIME_MS / 1_000;
/** Fields of a form that have an effect, as the form names them. */
const ANCHOR = 'expires_after[anchor]';
const SECONDS = 'expires_after[seconds]';
const FIELDS = ['purpose', ANCHOR, SECONDS];
const Purpose = Type.Enum(['batch', 'batch_output']);

const File = Type.Object({
  id: Type.String(),
  object: Type.Literal('file'),
  bytes: Type.Integer(),
  created_at: Type.Integer(),
  expires_at: Type.Integer(),
  filename: Type.String(),
  purpose: Purpose,
  status: Type.Literal('processed'),
});

interface FileRoutesDeps {
  readonly auth: Auth;
  readonly bus: Bus;
  readonly now: () => number;
}

/** Routes for files. They are in a scope of their own, because no other route accepts a form. */
export function addFileRoutes(server: FastifyInstance, deps: FileRoutesDeps): void {
  void server.register(async (scope) => {
    await acceptUploads(scope);
    addRoutes(new Api(scope, deps.auth, deps.bus), deps);
  });
}

function addRoutes(api: Api, deps: FileRoutesDeps): void {
  const contentsOf = (request: FastifyRequest) => new StoredContents(deps, contentKeysOf(request));
  const common = { group: 'Files', access: 'key' } as const;
  api.route({
    ...common,
    method: 'POST',
    url: '/v1/files',
    summary: 'Store a file',
    description:
      'A file has at most 16 MiB. Only the API key that stored a file can list, read or delete it; it is encrypted under that key. It is deleted 30 days after its creation, or after `expires_after[seconds]`.',
    form: Type.Object(
      {
        file: Type.String({ contentMediaType: 'application/octet-stream', minLength: 1 }),
        purpose: Type.Literal('batch'),
        [ANCHOR]: optional(Type.Literal('created_at')),
        [SECONDS]: optional(Type.Integer({ minimum: HOUR_SECONDS, maximum: DAYS_30_SECONDS })),
      },
      { additionalProperties: false },
    ),
    reply: File,
    example: { form: ['purpose=batch', 'file=@requests.jsonl'] },
    handle: async ({ request }) => {
      const { filename, content, fields } = await readUpload(request);
      const lifetimeMs = lifetimeIn(fields);
      if (content.length === 0) throw invalid('file', 'The file is empty.');
      if (filename.length > MAX_NAME)
        throw invalid('file', `The name of a file has at most ${MAX_NAME} characters.`);
      return uploadFile(contentsOf(request), { filename, content, lifetimeMs }, deps.now());
    },
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/files',
    summary: 'The files of the API key',
    query: Type.Object({
      purpose: optional(Purpose),
      after: optional(Type.String({ description: 'Id of the last file of the page before.' })),
      limit: optional(
        Type.Integer({ minimum: 1, maximum: MAX_LISTED_PAGE, default: DEFAULT_PAGE }),
      ),
      order: optional(
        Type.Enum(['asc', 'desc'], { default: 'desc', description: '`desc`: the newest first.' }),
      ),
    }),
    reply: Type.Object({
      object: Type.Literal('list'),
      data: Type.Array(File),
      first_id: Type.Union([Type.String(), Type.Null()]),
      last_id: Type.Union([Type.String(), Type.Null()]),
      has_more: Type.Boolean(),
    }),
    handle: async ({ request, query: { purpose, after, limit = DEFAULT_PAGE, order } }) => {
      const contents = contentsOf(request);
      if (after !== undefined) await readFileRecord(contents, after);
      const page = {
        ...(purpose !== undefined && { purpose }),
        ...(after !== undefined && { after }),
        oldestFirst: order === 'asc',
        limit,
      };
      const { data, hasMore } = await listFiles(contents, page);
      return {
        object: 'list' as const,
        data: [...data],
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: hasMore,
      };
    },
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/files/:id',
    summary: 'A file, without its content',
    params,
    reply: File,
    handle: async ({ request, params: { id } }) => readFileRecord(contentsOf(request), id),
  });
  api.route({
    ...common,
    method: 'GET',
    url: '/v1/files/:id/content',
    summary: 'The content of a file',
    params,
    reply: Type.String(),
    replyType: 'application/octet-stream',
    handle: async ({ request, reply, params: { id } }) => {
      const contents = contentsOf(request);
      const file = await readFileRecord(contents, id);
      return reply
        .type('application/octet-stream')
        .header('content-length', file.bytes)
        .send(Readable.from(readFileContent(contents, file), { highWaterMark: 1 }));
    },
  });
  api.route({
    ...common,
    method: 'DELETE',
    url: '/v1/files/:id',
    summary: 'Delete a file',
    params,
    reply: Type.Object({
      id: Type.String(),
      object: Type.Literal('file'),
      deleted: Type.Boolean(),
    }),
    handle: async ({ request, params: { id } }) => {
      const contents = contentsOf(request);
      await readFileRecord(contents, id);
      await contents.delete(id);
      return { id, object: 'file' as const, deleted: true };
    },
  });
}

/** The lifetime of a new file, in milliseconds. Throws for fields without effect. */
function lifetimeIn(fields: ReadonlyMap<string, string>): number {
  for (const field of fields.keys())
    if (!FIELDS.includes(field)) throw invalid(field, `A form has no field ${field}.`);
  if (fields.get('purpose') !== 'batch') throw invalid('purpose', 'purpose must be "batch".');
  const anchor = fields.get(ANCHOR);
  const text = fields.get(SECONDS);
  if (anchor === undefined && text === undefined) return LIFETIME_MS;
  if (anchor !== 'created_at') throw invalid(ANCHOR, `${ANCHOR} must be "created_at".`);
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < HOUR_SECONDS || seconds > DAYS_30_SECONDS)
    throw invalid(
      SECONDS,
      `${SECONDS} must be an integer from ${HOUR_SECONDS} to ${DAYS_30_SECONDS}.`,
    );
  return seconds * 1_000;
}
