import { type FastifyError, type FastifyInstance, fastify } from 'fastify';
import type { Logger } from 'pino';
import { CodecError, MAX_REQUEST_BYTES, randomToken } from '#bus-schemas';
import { ApiError } from '../errors.ts';
import { retryAfter } from './respond.ts';

/** A whole request must have arrived by then: slow senders hold no place for ever. */
const REQUEST_TIMEOUT_MS = 120_000;
const KEEP_ALIVE_MS = 65_000;

/** What every route shares: bodies as bytes, errors in the OpenAI envelope, a request id. Nothing here logs a body. */
export function createServer(log: Logger): FastifyInstance {
  const server = fastify({
    logger: false,
    bodyLimit: MAX_REQUEST_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    requestIdHeader: false,
    genReqId: () => `req_${randomToken(16)}`,
    routerOptions: { maxParamLength: 256 },
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  server.addHook('onSend', async (request, reply) => void reply.header('x-request-id', request.id));
  server.setNotFoundHandler(() => {
    throw new ApiError('not_found');
  });
  server.setErrorHandler<FastifyError | ApiError | CodecError>((error, request, reply) => {
    const known = asApiError(error);
    if (known.code === 'internal_error') log.error({ request: request.id, err: error }, 'a request failed');
    const { surface } = request.routeOptions.config;
    const body = surface === undefined ? known.toBody() : surface.error(known, request.id);
    return reply.code(known.status).headers(retryAfter(known)).send(body);
  });
  return server;
}

function asApiError(error: FastifyError | ApiError | CodecError): ApiError {
  if (error instanceof ApiError) return error;
  // Some JSON is smaller than what it says: numbers, above all.
  if (error instanceof CodecError) return new ApiError(error.code === 'too_large' ? 'payload_too_large' : 'internal_error', undefined, { cause: error });
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
