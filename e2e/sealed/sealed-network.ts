import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { InferenceRequest, type TrustLevel } from '#bus-schemas';
import { forEachAtOnce } from '#bus-schemas/for-each-at-once.ts';
import { type Sealed, SealedClient, type SealedEvent } from '#client';
import { startProxy } from '#client/proxy/proxy-server.ts';
import { expectedText, type TestNetwork } from '../test-network.ts';

// The customer's side of a network, and a lying coordinator between customer and network.

/** Length of an answer of which only the text matters, in tokens. */
const SHORT = 8;

export interface Customer extends AsyncDisposable {
  readonly client: SealedClient;
  /** URL of the customer's proxy, which does the same as `dinf proxy`. */
  readonly url: string;
}

export async function startCustomer(
  coordinatorUrl: string,
  options: { minimumLevel?: TrustLevel; logKey?: string } = {},
): Promise<Customer> {
  const client = new SealedClient({ url: coordinatorUrl, minimumLevel: 'self_signed', ...options });
  const proxy = await startProxy({
    client,
    apiKey: undefined,
    secret: randomBytes(32),
    host: '127.0.0.1',
    port: 0,
    log: pino({ level: 'silent' }),
  });
  return {
    client,
    url: proxy.url,
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      client[Symbol.dispose]();
    },
  };
}

export const requestFor = (words: string, maxTokens: number): InferenceRequest => ({
  chat: { messages: [{ role: 'user', content: words }], max_tokens: maxTokens },
});

/** Opens a session for the request, which holds a place on a machine. */
export async function openJob(
  { client }: Customer,
  { apiKey }: Pick<TestNetwork, 'apiKey'>,
  request: InferenceRequest,
): Promise<Sealed> {
  const wish = wishFor(request);
  return { wish, request, place: await client.open(wish, `Bearer ${apiKey}`) };
}

export const wishFor = (request: InferenceRequest) => ({
  model: 'sim',
  maxTokens: request.chat.max_tokens,
  requestBytes: InferenceRequest.encode(request).length,
});

/** Sessions of a new key that may wait for their orders at once. */
const AT_ONCE = 4;

/**
 * Sends sealed requests, a few at the same time: each opens a session, and orders on whichever connection is
 * free then. Returns the texts, and those of the same requests in the clear.
 */
export async function manySealed(
  customer: Customer,
  network: Pick<TestNetwork, 'apiKey'>,
  count: number,
): Promise<{ texts: string[]; expected: string[] }> {
  const requests = Array.from({ length: count }, (_, index) => `Secret ${index}`);
  const texts: string[] = [];
  await forEachAtOnce(requests.entries(), AT_ONCE, async ([index, words]) => {
    const sealed = await openJob(customer, network, requestFor(words, SHORT));
    const { text } = await answerOf(customer.client.run(sealed, `Bearer ${network.apiKey}`));
    texts[index] = text;
  });
  return {
    texts,
    expected: requests.map((words) => expectedText([{ role: 'user', content: words }], SHORT)),
  };
}

export interface Answered {
  readonly text: string;
  readonly attempts: number;
  readonly provider: string;
}

export async function answerOf(events: AsyncGenerator<SealedEvent, unknown>): Promise<Answered> {
  let [text, attempts, provider] = ['', 0, ''];
  for await (const event of events) {
    if (event.k === 'serving') ({ attempt: attempts, provider } = event.offer);
    else if (event.k === 'text') text += event.text;
  }
  return { text, attempts, provider };
}

/**
 * Changes an answer of the coordinator on its way to the customer; undefined leaves it as it is.
 */
export type Tamper = (answer: { path: string; text: string }) => string | undefined;

/** Changes the body of a request on its way to the coordinator; undefined leaves it as it is. */
export type Rewrite = (request: { path: string; body: Buffer }) => Buffer | undefined;

/**
 * Starts a lying coordinator: a proxy before the real one that changes requests with `rewrite` and
 * answers with `tamper`.
 */
export async function startLiar(
  coordinatorUrl: string,
  tamper: Tamper,
  rewrite: Rewrite = () => undefined,
): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const path = request.url ?? '/';
      const body = Buffer.concat(chunks);
      const headers = Object.fromEntries(
        ['authorization', 'content-type'].flatMap((name) =>
          request.headers[name] ? [[name, String(request.headers[name])]] : [],
        ),
      );
      const answer = await fetch(new URL(path, coordinatorUrl), {
        method: request.method ?? 'GET',
        headers,
        ...(chunks.length > 0 && { body: rewrite({ path, body }) ?? body }),
      });
      const text = await answer.text();
      response.writeHead(answer.status, {
        'content-type': answer.headers.get('content-type') ?? 'application/json',
      });
      response.end(tamper({ path, text }) ?? text);
    })();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
