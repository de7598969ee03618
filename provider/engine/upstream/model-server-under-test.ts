import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

type Handle = (response: ServerResponse, body: unknown, request: IncomingMessage) => void;

/**
 * A model server over real HTTP that answers as a test prescribes, for the answers that no real
 * server can be made to send. Paths without an answer get 404, as with every real server.
 */
export class ModelServerUnderTest implements AsyncDisposable {
  /** The bodies of all chat requests. */
  // biome-ignore lint/suspicious/noExplicitAny: every test asserts the shape that it expects
  readonly asked: any[] = [];
  readonly answers: Record<string, unknown> = {};
  chat: Handle = (response) => void response.writeHead(500).end();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<ModelServerUnderTest> {
    const server = new ModelServerUnderTest();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/v1/chat/completions') {
      const body = await json(request);
      this.asked.push(body);
      return this.chat(response, body, request);
    }
    const answer = this.answers[request.url ?? ''];
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? { error: 'not found' }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export const events = (...chunks: readonly unknown[]): string =>
  chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('');

export const chunk = (delta: object, finish: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason: finish }],
});
