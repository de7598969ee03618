import type { ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import type { LongJson } from './core/long-json.ts';
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

/**
 * Sends a long object in several turns of the event loop, as fast as the client reads it. Resolves
 * when all of it has been handed to the connection, or the client has left.
 */
export async function sendLongJson(
  response: ServerResponse,
  status: number,
  body: LongJson,
  headers: Record<string, string> = {},
): Promise<void> {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  limitReading(response);
  for (const piece of body.pieces()) {
    if (response.destroyed) return;
    if (!response.write(piece)) await drainedOrClosed(response);
    // A fast client has the piece before this turn ends.
    await setImmediate();
  }
  response.end();
}

function drainedOrClosed(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => {
    response.off('drain', done).off('close', done);
    resolve();
  };
  response.on('drain', done).on('close', done);
  return promise;
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
  if (response.writableLength > 0) limitReading(response);
}

function limitReading(response: ServerResponse): void {
  const timer = setTimeout(() => response.destroy(), READ_OUT_MS).unref();
  response.once('close', () => clearTimeout(timer));
}
