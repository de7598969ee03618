import type OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { simulatedModels } from '#simulator';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let openai: OpenAI;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 2 });
  openai = network.openai({ maxRetries: 0 });
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

const model = 'sim';
const user = (content: string) => ({ role: 'user' as const, content });
const assistant = (text: string) => ({
  role: 'assistant',
  content: [{ type: 'text' as const, text }],
});
const ask = (method: string, path: string, token = network.apiKey, body?: object) =>
  network.ask(method, path, { token, body });
/** The response in the background when it has ended. */
const ended = (id: string) =>
  vi.waitFor(
    async () => {
      const response = await openai.responses.retrieve(id);
      expect(response.status).not.toBe('in_progress');
      return response;
    },
    { interval: 20, timeout: 10_000 },
  );

describe('a stored response', () => {
  test('is read, continued and deleted by the key that made it, and by no other', async () => {
    const first = await openai.responses.create({
      model,
      input: 'Hi',
      max_output_tokens: 6,
      store: true,
    });
    expect(await openai.responses.retrieve(first.id)).toEqual({
      ...first,
      output_text: first.output_text,
    });
    const second = await openai.responses.create({
      model,
      input: 'Go on',
      max_output_tokens: 6,
      previous_response_id: first.id,
    });
    expect(second.output_text).toBe(
      expectedText([user('Hi'), assistant(first.output_text), user('Go on')], 6),
    );
    expect(second).toMatchObject({ previous_response_id: first.id, store: false });
    await expect(openai.responses.retrieve(second.id)).rejects.toMatchObject({ status: 404 });
    const items = await openai.responses.inputItems.list(first.id);
    expect(items.data).toMatchObject([
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
    ]);
    const sibling = await network.createKey({ creditMicroUsd: 0, account: network.account });
    const stranger = await network.createKey({ creditMicroUsd: 1_000_000 });
    for (const { apiKey } of [sibling, stranger])
      for (const [method, path] of [
        ['GET', ''],
        ['GET', '/input_items'],
        ['POST', '/cancel'],
        ['DELETE', ''],
      ] as const) {
        const told = await ask(method, `/v1/responses/${first.id}${path}`, apiKey);
        const unknown = await ask(method, `/v1/responses/resp_unknown${path}`, apiKey);
        expect([told.status, told.text]).toEqual([404, unknown.text]);
      }
    await openai.responses.delete(first.id);
    await expect(openai.responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
    await expect(
      openai.responses.create({ model, input: 'x', previous_response_id: first.id }),
    ).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found' });
  });

  test('is continued by a long input with many tools, which is read in a thread', async () => {
    const first = await openai.responses.create({
      model,
      input: 'Hi',
      max_output_tokens: 6,
      store: true,
    });
    const long = 'Once upon a time. '.repeat(10_000);
    const tools = Array.from({ length: 30 }, (_, at) => ({
      type: 'function' as const,
      name: `tool_${at}`,
      description: long.slice(0, 1_000),
      parameters: { type: 'object', properties: {} },
      strict: false,
    }));
    const second = await openai.responses.create({
      model,
      input: long,
      tools,
      tool_choice: 'none',
      max_output_tokens: 6,
      previous_response_id: first.id,
    });
    expect(second.output_text).toBe(
      expectedText([user('Hi'), assistant(first.output_text), user(long)], 6),
    );
    expect(second.tools).toEqual(tools);
    const stored = { model, input: long.repeat(10), store: true };
    await expect(openai.responses.create(stored)).rejects.toMatchObject({ status: 413 });
  });

  test('of a stream can be continued as soon as the stream has ended', async () => {
    const stream = openai.responses.stream({
      model,
      input: 'Hi',
      max_output_tokens: 6,
      store: true,
    });
    const first = await stream.finalResponse();
    const stored = await openai.responses.retrieve(first.id);
    expect(stored).toMatchObject({ store: true, output_text: first.output_text });
  });

  test('is that of the model that answers if the first of several models cannot', async () => {
    const [served] = simulatedModels;
    await network.network.putModels([{ ...served, id: 'unserved', builds: ['unserved'] } as never]);
    const create = (fields: object) =>
      openai.responses.create({ input: 'Hi', max_output_tokens: 6, ...fields } as never);
    await vi.waitFor(
      () => expect(create({ model: 'unserved' })).rejects.toMatchObject({ code: 'no_provider' }),
      { timeout: 20_000 },
    );
    const models = ['unserved', model];
    const response = (await create({ models, store: true })) as OpenAI.Responses.Response;
    expect(response).toMatchObject({ model, store: true });
    expect(await openai.responses.retrieve(response.id)).toMatchObject({
      model,
      output: response.output,
    });
    await expect(create({ models, background: true })).rejects.toMatchObject({ param: 'models' });
  });

  test('is nowhere readable in the database, and is not kept after its client left', async () => {
    const secret = 'A sentence that is stored for its caller alone';
    const abort = new AbortController();
    const stream = await openai.responses.create(
      { model, input: secret, max_output_tokens: 5_000, store: true, stream: true },
      { signal: abort.signal },
    );
    let id = '';
    for await (const event of stream) {
      if (event.type === 'response.created') id = event.response.id;
      if (event.type === 'response.output_text.delta') abort.abort();
    }
    expect(await network.databaseHolds(secret)).toBe(false);
    await vi.waitFor(() =>
      expect(openai.responses.retrieve(id)).rejects.toMatchObject({ status: 404 }),
    );
    const { id: kept } = await openai.responses.create({
      model,
      input: secret,
      max_output_tokens: 5,
      store: true,
    });
    expect(await network.databaseHolds(secret)).toBe(false);
    expect((await openai.responses.retrieve(kept)).status).toBe('incomplete');
  });
});

describe('a response in the background', () => {
  const start = (fields: object = {}) =>
    openai.responses.create({
      model,
      input: 'Hi',
      background: true,
      ...fields,
    } as never) as Promise<OpenAI.Responses.Response>;

  test('goes on without a connection, and is polled at any ingress', async () => {
    const begun = await start({ max_output_tokens: 40 });
    expect(begun).toMatchObject({
      status: 'in_progress',
      background: true,
      store: true,
      output: [],
    });
    await using second = await network.secondIngress();
    const response = await ended(begun.id);
    const there = await network.ask('GET', `${second.url}/v1/responses/${begun.id}`, {
      token: network.apiKey,
    });
    expect(there.json).toMatchObject({ status: 'incomplete', output: response.output });
    expect(response.output_text).toBe(expectedText([user('Hi')], 40));
  });

  test('that is cancelled at another ingress stops, and costs only what had arrived', async () => {
    await using second = await network.secondIngress();
    const { id } = await start({ max_output_tokens: 20_000 });
    await network.servingProvider();
    const told = await network.ask('POST', `${second.url}/v1/responses/${id}/cancel`, {
      token: network.apiKey,
    });
    expect(told.json).toMatchObject({ id, status: 'cancelled' });
    await vi.waitFor(() => expect(network.runningSequences()).toBe(0), 5_000);
    const charge = (await network.charges()).find(({ job }) => `resp_${job}` === id);
    expect(charge?.completionTokens).toBeLessThan(20_000);
    expect((await openai.responses.retrieve(id)).status).toBe('cancelled');
    expect((await openai.responses.cancel(id)).status).toBe('cancelled');
  });

  test('whose ingress died is shown as failed, and cannot be continued', async () => {
    const { id } = await start({ max_output_tokens: 5 });
    await ended(id);
    // The state that a killed ingress leaves: a running response whose time is not renewed.
    const { bus } = network.network.coordinator;
    const object = { account: network.account, id };
    const row = await bus.call(services.accounts.readStored, object, { timeoutMs: 5_000 });
    if (!row.ok) throw new Error('the response is not stored');
    const { version, sealed } = row;
    const now = Date.now();
    await bus.call(
      services.accounts.putStored,
      { ...object, version, sealed, state: 'running', runsUntil: now - 1, expiresAt: now + 60_000 },
      { timeoutMs: 5_000 },
    );
    const lost = await openai.responses.retrieve(id);
    expect(lost).toMatchObject({ status: 'failed', error: { code: 'server_error' } });
    await expect(
      openai.responses.create({ model, input: 'x', previous_response_id: id }),
    ).rejects.toMatchObject({ status: 400, param: 'previous_response_id' });
  });

  test('ends with a failure when its job fails', async () => {
    const poor = await network.createKey({ creditMicroUsd: 1 });
    const client = network.openai({ apiKey: poor.apiKey });
    const { id } = await client.responses.create({ model, input: 'Hi', background: true });
    await vi.waitFor(async () =>
      expect(await client.responses.retrieve(id)).toMatchObject({
        status: 'failed',
        error: { message: expect.stringContaining('balance') },
      }),
    );
  });

  test('is neither streamed nor forbidden to be stored', async () => {
    await expect(start({ stream: true })).rejects.toMatchObject({ param: 'background' });
    await expect(start({ store: false })).rejects.toMatchObject({ param: 'store' });
  });
});

describe('a conversation', () => {
  test('gets the input and the output of each response', async () => {
    const { id } = await openai.conversations.create({
      items: [{ type: 'message', ...user('Remember seven.') }],
      metadata: { topic: 'numbers' },
    });
    const answer = await openai.responses.create({
      model,
      input: 'Which number?',
      max_output_tokens: 5,
      conversation: id,
    });
    expect(answer.conversation).toEqual({ id });
    const items = await openai.conversations.items.list(id, { order: 'asc' });
    expect(items.data.map((item) => ('role' in item ? item.role : item.type))).toEqual([
      'user',
      'user',
      'assistant',
    ]);
    await Promise.all(
      ['a', 'b', 'c'].map((text) =>
        openai.conversations.items.create(id, { items: [{ type: 'message', ...user(text) }] }),
      ),
    );
    const all = await openai.conversations.items.list(id, { limit: 2 });
    const ids = [];
    for await (const item of all) ids.push(item.id);
    expect(new Set(ids).size).toBe(6);
    await openai.conversations.items.delete(String(ids[0]), { conversation_id: id });
    expect((await openai.conversations.update(id, { metadata: { a: 'b' } })).metadata).toEqual({
      a: 'b',
    });
    const stranger = await network.createKey({ creditMicroUsd: 0 });
    expect((await ask('GET', `/v1/conversations/${id}`, stranger.apiKey)).status).toBe(404);
    await openai.conversations.delete(id);
    await expect(openai.conversations.retrieve(id)).rejects.toMatchObject({ status: 404 });
  });
});
