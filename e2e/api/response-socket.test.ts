import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { expectedText, type Person, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let ann: Person;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 2 });
  ann = await network.person('ann');
  await network.credit(ann.account, 100_000_000);
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

// biome-ignore lint/suspicious/noExplicitAny: every test asserts the shape that it expects
type Event = any;

/** A client in the WebSocket mode of the Responses API. */
class Client implements Disposable {
  readonly socket: WebSocket;
  readonly #events: Event[] = [];
  #arrived = Promise.withResolvers<void>();

  constructor(key: string) {
    this.socket = new WebSocket(`${network.url.replace('http', 'ws')}/v1/responses`, {
      headers: { authorization: `Bearer ${key}` },
    });
    this.socket.on('message', (data) => {
      this.#events.push(JSON.parse(String(data)));
      this.#arrived.resolve();
    });
  }

  static async open(key: string): Promise<Client> {
    const client = new Client(key);
    await once(client.socket, 'open');
    return client;
  }

  send(fields: object): void {
    this.socket.send(
      JSON.stringify({ type: 'response.create', model: 'sim', max_output_tokens: 6, ...fields }),
    );
  }

  async next(): Promise<Event> {
    while (this.#events.length === 0) {
      await this.#arrived.promise;
      this.#arrived = Promise.withResolvers<void>();
    }
    return this.#events.shift();
  }

  /** The event that ends a response, or an error. */
  async end(): Promise<Event> {
    for (;;) {
      const event = await this.next();
      if (/^(error|response\.(completed|incomplete|failed))$/.test(event.type)) return event;
    }
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

const textOf = ({ response }: Event): string => response.output[0].content[0].text;
const user = (content: string) => ({ role: 'user', content });

describe('a WebSocket of the Responses API', () => {
  test('answers one request after the other, and continues the last response', async () => {
    using client = await Client.open(network.apiKey);
    client.send({ input: 'Hi' });
    const first = await client.end();
    expect(textOf(first)).toBe(expectedText([user('Hi')], 6));
    client.send({ input: 'Go on', previous_response_id: first.response.id });
    const second = await client.end();
    expect(second.response.previous_response_id).toBe(first.response.id);
    expect(textOf(second)).toBe(
      expectedText(
        [
          user('Hi'),
          { role: 'assistant', content: [{ type: 'text', text: textOf(first) }] },
          user('Go on'),
        ],
        6,
      ),
    );
  });

  test('continues a long conversation, whose bodies are read in a thread', async () => {
    using client = await Client.open(network.apiKey);
    const long = 'Once upon a time. '.repeat(10_000);
    client.send({ input: long });
    const first = await client.end();
    expect(textOf(first)).toBe(expectedText([user(long)], 6));
    const conversation = [
      user(long),
      { role: 'assistant', content: [{ type: 'text', text: textOf(first) }] },
    ];
    let previous = first.response.id;
    for (const input of ['Go on', long, 'And then?']) {
      client.send({ input, previous_response_id: previous });
      const next = await client.end();
      expect(next.response.previous_response_id).toBe(previous);
      conversation.push(user(input));
      expect(textOf(next)).toBe(expectedText(conversation, 6));
      conversation.push({ role: 'assistant', content: [{ type: 'text', text: textOf(next) }] });
      previous = next.response.id;
    }
  });

  test('continues no response of another connection', async () => {
    using first = await Client.open(network.apiKey);
    first.send({ input: 'Hi' });
    const { response } = await first.end();
    using second = await Client.open(network.apiKey);
    second.send({ input: 'Go on', previous_response_id: response.id });
    expect(await second.end()).toMatchObject({
      type: 'error',
      status: 400,
      error: { code: 'previous_response_not_found', param: 'previous_response_id' },
    });
  });

  test('forgets a response whose continuation failed', async () => {
    using client = await Client.open(network.apiKey);
    client.send({ input: 'Hi' });
    const { response } = await client.end();
    const output = { type: 'function_call_output', call_id: 'none', output: 'x' };
    client.send({ input: [output], previous_response_id: response.id });
    expect(await client.end()).toMatchObject({ error: { code: 'invalid_request' } });
    client.send({ input: 'Again', previous_response_id: response.id });
    expect(await client.end()).toMatchObject({ error: { code: 'previous_response_not_found' } });
  });

  test('refuses a second request while one is running, and completes the first', async () => {
    using client = await Client.open(network.apiKey);
    client.send({ input: 'Hi', max_output_tokens: 200 });
    await client.next();
    client.send({ input: 'Me too' });
    expect(await client.end()).toMatchObject({ error: { code: 'request_running' } });
    expect((await client.end()).response.usage.output_tokens).toBe(200);
  });

  test('opens only with a key, and stops when the key is deleted', async () => {
    const stranger = new Client('sk-db-wrong');
    const [error] = await once(stranger.socket, 'error');
    expect(String(error)).toContain('401');
    const made = await ann.ask('POST', '/v1/keys', { name: 'socket' });
    using client = await Client.open(made.json.key);
    client.send({ input: 'Hi' });
    expect((await client.end()).type).toBe('response.incomplete');
    await ann.ask('DELETE', `/v1/keys/${made.json.data.id}`);
    await expect
      .poll(async () => {
        client.send({ input: 'Hi' });
        return client.end();
      })
      .toMatchObject({ status: 401, error: { code: 'invalid_api_key' } });
  });

  test('that closes ends its answer, and pays for what it received', async () => {
    using client = await Client.open(network.apiKey);
    client.send({ input: 'Hi', max_output_tokens: 5_000 });
    await client.next();
    client.socket.terminate();
    const [last] = (await network.charges()).slice(-1);
    expect(last?.completionTokens).toBeLessThan(5_000);
  });
});

describe('a compaction', () => {
  const ask = (path: string, body: object, token = network.apiKey) =>
    network.ask('POST', path, { token, body: { model: 'sim', ...body } });

  test('replaces a conversation, for the key that made it', async () => {
    const compacted = await ask('/v1/responses/compact', {
      input: [user('We meet on Tuesday.'), { role: 'assistant', content: 'Good.' }],
    });
    expect(compacted.json).toMatchObject({
      object: 'response.compaction',
      output: [{ type: 'compaction', encrypted_content: expect.any(String) }],
      usage: { total_tokens: expect.any(Number) },
    });
    const input = [...compacted.json.output, user('When do we meet?')];
    const answer = await ask('/v1/responses', { input, max_output_tokens: 5 });
    expect(answer.json).toMatchObject({ status: 'incomplete' });
    // The summary, of up to 2,048 tokens, is a part of the prompt.
    expect(answer.json.usage.input_tokens).toBeGreaterThan(compacted.json.usage.output_tokens / 2);
    const made = await ann.ask('POST', '/v1/keys', { name: 'other' });
    const refused = await ask('/v1/responses', { input }, made.json.key);
    expect(refused.json).toMatchObject({ error: { code: 'invalid_request', param: 'input' } });
  });
});
