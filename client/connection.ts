import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { SealedError } from './sealed-error.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: { readonly type: string; readonly bytes: Uint8Array };
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 120_000;

/** HTTP requests to one coordinator, over connections that are reused. */
export class Connection implements Disposable {
  readonly #base: URL;
  readonly #agent: HttpAgent;

  constructor(url: string) {
    this.#base = new URL(url);
    this.#agent =
      this.#base.protocol === 'https:'
        ? new HttpsAgent({ keepAlive: true })
        : new HttpAgent({ keepAlive: true });
  }

  send({ method, path, headers, body, signal }: Call): Promise<IncomingMessage> {
    const url = new URL(path, this.#base);
    // Rejects an absolute URL: it would send the caller's API key to another server.
    if (url.origin !== this.#base.origin)
      return Promise.reject(
        new SealedError(
          'not_this_network',
          `${path.slice(0, 100)} is not a path of ${this.#base.origin}.`,
        ),
      );
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((answer, fail) => {
      const options = {
        method,
        agent: this.#agent,
        timeout: TIMEOUT_MS,
        ...(signal && { signal }),
        headers: {
          ...headers,
          ...(body && { 'content-type': body.type, 'content-length': body.bytes.length }),
        },
      };
      const request = send(url, options, answer);
      request.once('error', (cause) =>
        fail(new SealedError('unreachable', `${this.#base.origin} does not answer.`, { cause })),
      );
      request.once('timeout', () =>
        request.destroy(new Error(`the connection was idle for ${TIMEOUT_MS} ms`)),
      );
      request.end(body?.bytes);
    });
  }

  /**
   * Sends a request and returns the JSON of its answer; throws a SealedError if the status is not
   * 200.
   */
  async json(call: Call): Promise<Record<string, unknown>> {
    const response = await this.send(call);
    const answer = await readJson(response);
    if (response.statusCode !== 200) throw errorOf(response, answer);
    return answer;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

const MAX_JSON_BYTES = 4 * 1024 * 1024;

export async function readJson(response: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_JSON_BYTES)
      throw new SealedError(
        'unreadable_answer',
        `The answer has more than ${MAX_JSON_BYTES} bytes.`,
      );
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new SealedError('unreadable_answer', 'The answer is not valid JSON.', { cause });
  }
  throw new SealedError('unreadable_answer', 'The answer is not a JSON object.');
}

export function errorOf(response: IncomingMessage, answer: Record<string, unknown>): SealedError {
  const { code = 'internal_error', message = `The coordinator answered ${response.statusCode}.` } =
    (answer['error'] ?? {}) as {
      code?: string;
      message?: string;
    };
  const seconds = Number(response.headers['retry-after']);
  return new SealedError(
    {
      code,
      status: response.statusCode ?? 502,
      retryAfterMs: seconds > 0 ? seconds * 1_000 : undefined,
    },
    message,
  );
}
