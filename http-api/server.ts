import { Server } from 'node:net';
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { Logger } from 'pino';
import { CodecError, MAX_REQUEST_BYTES, randomToken } from '#bus-schemas';
import type { Surface } from './core/surfaces/surface.ts';
import { allowReading } from './cross-origin.ts';
import { ApiError, type ApiErrorCode } from './errors.ts';
import { type BuildValidator, buildLazySerializer } from './lazy-serializer.ts';
import { REJECTED, sendError } from './respond.ts';
import { retryAfterHeader } from './retry-after.ts';
import { answerUnknownRoutes, surfaceOfPath } from './unknown-routes.ts';
import { compileValidator } from './validation.ts';

const KEEP_ALIVE_MS = 65_000;
/**
 * Time without traffic after which the kernel probes whether the client still exists (TCP
 * keep-alive), in milliseconds.
 */
const PROBE_AFTER_MS = 30_000;
/**
 * Time that clients have to read their answers after the server has begun to close, in
 * milliseconds. Without it, a connection without any request would keep the server open for a
 * minute.
 */
const LINGER_MS = 2_000;
const WARN_EVERY_MS = 3_600_000;
/**
 * Headers of every response, unless its route sets others. Responses contain keys, codes, tokens,
 * prompts and answers: `no-store` stops a proxy or browser from storing them for its next user.
 * `nosniff` stops a browser from running an answer of a model as a page or script.
 */
const SAFE_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The surface whose format the errors of the route have; OpenAI's if it is absent. */
    surface?: Pick<Surface, 'error'>;
  }
}

export interface ServerOptions {
  readonly log: Logger;
  /** Called with the code of each error that is sent instead of an answer. */
  readonly onRejected?: (code: ApiErrorCode) => void;
  readonly trustedProxies: readonly string[];
  /**
   * Time that a client has to send its headers, and to send its whole request, in milliseconds. An
   * attacker who sends slowly could otherwise occupy all connections.
   */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

/** Limits for the connections of one client, in the form of Node's servers. */
export function limitsOfNode({
  headersTimeoutMs,
  requestTimeoutMs,
}: Pick<ServerOptions, 'headersTimeoutMs' | 'requestTimeoutMs'>) {
  return {
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_AFTER_MS,
    headersTimeout: headersTimeoutMs,
    // Node checks at this interval which requests are late. Its default of 30 s would let a client
    // exceed a shorter limit.
    connectionsCheckingInterval: Math.min(headersTimeoutMs, requestTimeoutMs, 5_000),
  };
}

/**
 * Creates a server with the properties that all routes share: bodies as bytes, errors in the format
 * of their surface, a request id. It never logs a body.
 */
export function createServer({
  log,
  onRejected,
  trustedProxies,
  headersTimeoutMs,
  requestTimeoutMs,
}: ServerOptions): FastifyInstance {
  const server = fastify({
    logger: false,
    bodyLimit: MAX_REQUEST_BYTES,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    genReqId: () => `req_${randomToken(16)}`,
    routerOptions: { maxParamLength: 256 },
    // Handles URLs that the router cannot parse; no hook runs for them.
    frameworkErrors: (error, request, reply) => {
      setCommonHeaders(request, reply);
      if (onRejected) reply.raw.once(REJECTED, onRejected);
      sendError(reply.raw, asApiError(error));
    },
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    http: limitsOfNode({ headersTimeoutMs, requestTimeoutMs }),
    // Named here, so that Fastify does not load the compilers of its own.
    schemaController: {
      compilersFactory: {
        buildValidator: (() => compileValidator) as unknown as BuildValidator,
        buildSerializer: buildLazySerializer,
      },
    },
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  if (trustedProxies.length === 0) server.addHook('onRequest', warnOfProxies(log));
  server.addHook('onRequest', (request, reply, done) => {
    setCommonHeaders(request, reply);
    if (onRejected) reply.raw.once(REJECTED, onRejected);
    if (request.routeOptions.config.isForBrowsers === true && request.headers.cookie === undefined)
      allowReading(reply.raw);
    done(encodingError(request));
  });
  answerUnknownRoutes(server);
  server.setErrorHandler<FastifyError | ApiError | CodecError>((error, request, reply) => {
    const known = asApiError(error);
    reply.raw.emit(REJECTED, known.code);
    if (known.code === 'internal_error')
      log.error({ request: request.id, err: error }, 'a request failed');
    else if (known.status >= 500 && known.cause !== undefined)
      log.warn(
        { request: request.id, code: known.code, err: known.cause },
        'a request could not be served',
      );
    // Fastify closes the connection after a body that is too large. A client that still sends would
    // get a reset instead of the error, so the rest of the body is read and discarded; the limit for
    // the time of a whole request ends a client that sends without end.
    if (known.code === 'payload_too_large') reply.removeHeader('connection');
    const surface = request.routeOptions.config.surface ?? surfaceOfPath(request.url);
    const body = surface === undefined ? known.toBody() : surface.error(known, request.id);
    return reply
      .code(known.status)
      .headers(retryAfterHeader(known))
      .serializer(JSON.stringify)
      .type('application/json; charset=utf-8')
      .send(body);
  });
  return server;
}

function setCommonHeaders(
  { id }: Pick<FastifyRequest, 'id'>,
  { raw }: Pick<FastifyReply, 'raw'>,
): void {
  for (const [name, value] of Object.entries(SAFE_HEADERS)) raw.setHeader(name, value);
  raw.setHeader('x-request-id', id);
}

/** Bodies are read as they are: a compressed one is refused before it is received. */
function encodingError({ headers }: FastifyRequest): ApiError | undefined {
  const encoding = headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (encoding === 'identity') return undefined;
  return new ApiError(
    'unsupported_media_type',
    'Send the body without compression: no Content-Encoding is supported.',
  );
}

/**
 * Warns the operator, at most once an hour, if requests come through a proxy that is not trusted:
 * all callers would share one address and its limits.
 */
function warnOfProxies(log: Logger): (request: FastifyRequest) => Promise<void> {
  let warnedAt = Number.NEGATIVE_INFINITY;
  return async ({ headers, ip }) => {
    if (headers['x-forwarded-for'] === undefined || performance.now() - warnedAt < WARN_EVERY_MS)
      return;
    warnedAt = performance.now();
    log.warn(
      { proxy: ip },
      'requests have X-Forwarded-For headers, but no proxy is trusted, so all callers count as one address; set DINF_TRUSTED_PROXIES to the address of the proxy',
    );
  };
}

function asApiError(error: FastifyError | ApiError | CodecError): ApiError {
  if (error instanceof ApiError) return error;
  // A JSON body within its limit can be larger as a message of the bus, above all through its
  // numbers.
  if (error instanceof CodecError)
    return new ApiError(
      error.code === 'too_large' ? 'payload_too_large' : 'internal_error',
      undefined,
      { cause: error },
    );
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ApiError('payload_too_large');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ApiError('unsupported_media_type');
    default:
      return error.statusCode !== undefined && error.statusCode < 500
        ? new ApiError('invalid_request')
        : new ApiError('internal_error', undefined, { cause: error });
  }
}

/**
 * Accepts no more connections, and goes on with the open ones. `close` of an HTTP server would also
 * end connections whose first request has not arrived yet.
 */
export function stopAccepting(server: Server): void {
  // Connections that the kernel has accepted and Node has not would be reset. Node accepts them just
  // before it calls the function.
  setImmediate(() => Server.prototype.close.call(server));
}

export const closeServer = (server: FastifyInstance): Promise<void> =>
  closeWithin(server.server, () => server.close());

/** Waits for `close`, and ends the connections that are still open after `LINGER_MS`. */
export async function closeWithin(
  connections: { closeAllConnections(): void },
  close: () => Promise<unknown>,
): Promise<void> {
  const timer = setTimeout(() => connections.closeAllConnections(), LINGER_MS);
  await close();
  clearTimeout(timer);
}
