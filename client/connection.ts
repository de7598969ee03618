import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { type Call, jsonOf } from './call.ts';
import { SealedError } from './sealed-error.ts';

/** The head of an answer, and its body as an iterable. */
export type ServerAnswer = IncomingMessage;

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
    return jsonOf(await this.send(call));
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
