import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { encodeSealed, SealedError } from '#client';
import { type Customer, startCustomer } from '../sealed/sealed-network.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let customer: Customer;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 2 });
  customer = await startCustomer(network.url);
}, 60_000);
afterAll(async () => {
  await customer[Symbol.asyncDispose]();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

// biome-ignore lint/suspicious/noExplicitAny: an answer of the API, whose fields the tests check.
type Answer = any;

const headers = () => ({
  authorization: `Bearer ${network.apiKey}`,
  'content-type': 'application/json',
});
async function post(path: string, body: object, url = network.url) {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: headers(),
    body: JSON.stringify(body),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer,
  };
}
const cosine = (one: readonly number[], other: readonly number[]) =>
  one.reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0);

describe('embeddings', () => {
  test('the SDK of OpenAI gets a vector of length 1 for each text, in the order of the texts', async () => {
    const { data, usage, model } = await network.openai().embeddings.create({
      model: 'sim-embed',
      input: ['the river is cold', 'a train leaves at noon', 'the river is very cold'],
    });
    const [river, train, coldRiver] = data.map(({ embedding }) => embedding);
    expect(data.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(cosine(river ?? [], river ?? [])).toBeCloseTo(1, 5);
    expect(cosine(river ?? [], coldRiver ?? [])).toBeGreaterThan(cosine(river ?? [], train ?? []));
    expect(model).toBe('sim-embed');
    expect(usage.prompt_tokens).toBeGreaterThan(9);
    expect(usage.total_tokens).toBe(usage.prompt_tokens);
  });

  test('base64 and numbers are the same vector, and dimensions shortens it', async () => {
    const ask = async (more: object) => {
      const { body } = await post('/v1/embeddings', { model: 'sim-embed', input: 'one', ...more });
      return body.data[0].embedding;
    };
    const numbers = await ask({ encoding_format: 'float' });
    const bytes = Buffer.from(await ask({ encoding_format: 'base64' }), 'base64');
    expect(numbers).toHaveLength(64);
    expect(numbers).toEqual(numbers.map((_: number, at: number) => bytes.readFloatLE(4 * at)));
    const short: number[] = await ask({ dimensions: 16 });
    expect(short).toHaveLength(16);
    expect(cosine(short, short)).toBeCloseTo(1, 5);
  });

  test('tokens are read like texts, one list or several', async () => {
    const ask = async (input: unknown) =>
      (await post('/v1/embeddings', { model: 'sim-embed', input })).body;
    const one = await ask([17, 4, 99]);
    const several = await ask([[17, 4, 99], [5]]);
    expect(several.data).toHaveLength(2);
    expect(several.data[0].embedding).toEqual(one.data[0].embedding);
    expect(one.usage.prompt_tokens).toBe(7);
  });

  test('a job is held, charged once for its tokens, and has a signed receipt', async () => {
    const { body, headers: answered } = await post('/v1/embeddings', {
      model: 'sim-embed',
      input: Array.from({ length: 200 }, (_, at) => `text number ${at}`),
      user: 'someone',
    });
    expect(body.data).toHaveLength(200);
    expect(answered.get('x-dinf-ignored')).toBe('user');
    const job = answered.get('x-inference-job-id');
    const receipt = await vi.waitFor(async () => {
      const response = await fetch(`${network.url}/v1/receipts/${job}`, { headers: headers() });
      expect(response.status).toBe(200);
      return response.json();
    }, 20_000);
    expect(receipt).toMatchObject({
      job,
      finish: 'stop',
      usage: { prompt_tokens: body.usage.prompt_tokens, completion_tokens: 200 },
    });
    const charge = (await network.charges()).filter((each) => each.job === job);
    expect(charge).toMatchObject([
      { chargedMicroUsd: Math.round(body.usage.cost * 1_000_000), completionTokens: 200 },
    ]);
    expect(charge[0]?.heldMicroUsd).toBeGreaterThanOrEqual(charge[0]?.chargedMicroUsd ?? 0);
  });

  test.each([
    [{ input: '' }, 'input'],
    [{ input: [] }, 'input'],
    [{ input: ['a', 3] }, 'input'],
    [{ input: [-1] }, 'input'],
    [{ input: Array(2_049).fill('a') }, 'input'],
    [{ input: 'a', encoding_format: 'int8' }, 'encoding_format'],
    [{ input: 'a', dimensions: 0 }, 'dimensions'],
    [{ input: 'a', nom: 1 }, 'nom'],
    [{ input: 'a', model: 'sim' }, 'model'],
  ])(
    'a request that cannot be served is refused with the field at fault: %#',
    async (body, param) => {
      const answer = await post('/v1/embeddings', { model: 'sim-embed', ...body });
      expect([answer.status, answer.body.error.param]).toEqual([400, param]);
    },
  );

  test('a text that is longer than the context of the model is refused, and shortened for Ollama', async () => {
    const text = 'word '.repeat(1_000);
    const refused = await post('/v1/embeddings', { model: 'sim-embed', input: text });
    expect([refused.status, refused.body.error.code]).toEqual([400, 'context_length_exceeded']);
    const { body } = await post('/api/embed', { model: 'sim-embed', input: [text, 'b'] });
    expect(body.embeddings).toHaveLength(2);
    expect(body.prompt_eval_count).toBe(512 + 5);
  });

  test('a chat with such a model is refused and names the route', async () => {
    const refused = await post('/v1/chat/completions', {
      model: 'sim-embed',
      messages: [{ role: 'user', content: 'Hi' }],
    });
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toContain('/v1/embeddings');
  });

  test("Ollama's older route has one vector", async () => {
    const { body } = await post('/api/embeddings', { model: 'sim-embed', prompt: 'one' });
    expect(body.embedding).toHaveLength(64);
  });

  test('a client that leaves ends the job, which frees its machine', async () => {
    const gone = new AbortController();
    const request = fetch(`${network.url}/v1/embeddings`, {
      method: 'POST',
      headers: headers(),
      body: JSON.stringify({ model: 'sim-embed', input: Array(2_048).fill('again') }),
      signal: gone.signal,
    });
    await vi.waitFor(() => expect(network.runningSequences()).toBeGreaterThan(0), 10_000);
    gone.abort();
    await expect(request).rejects.toThrow();
    await vi.waitFor(() => expect(network.runningSequences()).toBe(0), 20_000);
  });
});

describe('rerank', () => {
  const documents = ['A train leaves at noon.', 'The river is cold today.', { text: 'cold river' }];

  test('orders documents by their relevance', async () => {
    const { body } = await post('/v1/rerank', {
      model: 'sim-rerank',
      query: 'cold river',
      documents,
    });
    expect(body.results.map(({ index }: { index: number }) => index)).toEqual([2, 1, 0]);
    expect(body.results[0].relevance_score).toBeCloseTo(1, 5);
    expect(body.usage.total_tokens).toBeGreaterThan(0);
  });

  test('top_n and return_documents', async () => {
    const { body } = await post('/v1/rerank', {
      model: 'sim-rerank',
      query: 'cold river',
      documents,
      top_n: 1,
      return_documents: true,
    });
    expect(body.results).toEqual([
      { index: 2, relevance_score: expect.any(Number), document: { text: 'cold river' } },
    ]);
  });

  test.each([
    [{ query: '' }, 'query'],
    [{ documents: [] }, 'documents'],
    [{ documents: [{ title: 'a' }] }, 'documents'],
    [{ top_n: 0 }, 'top_n'],
    [{ model: 'sim-embed' }, 'model'],
  ])('refuses %j', async (body, param) => {
    const wrong = { model: 'sim-rerank', query: 'a', documents: ['b'], ...body };
    const answer = await post('/v1/rerank', wrong);
    expect([answer.status, answer.body.error.param]).toEqual([400, param]);
  });
});

describe('in blind mode', () => {
  const authorization = () => `Bearer ${network.apiKey}`;

  test('a client gets the same vectors and relevances as in the clear', async () => {
    const inputs = Array.from({ length: 40 }, (_, at) => `text ${at}`);
    const clear = await post('/v1/embeddings', { model: 'sim-embed', input: inputs });
    const { results, end, serving } = await encodeSealed({
      client: customer.client,
      task: { k: 'embeddings', inputs },
      wish: { model: 'sim-embed' },
      authorization: authorization(),
    });
    expect(results.vectors.map((vector) => [...vector])).toEqual(
      clear.body.data.map(({ embedding }: { embedding: number[] }) => embedding),
    );
    expect(end.usage.promptTokens).toBe(clear.body.usage.prompt_tokens);
    expect(serving.offer.level).toBe('self_signed');
    const documents = ['the sea', 'a long way home from the sea'];
    const ranked = await encodeSealed({
      client: customer.client,
      task: { k: 'rerank', query: 'sea', documents },
      wish: { model: 'sim-rerank' },
      authorization: authorization(),
    });
    expect(ranked.results.scores).toHaveLength(2);
  });

  test('the proxy on the machine of the customer serves the routes', async () => {
    const { data } = await new OpenAI({
      baseURL: `${customer.url}/v1`,
      apiKey: network.apiKey,
    }).embeddings.create({ model: 'sim-embed', input: ['a', 'b'] });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([64, 64]);
    const ranked = await post(
      '/v1/rerank',
      { model: 'sim-rerank', query: 'sea', documents: ['the sea', 'a tree'] },
      customer.url,
    );
    expect(ranked.body.results[0].index).toBe(0);
  });

  test('a task with more tokens than the session announced is refused', async () => {
    const request = {
      task: { k: 'rerank' as const, query: 'word '.repeat(100), documents: Array(50).fill('b') },
    };
    const wish = {
      model: 'sim-rerank',
      requires: ['rerank'] as const,
      maxTokens: 50,
      requestBytes: 2_000,
    };
    const place = await customer.client.open(wish, authorization());
    const events = customer.client.run({ wish, place, request }, authorization());
    await expect(events.next()).rejects.toThrow(SealedError);
  });
});

test('a machine that ends before the last result is replaced, and its results are charged once', async () => {
  const inputs = Array.from({ length: 1_000 }, (_, at) => `text ${at}`);
  const answer = post('/v1/embeddings', { model: 'sim-embed', input: inputs });
  await (await network.servingProvider()).kill();
  const { status, body, headers: answered } = await answer;
  expect([status, body.data?.length, answered.get('x-inference-attempts')]).toEqual([
    200,
    1_000,
    '2',
  ]);
  const job = answered.get('x-inference-job-id');
  expect((await network.charges()).filter((charge) => charge.job === job)).toMatchObject([
    { outcome: 'settled', completionTokens: 1_000 },
  ]);
}, 60_000);
