import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let anthropic: Anthropic;
const clientOf = (apiKey: string) => new Anthropic({ baseURL: network.url, apiKey, maxRetries: 0 });

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 5, maxConcurrency: 8 });
  anthropic = clientOf(network.apiKey);
});
afterAll(() => network[Symbol.asyncDispose]());

const ask = (content: string, fields: object = {}): Anthropic.MessageCreateParamsNonStreaming => ({
  model: 'sim',
  max_tokens: 10,
  messages: [{ role: 'user', content }],
  ...fields,
});
const create = (requests: Record<string, Anthropic.MessageCreateParamsNonStreaming>) =>
  anthropic.messages.batches.create({
    requests: Object.entries(requests).map(([custom_id, params]) => ({ custom_id, params })),
  });
const ended = (id: string) =>
  vi.waitFor(
    async () => {
      const batch = await anthropic.messages.batches.retrieve(id);
      expect(batch.processing_status).toBe('ended');
      return batch;
    },
    { timeout: 60_000, interval: 50 },
  );
const resultsOf = async (id: string) => {
  const results = new Map<string, Anthropic.Messages.MessageBatchResult>();
  for await (const { custom_id, result } of await anthropic.messages.batches.results(id))
    results.set(custom_id, result);
  return results;
};
const NONE = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };

test('a batch of messages is created, polled, read and deleted with Anthropic’s client', async () => {
  const secret = 'A message that only its caller may read';
  const { id, ...created } = await create({
    first: ask(secret),
    second: ask('Hi'),
    wrong: ask('Hi', { model: 'no-such-model' }),
    streamed: ask('Hi', { stream: true }),
  });
  expect(created).toMatchObject({
    type: 'message_batch',
    processing_status: 'in_progress',
    request_counts: { ...NONE, processing: 4 },
    results_url: null,
  });
  const batch = await ended(id);
  expect(batch.request_counts).toEqual({ ...NONE, succeeded: 2, errored: 2 });
  const results = await resultsOf(id);
  expect(results.get('first')).toMatchObject({
    type: 'succeeded',
    message: {
      type: 'message',
      content: [{ type: 'text', text: expectedText(ask(secret).messages as never, 10) }],
    },
  });
  for (const [name, type] of [
    ['wrong', 'not_found_error'],
    ['streamed', 'invalid_request_error'],
  ] as const)
    expect(results.get(name)).toMatchObject({
      type: 'errored',
      error: { type: 'error', error: { type } },
    });
  expect(await network.charges()).toHaveLength(2);
  expect(await network.databaseHolds(secret)).toBe(false);
  const listed = await anthropic.messages.batches.list();
  expect(listed.data).toEqual([batch]);
  // Neither the files nor the batch appear among those of OpenAI's API.
  expect((await network.openai().files.list()).data).toEqual([]);
  expect((await network.openai().batches.list()).data).toEqual([]);
  await expect(network.openai().batches.retrieve(id)).rejects.toMatchObject({ status: 404 });
  const other = clientOf((await network.createKey({ creditMicroUsd: 0 })).apiKey);
  for (const call of [
    () => other.messages.batches.retrieve(id),
    () => other.messages.batches.delete(id),
    () => other.messages.batches.cancel(id),
  ])
    await expect(call()).rejects.toMatchObject({ status: 404 });
  expect(await anthropic.messages.batches.delete(id)).toEqual({
    id,
    type: 'message_batch_deleted',
  });
  await expect(anthropic.messages.batches.retrieve(id)).rejects.toMatchObject({ status: 404 });
  const figures = await network.network.coordinator.metrics.metrics();
  for (const figure of [
    'dinf_batch_lines_total{outcome="output"} 2',
    'dinf_batch_lines_total{outcome="error"} 2',
    'dinf_batches_ended_total{outcome="completed"} 1',
    'dinf_batches_running 0',
  ])
    expect(figures).toContain(figure);
});

test('a batch of messages that is cancelled finishes what runs, and names the rest', async () => {
  const names = Array.from({ length: 60 }, (_, index) => `request-${index}`);
  const { id } = await create(
    Object.fromEntries(names.map((name) => [name, ask('Hi', { max_tokens: 40 })])),
  );
  const running = vi.waitFor(
    async () => {
      const { request_counts: counts } = await anthropic.messages.batches.retrieve(id);
      expect(counts.succeeded).toBeGreaterThan(0);
    },
    { timeout: 30_000, interval: 20 },
  );
  await running;
  await expect(anthropic.messages.batches.delete(id)).rejects.toMatchObject({ status: 409 });
  const cancelling = await anthropic.messages.batches.cancel(id);
  expect(cancelling.processing_status).toBe('canceling');
  const { request_counts: counts, cancel_initiated_at } = await ended(id);
  expect(cancel_initiated_at).toBe(cancelling.cancel_initiated_at);
  expect(counts.canceled).toBeGreaterThan(0);
  expect(counts.succeeded + counts.canceled).toBe(60);
  const types = [...(await resultsOf(id)).values()].map(({ type }) => type);
  expect(types.filter((type) => type === 'canceled')).toHaveLength(counts.canceled);
  expect(types).toHaveLength(60);
});

test('batches of messages are listed in pages, in both directions', async () => {
  const ids: string[] = [];
  for (const index of [1, 2, 3, 4])
    ids.unshift((await create({ [`list-${index}`]: ask('Hi') })).id);
  const [newest, second, third, oldest] = ids as [string, string, string, string];
  const page = async (query: Anthropic.Messages.BatchListParams) => {
    const { data, has_more } = await anthropic.messages.batches.list(query);
    return { ids: data.map(({ id }) => id), has_more };
  };
  expect(await page({ limit: 2 })).toEqual({ ids: [newest, second], has_more: true });
  expect(await page({ limit: 1, after_id: second })).toEqual({ ids: [third], has_more: true });
  const before = { before_id: oldest };
  expect(await page({ ...before, limit: 2 })).toEqual({ ids: [second, third], has_more: true });
  expect(await page(before)).toEqual({ ids: [newest, second, third], has_more: false });
  expect(await page({ before_id: newest })).toEqual({ ids: [], has_more: false });
  // The client follows the pages backwards by itself.
  const seen: string[] = [];
  for await (const { id } of anthropic.messages.batches.list({ ...before, limit: 1 }))
    seen.push(id);
  expect(seen).toEqual([third, second, newest]);
  for (const [query, status] of [
    [{ before_id: oldest, after_id: newest }, 400],
    [{ before_id: 'msgbatch_000000000000000000000000' }, 404],
  ] as const)
    await expect(page(query)).rejects.toMatchObject({ status });
});

test('a batch of messages is refused as a whole if two requests have one name', async () => {
  const params = ask('Hi');
  const requests = ['one', 'one'].map((custom_id) => ({ custom_id, params }));
  await expect(anthropic.messages.batches.create({ requests })).rejects.toMatchObject({
    status: 400,
    message: expect.stringContaining('requests.1: Another line'),
  });
  await expect(anthropic.messages.batches.create({ requests: [] })).rejects.toMatchObject({
    status: 400,
  });
});
