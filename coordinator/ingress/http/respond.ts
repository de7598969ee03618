import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { ApiError } from '../errors.ts';

/**
 * `x-accel-buffering: no` stops proxies from collecting the whole response before they forward it.
 */
export const EVENT_STREAM = {
  'content-type': 'text/event-stream; charset=utf-8',
  'x-accel-buffering': 'no',
};

/** How long a client may take to read what is left of an answer that is over. */
const READ_OUT_MS = 120_000;

/**
 * Takes the response away from Fastify: the caller writes the status, headers and body of a job
 * itself.
 */
export function takeOver(reply: FastifyReply, job: string): ServerResponse {
  reply.hijack();
  const response = reply.raw;
  response.setHeader('x-inference-job-id', job);
  // Writing to a client that has just left is no event of its own: `close` tells of it.
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

/** `body` defaults to the shape of OpenAI errors; other surfaces pass their own. */
export function sendError(
  response: ServerResponse,
  error: ApiError,
  body: object = error.toBody(),
): void {
  sendJson(response, error.status, JSON.stringify(body), retryAfter(error));
}

export function retryAfter(error: ApiError): Record<string, string> {
  const seconds = error.retryAfterSeconds;
  return seconds === undefined ? {} : { 'retry-after': String(seconds) };
}

/** Ends a response, and the connection too if the client does not read it out. */
export function endWithin(response: ServerResponse, last: string): void {
  response.end(last);
  if (response.writableLength === 0) return;
  const timer = setTimeout(() => response.destroy(), READ_OUT_MS).unref();
  response.once('close', () => clearTimeout(timer));
}
