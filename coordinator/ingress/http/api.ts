import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import type { ServiceMethod } from '#bus-schemas';
import { type Static, type TObject, type TSchema, Type } from '#bus-schemas/type.ts';
import { audited } from '#coordinator/audit.ts';
import type { Bus } from '#coordinator/bus.ts';
import { parseJson } from '#http-api/core/json.ts';
import { ApiError } from '#http-api/errors.ts';
import { answerOf } from '../call-until.ts';
import type { Auth } from './authenticate.ts';

/**
 * Registers the routes of the API. One description of a route serves to check requests, to
 * serialise replies and to generate the documentation.
 */

/** The callers that a route admits. */
type Access = keyof Auth | 'operator' | 'public';
type Hooks = Readonly<Partial<Record<Access, (request: FastifyRequest) => Promise<void>>>>;

export interface RouteDefinition<
  Params extends TObject,
  Query extends TObject,
  Body extends TSchema,
  Reply extends TSchema,
> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly group: string;
  readonly summary: string;
  /** Leaves the route out of the documentation, because only the pages of the console use it. */
  readonly isHidden?: true;
  readonly description?: string;
  readonly access: Access;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  /** The fields of a multipart form, for the documentation; the handler reads and checks the form. */
  readonly form?: TObject;
  /** Media type of a reply that is not JSON; the handler then sends it itself. */
  readonly replyType?: string;
  /** Largest body, in bytes; 64 KiB if absent. */
  readonly bodyLimit?: number;
  /**
   * Schema of the reply. Fields that are not in it are not sent, even if the handler returns them.
   */
  readonly reply: Reply;
  /** Whether the handler may also send rows as CSV (`format=csv`). */
  readonly sendsCsv?: true;
  /**
   * Name of the change in the audit log, which records who made it and how it ended; absent for
   * routes without an audit entry.
   */
  readonly audit?: string;
  /** The body is itself a secret, such as a code, and stays out of the audit log. */
  readonly isBodySecret?: true;
  readonly example?: {
    readonly path?: string;
    readonly body?: Static<Body>;
    /** The fields of a form, as arguments of curl. */
    readonly form?: readonly string[];
  };
  readonly handle: (
    asked: RouteCall<Static<Params>, Static<Query>, Static<Body>>,
  ) => Promise<Static<Reply> | FastifyReply>;
}

export interface RouteCall<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

const MAX_BODY_BYTES = 64 * 1024;
const CALL = { eachMs: 5_000, totalMs: 10_000 };

export class Api {
  readonly #server: FastifyInstance;
  readonly #hooks: Hooks;
  readonly #bus: Bus;

  constructor(server: FastifyInstance, hooks: Hooks, bus: Bus) {
    this.#server = server;
    this.#hooks = hooks;
    this.#bus = bus;
  }

  /** Calls a component, and answers 503 if it does not reply. */
  ask<Request, Reply>(method: ServiceMethod<Request, Reply>, request: Request): Promise<Reply> {
    return answerOf(this.#bus, method, request, CALL);
  }

  route<Params extends TObject, Query extends TObject, Body extends TSchema, Reply extends TSchema>(
    definition: RouteDefinition<Params, Query, Body, Reply>,
  ): void {
    const {
      method,
      url,
      group,
      summary,
      description,
      access,
      params,
      query,
      body,
      form,
      reply,
      replyType,
      sendsCsv,
      example,
    } = definition;
    const hook = this.#hooks[access];
    if (hook === undefined && access !== 'public')
      throw new Error(`${url} needs the access "${access}", which this listener cannot check`);
    const schema: FastifySchema = {
      summary,
      tags: [group],
      response: {
        200: sendsCsv
          ? jsonOrCsv(reply)
          : replyType === undefined
            ? reply
            : { description: 'The content.', content: { [replyType]: { schema: reply } } },
      },
      ...(definition.isHidden && { hide: true }),
      ...(description !== undefined && { description }),
      ...(example && { 'x-example': example }),
      ...(access !== 'public' && { security: SECURITY[access] }),
      ...(params && { params }),
      ...(query && { querystring: query }),
      ...(body && { body }),
      ...(form && { body: { content: { 'multipart/form-data': { schema: form } } } }),
    };
    this.#server.route({
      method,
      url,
      bodyLimit: definition.bodyLimit ?? MAX_BODY_BYTES,
      ...(hook && { onRequest: hook }),
      config: { isForBrowsers: access === 'key' },
      ...(body !== undefined && {
        preValidation: async (request: FastifyRequest) => {
          request.body = parseJson(request.body);
        },
      }),
      ...(form && { validatorCompiler: () => () => true }),
      schema,
      handler: async (request, raw): Promise<unknown> =>
        this.#handle(definition, {
          params: request.params as Static<Params>,
          query: request.query as Static<Query>,
          body: request.body as Static<Body>,
          request,
          reply: raw,
        }),
    });
  }

  #handle<
    Params extends TObject,
    Query extends TObject,
    Body extends TSchema,
    Reply extends TSchema,
  >(
    { audit: action, isBodySecret, handle }: RouteDefinition<Params, Query, Body, Reply>,
    asked: RouteCall<Static<Params>, Static<Query>, Static<Body>>,
  ): Promise<Static<Reply> | FastifyReply> {
    if (action === undefined) return handle(asked);
    const { operator, caller } = asked.request;
    const subject = Object.values((asked.params ?? {}) as Record<string, string>).join(' ');
    const query = asked.query as object | undefined;
    const detail = isBodySecret ? {} : ((asked.body as object | undefined) ?? query ?? {});
    return audited(
      (method, row) => this.ask(method, row),
      { actor: operator ?? caller?.account ?? '', action, subject, detail },
      {
        run: () => handle(asked),
        outcomeOf: (end) =>
          'reply' in end ? 'done' : end.error instanceof ApiError ? end.error.code : 'failed',
      },
    );
  }
}

const jsonOrCsv = (reply: TSchema) => ({
  description: 'The rows, in the format of `format`.',
  content: {
    'application/json': { schema: reply },
    'text/csv': { schema: Type.String() },
  },
});

const SECURITY = {
  key: [{ apiKey: [] }],
  user: [{ signIn: [] }],
  keyOrUser: [{ apiKey: [] }, { signIn: [] }],
  operator: [{ operatorKey: [] }],
  /** These routes are not documented. */
  session: [],
};

/** Whole micro-dollars (millionths of a US dollar). */
export const MicroUsd = Type.Integer({ description: 'Millionths of a US dollar.' });
export const When = Type.String({
  description: 'RFC 3339.',
  format: 'date-time',
  maxLength: 40,
  'x-rule': 'must be a time such as 2026-01-31T00:00:00Z',
});
export const optional = Type.Optional;
export const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
/** A field of a change: if it is absent, the value stays; null removes the value. */
export const nullable = <Schema extends TSchema>(schema: Schema) => Type.Optional(orNull(schema));
export const LIST = 'list' as const;
export const listOf = <Row extends TSchema>(row: Row) =>
  Type.Object({ object: Type.Literal(LIST), data: Type.Array(row) });
/**
 * Rejects unknown fields: a person who misspells the name of a limit must not get a key without
 * that limit.
 */
export const strict = { additionalProperties: false } as const;

/** Times before 1970 become 1970, because nothing here is older. */
export function timeOf(text: string | undefined, param: string): number | undefined {
  if (text === undefined) return undefined;
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new ApiError('invalid_request', `${param} must be a time such as 2026-01-31T00:00:00Z.`, {
      param,
    });
  return Math.max(0, time);
}

/**
 * Parses the expiry of a key or an invite. A time in the past is refused, because the key or invite
 * would never work.
 */
export function futureTimeOf(
  text: string | undefined,
  param: string,
  now: number,
): number | undefined {
  const time = timeOf(text, param);
  if (time !== undefined && time <= now)
    throw new ApiError('invalid_request', `${param} must be in the future.`, { param });
  return time;
}

export const asTime = (at: number): string => new Date(at).toISOString();
