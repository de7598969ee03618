import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isObject } from '../../models/json.ts';
import { UpstreamError } from './upstream-error.ts';

export interface UpstreamAddress {
  /** The URL below which the server has `models` and `chat/completions`. */
  readonly url: URL;
  /** Secret that the server demands, or undefined. */
  readonly key: string | undefined;
}

/** Time in which a server must answer a question about itself, in milliseconds. */
const QUERY_MS = 5_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

interface Call {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/**
 * Sends HTTP requests to a model server. Each request has a connection of its own: an abort closes
 * it at once, which is how a server learns that an answer is no longer wanted. Redirects are not
 * followed, because prompts must not leave for an address that the owner did not name.
 */
export class UpstreamClient {
  readonly #address: UpstreamAddress;

  constructor(address: UpstreamAddress) {
    this.#address = address;
  }

  /** Reads a JSON document. A path that begins with a slash is one of the server's own API. */
  async query(path: string, body?: unknown): Promise<unknown> {
    const signal = AbortSignal.timeout(QUERY_MS);
    const method = body === undefined ? 'GET' : 'POST';
    const response = await this.#send({ method, url: this.#at(path), body, signal });
    return parse(await textOf(response), path);
  }

  /** Like `query`; undefined if the server does not have this path, or answers something else. */
  async queryIfAny(path: string, body?: unknown): Promise<unknown> {
    try {
      return await this.query(path, body);
    } catch (error) {
      if (error instanceof UpstreamError && error.code !== 'unreachable') return undefined;
      throw error;
    }
  }

  /** Begins an answer, and returns the response whose body is the event stream. */
  stream(body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    return this.#send({ method: 'POST', url: this.#at('chat/completions'), body, signal });
  }

  #at(path: string): URL {
    const { url } = this.#address;
    return new URL(path, path.startsWith('/') ? url.origin : `${url.href.replace(/\/+$/, '')}/`);
  }

  async #send({ method, url, body, signal }: Call): Promise<IncomingMessage> {
    const { key } = this.#address;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    let response: IncomingMessage;
    try {
      const sent = send(url, {
        method,
        signal,
        agent: false,
        headers: {
          accept: 'application/json, text/event-stream',
          ...(text !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(text),
          }),
          ...(key !== undefined && { authorization: `Bearer ${key}` }),
        },
      });
      // An abort after the response has begun is reported by the response.
      sent.on('error', () => {});
      sent.end(text);
      [response] = (await once(sent, 'response')) as [IncomingMessage];
    } catch (cause) {
      throw new UpstreamError('unreachable', `${url.origin} does not answer`, { cause });
    }
    if (response.statusCode === 200) return response;
    const status = response.statusCode ?? 0;
    throw new UpstreamError('status', `${url.href} answered with HTTP status ${status}`, {
      status,
      explanation: explanationIn(await textOf(response).catch(() => '')),
    });
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of response) {
      parts.push(part);
      length += part.length;
      if (length > MAX_ANSWER_BYTES)
        throw new UpstreamError('malformed', 'the server sent a document of more than 4 MiB');
    }
  } catch (cause) {
    if (cause instanceof UpstreamError) throw cause;
    throw new UpstreamError('unreachable', 'the server broke off its answer', { cause });
  }
  return Buffer.concat(parts).toString('utf8');
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UpstreamError('malformed', `the answer to ${path} is not JSON`, { cause });
  }
}

/** Servers explain errors as `{"error": {"message": …}}`, `{"error": …}` or `{"message": …}`. */
function explanationIn(text: string): string | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(body)) return undefined;
  const { error = body } = body;
  if (typeof error === 'string') return error;
  return isObject(error) && typeof error['message'] === 'string' ? error['message'] : undefined;
}
