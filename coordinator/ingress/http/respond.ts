import type { ServerResponse } from 'node:http';
import type { ApiError } from '../errors.ts';

/** How long a client may take to read what is left of an answer that is over. */
const READ_OUT_MS = 120_000;

export function sendJson(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body), ...headers });
  endWithin(response, body);
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
