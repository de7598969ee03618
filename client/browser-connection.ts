import type { AnswerParts, Call } from './call.ts';
import { jsonOf } from './call.ts';
import { SealedError } from './sealed-error.ts';

/** The head of an answer, and its body as an iterable. */
export type ServerAnswer = AnswerParts;

/**
 * Without this header the coordinator refuses requests with the cookie of the console. Pages of
 * other sites cannot send it.
 */
const CONSOLE_HEADER = { 'x-dinf-console': '1' } as const;

/** HTTP requests of a page of the console to its own server, with the cookie of the session. */
export class Connection implements Disposable {
  readonly #base: URL;

  constructor(url: string) {
    this.#base = new URL(url);
  }

  async send({ method, path, headers, body, signal }: Call): Promise<ServerAnswer> {
    const url = new URL(path, this.#base);
    // Rejects an absolute URL: it would send the request to another server.
    if (url.origin !== this.#base.origin)
      throw new SealedError(
        'not_this_network',
        `${path.slice(0, 100)} is not a path of ${this.#base.origin}.`,
      );
    const response = await fetch(url, {
      method,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: { ...CONSOLE_HEADER, ...headers, ...(body && { 'content-type': body.type }) },
      ...(body && { body: new Uint8Array(body.bytes) }),
      ...(signal && { signal }),
    }).catch((cause: unknown) => {
      throw new SealedError('unreachable', `${this.#base.origin} does not answer.`, { cause });
    });
    return {
      statusCode: response.status,
      headers: Object.fromEntries(response.headers),
      [Symbol.asyncIterator]: () => piecesOf(response),
    };
  }

  /** Sends a request and returns the JSON of its answer; throws SealedError if it fails. */
  async json(call: Call): Promise<Record<string, unknown>> {
    return jsonOf(await this.send(call));
  }

  /** The browser closes its connections itself. */
  [Symbol.dispose](): void {
    return undefined;
  }
}

async function* piecesOf({ body }: Response): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
