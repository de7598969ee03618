import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { ApiError } from './errors.ts';
import { retryAfterHeader } from './retry-after.ts';

/**
 * `x-accel-buffering: no` stops proxies from collecting the whole response before they forward it.
 */
export const EVENT_STREAM = {
  'content-type': 'text/event-stream; charset=utf-8',
  'x-accel-buffering': 'no',
};

/** Time that a client has to read the rest of an answer that has ended, in milliseconds. */
const READ_OUT_MS = 120_000;

/** Takes the response over from Fastify, since a job writes its own status, headers and body. */
export function takeOver(reply: FastifyReply, job: string): ServerResponse {
  reply.hijack();
  const response = reply.raw;
  response.setHeader('x-inference-job-id', job);
  // A write error to a client that has just left is ignored: `close` reports that the client is
  // gone.
  response.on('error', () => undefined);
  return response;
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  endWithin(response, body);
}

/** Event of a response that has an error instead of an answer; its argument is the code. */
export const REJECTED = 'rejected';

/** `body` defaults to the shape of OpenAI errors; other surfaces pass their own. */
export function sendError(
  response: ServerResponse,
  error: ApiError,
  body: object = error.toBody(),
): void {
  response.emit(REJECTED, error.code);
  sendJson(response, error.status, JSON.stringify(body), retryAfterHeader(error));
}

/** Ends a response, and closes the connection if the client does not read it to the end in time. */
export function endWithin(response: ServerResponse, last: string): void {
  response.end(last);
  if (response.writableLength === 0) return;
  const timer = setTimeout(() => response.destroy(), READ_OUT_MS).unref();
  response.once('close', () => clearTimeout(timer));
}
