import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { RawData, WebSocket } from 'ws';
import { invalid, isGiven, type JsonObject, parseJson } from '#http-api/core/json.ts';
import { responses } from '#http-api/core/surfaces/responses.ts';
import { ApiError } from '#http-api/errors.ts';
import type { MemoryBudget } from '#http-api/memory-budget.ts';
import { itemsWith, LargeField } from '../bodies/large-fields.ts';
import { LARGE_BODY_BYTES, LargeBody } from '../bodies/request-body.ts';
import { type Auth, keyOf, secretOf } from '../http/authenticate.ts';
import { jobCallerOf, mayBegin } from '../http/job-admission.ts';
import { type PrepareDeps, prepareJob } from '../http/prepare-job.ts';
import type { JobRun } from '../job-run.ts';
import type { Jobs } from '../jobs.ts';
import { SocketAnswer, sendSocketError } from './socket-answer.ts';

export interface ResponseSocketDeps extends PrepareDeps {
  readonly auth: Auth;
  readonly jobs: Jobs;
  /** Memory for the conversations of all open WebSockets, shared with other collected answers. */
  readonly memory: MemoryBudget;
  readonly log: Logger;
}

/** Longest life of a connection, in milliseconds. A response that runs at its end is completed. */
const LIFETIME_MS = 3_600_000;
/** Time between two pings, in milliseconds; they keep proxies from closing a silent connection. */
const PING_MS = 30_000;
/** Fields that the WebSocket mode does not have. */
const REFUSED = ['stream', 'stream_options', 'background'] as const;
/** Codes of RFC 6455 for closing a connection. */
const GOING_AWAY = 1_001;

/**
 * `GET /v1/responses` with `Upgrade: websocket`: a client sends `response.create` messages one after
 * the other and receives the events of each response as messages.
 */
export function addResponseSocket(server: FastifyInstance, deps: ResponseSocketDeps): void {
  server.route({
    method: 'GET',
    url: '/v1/responses',
    schema: { hide: true },
    config: { surface: responses },
    onRequest: deps.auth.key,
    handler: (_request, reply) => {
      reply.header('allow', 'POST');
      throw new ApiError(
        'method_not_allowed',
        'Send POST for one response, or open a WebSocket for several.',
      );
    },
    wsHandler: (socket, request) => {
      new ResponseSocket(socket, request, deps).open();
    },
  });
}

/** A response that can be continued with `previous_response_id`. */
interface Previous {
  readonly id: string;
  /** The JSON of the whole conversation: all input, and the output of the response. */
  readonly items: Uint8Array;
}

/**
 * One connection. It answers one request at a time.
 *
 * Only the last response can be continued, and only on this connection: its conversation is in the
 * memory of this process and is stored nowhere. A failed continuation removes it, because the client
 * can no longer tell on which state the next one would build.
 */
class ResponseSocket {
  readonly #socket: WebSocket;
  readonly #request: FastifyRequest;
  readonly #deps: ResponseSocketDeps;
  #isBusy = false;
  #isExpired = false;
  #job: JobRun | undefined;
  #previous: Previous | undefined;

  constructor(socket: WebSocket, request: FastifyRequest, deps: ResponseSocketDeps) {
    this.#socket = socket;
    this.#request = request;
    this.#deps = deps;
  }

  open(): void {
    const socket = this.#socket;
    const ping = setInterval(() => socket.ping(), PING_MS).unref();
    const lifetime = setTimeout(() => this.#expire(), LIFETIME_MS).unref();
    socket.on('message', (data) => void this.#receive(data));
    // `close` follows an error and is handled below.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearInterval(ping);
      clearTimeout(lifetime);
      this.#job?.clientGone();
      this.#keep(undefined);
    });
  }

  async #receive(data: RawData): Promise<void> {
    if (this.#isBusy)
      return sendSocketError(
        this.#socket,
        new ApiError('request_running', 'A response is still running on this connection.'),
      );
    this.#isBusy = true;
    let continues: unknown;
    try {
      const bytes = bytesOf(data);
      const isLarge = bytes.length + (this.#previous?.items.length ?? 0) >= LARGE_BODY_BYTES;
      await using large = isLarge
        ? await LargeBody.open(bytes, {
            threads: this.#deps.bodies,
            account: keyOf(this.#request).account,
            isWanted: () => this.#isOpen,
          })
        : undefined;
      const { type, ...body } = large?.fields ?? parseJson(bytes);
      if (type !== 'response.create')
        throw invalid('type', 'The type of a message must be "response.create".');
      continues = body['previous_response_id'];
      await this.#create(body, large);
    } catch (error) {
      if (!(error instanceof ApiError))
        this.#deps.log.error({ request: this.#request.id, err: error }, 'a request failed');
      sendSocketError(
        this.#socket,
        error instanceof ApiError
          ? error
          : new ApiError('internal_error', undefined, { cause: error }),
      );
      this.#ended(undefined, isGiven(continues));
    }
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  async #create(body: JsonObject, large: LargeBody | undefined): Promise<void> {
    const { auth, jobs } = this.#deps;
    const request = this.#request;
    // The key may have been revoked since the last response.
    await auth.key(request);
    await mayBegin(this.#deps);
    for (const field of REFUSED)
      if (isGiven(body[field])) throw invalid(field, `A WebSocket has no field ${field}.`);
    const { previous_response_id: previousId, ...fields } = body;
    const before = this.#continued(previousId);
    const input = large ? new LargeField('input', { before }) : itemsWith(before, body['input']);
    const { spec, head, refusal } = await prepareJob(
      {
        surface: responses,
        body: { ...fields, input, stream: true },
        caller: jobCallerOf(request),
        secret: secretOf(request),
        large,
      },
      this.#deps,
    );
    if (refusal !== undefined) throw refusal;
    const items =
      input instanceof LargeField && large
        ? await large.items(input)
        : Buffer.from(JSON.stringify(input));
    const answer = new SocketAnswer({
      socket: this.#socket,
      stream: responses.stream({
        ...head,
        request: { ...head.request, previous_response_id: previousId },
      }),
      onReady: () => this.#job?.clientReady(),
      onEnd: (last) => {
        this.#ended(last === undefined ? undefined : previousOf(items, last), isGiven(previousId));
      },
    });
    this.#job = jobs.start(spec, answer);
    if (!this.#isOpen) this.#job.clientGone();
  }

  /** The JSON of the items before those of a request; undefined if it continues nothing. */
  #continued(id: unknown): Uint8Array | undefined {
    if (!isGiven(id)) return undefined;
    if (this.#previous === undefined || this.#previous.id !== id)
      throw new ApiError(
        'previous_response_not_found',
        'Only the last response of this connection can be continued. Send the whole conversation.',
        { param: 'previous_response_id' },
      );
    return this.#previous.items;
  }

  #ended(previous: Previous | undefined, wasContinuation: boolean): void {
    this.#job = undefined;
    this.#isBusy = false;
    if (previous !== undefined || wasContinuation) this.#keep(previous);
    if (this.#isExpired) this.#expire();
  }

  /** Stores what can be continued, if the memory of all connections together has room for it. */
  #keep(previous: Previous | undefined): void {
    const { memory } = this.#deps;
    if (this.#previous !== undefined) memory.give(this.#previous.items.length);
    this.#previous =
      previous !== undefined && this.#isOpen && memory.take(previous.items.length)
        ? previous
        : undefined;
  }

  #expire(): void {
    this.#isExpired = true;
    if (!this.#isBusy) this.#socket.close(GOING_AWAY, 'The connection is one hour old.');
  }
}

/** The conversation after a response whose last event has this data. */
function previousOf(items: Uint8Array, lastEvent: string): Previous {
  const { response } = JSON.parse(lastEvent) as { response: { id: string; output: unknown[] } };
  return { id: response.id, items: withItems(items, response.output) };
}

/** A JSON list, which is not empty, with more items at its end. */
function withItems(list: Uint8Array, items: readonly unknown[]): Uint8Array {
  if (items.length === 0) return list;
  const more = Buffer.from(JSON.stringify(items));
  more.write(',');
  return Buffer.concat([list.subarray(0, -1), more]);
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}
