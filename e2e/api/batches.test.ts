import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ask, CHAT, createBatch, ended, line, results, upload } from '../batches-under-test.ts';
import { startMachineOf } from '../linked-machine.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

let network: TestNetwork;
let openai: OpenAI;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 0, maxConcurrency: 8 });
  openai = network.openai();
});
afterAll(() => network[Symbol.asyncDispose]());

const MAX_TOKENS = 20;
const create = (lines: readonly string[], fields: Partial<OpenAI.BatchCreateParams> = {}) =>
  createBatch(openai, lines, fields);

describe('a batch', () => {
  test('runs each line once, at half the price, and stores nothing readable', async () => {
    const chatted = await openai.chat.completions.create(ask('Question 0') as never);
    const [single] = await network.charges();
    const names = Array.from({ length: 25 }, (_, index) => `question-${index}`);
    const secret = 'A question that only its caller may read';
    const batch = await create(
      names.map((name, index) => line(name, ask(index === 0 ? secret : `Question ${index}`))),
      { metadata: { purpose: 'nightly' } },
    );
    expect(batch).toMatchObject({ object: 'batch', status: 'validating', endpoint: CHAT });
    const done = await ended(openai, batch.id);
    expect(done).toMatchObject({
      id: batch.id,
      status: 'completed',
      errors: null,
      error_file_id: null,
      expires_at: done.created_at + 86_400,
      metadata: { purpose: 'nightly' },
      request_counts: { total: 25, completed: 25, failed: 0 },
    });
    const answers = await results(openai, done.output_file_id);
    expect([...answers.keys()].toSorted()).toEqual(names.toSorted());
    expect(answers.get('question-1')).toMatchObject({
      id: expect.stringMatching(/^batch_req_/),
      error: null,
      response: {
        status_code: 200,
        request_id: expect.stringMatching(/^job_/),
        body: {
          object: 'chat.completion',
          choices: [{ message: { content: expectedText(ask('Question 1').messages, MAX_TOKENS) } }],
        },
      },
    });
    const charges = await network.charges();
    expect(charges.map(({ outcome }) => outcome)).toEqual(Array(26).fill('settled'));
    const jobs = [...answers.values()].map(({ response }) => response.request_id);
    expect(
      charges
        .slice(1)
        .map(({ job }) => job)
        .toSorted(),
    ).toEqual(jobs.toSorted());
    const ofOne = charges.find(({ job }) => job === answers.get('question-2')?.response.request_id);
    expect(ofOne?.chargedMicroUsd).toBe(Math.ceil((single?.chargedMicroUsd ?? 0) / 2));
    expect(chatted.usage?.completion_tokens).toBe(ofOne?.completionTokens);
    for (const text of [secret, 'nightly', 'question-1', `${batch.id}_output`])
      expect(await network.databaseHolds(text)).toBe(false);
    const files = await openai.files.list({ purpose: 'batch_output' as never });
    expect(files.data).toMatchObject([{ id: done.output_file_id, purpose: 'batch_output' }]);
  });

  test('writes lines that fail to the error file, and charges nothing for them', async () => {
    const before = (await network.charges()).length;
    const batch = await create([
      line('good', ask('Hi')),
      line('model', { ...ask('Hi'), model: 'no-such-model' }),
      line('stream', { ...ask('Hi'), stream: true }),
      line('choices', { ...ask('Hi'), n: 2 }),
      '',
    ]);
    const done = await ended(openai, batch.id);
    expect(done).toMatchObject({
      status: 'completed',
      request_counts: { total: 4, completed: 1, failed: 3 },
    });
    const errors = await results(openai, done.error_file_id);
    expect(
      [...errors].map(([name, { response }]) => [
        name,
        response.status_code,
        response.body.error.param,
      ]),
    ).toEqual([
      ['model', 404, 'model'],
      ['stream', 400, 'stream'],
      ['choices', 400, 'n'],
    ]);
    expect([...(await results(openai, done.output_file_id)).keys()]).toEqual(['good']);
    expect(await network.charges()).toHaveLength(before + 1);
  });

  test.each([
    ['/v1/completions', { model: 'sim', prompt: 'Hi', max_tokens: 4 }, 'text_completion'],
    ['/v1/responses', { model: 'sim', input: 'Hi', max_output_tokens: 4 }, 'response'],
  ] as const)('may be for %s', async (url, body, object) => {
    const batch = await create([line('one', body, { url })], { endpoint: url });
    const done = await ended(openai, batch.id);
    expect((await results(openai, done.output_file_id)).get('one')?.response.body).toMatchObject({
      object,
    });
  });

  test('with faults in its file fails before any line runs, and names each of them', async () => {
    const before = (await network.charges()).length;
    const batch = await create([
      line('same', ask('Hi')),
      '{"custom_id":',
      '',
      line('same', ask('Hi')),
      line('url', ask('Hi'), { url: '/v1/responses' }),
      line('', ask('Hi')),
    ]);
    const failed = await ended(openai, batch.id);
    expect(failed).toMatchObject({ status: 'failed', output_file_id: null, error_file_id: null });
    expect(failed.errors?.data?.map(({ code, line: at, param }) => [code, at, param])).toEqual([
      ['invalid_json', 2, null],
      ['duplicate_custom_id', 4, 'custom_id'],
      ['invalid_request', 5, 'url'],
      ['invalid_request', 6, 'custom_id'],
    ]);
    expect(await network.charges()).toHaveLength(before);
  });

  test('belongs to its API key alone', async () => {
    const { id } = await ended(openai, (await create([line('one', ask('Hi'))])).id);
    const sibling = await network.createKey({ creditMicroUsd: 0, account: network.account });
    const stranger = await network.createKey({ creditMicroUsd: 0 });
    for (const { apiKey } of [sibling, stranger]) {
      const client = network.openai({ apiKey });
      expect((await client.batches.list()).data).toEqual([]);
      for (const call of [() => client.batches.retrieve(id), () => client.batches.cancel(id)])
        await expect(call()).rejects.toMatchObject({ status: 404 });
    }
    const ids: string[] = [];
    for await (const each of await openai.batches.list({ limit: 2 })) ids.push(each.id);
    expect(ids[0]).toBe(id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('gives no line to a machine whose owner excludes batches', async () => {
    const owner = await network.person('without-batches');
    const machine = { name: 'without-batches', refuseBatches: true };
    await using fleet = await startMachineOf(network, owner, machine);
    const id = fleet.providers[0]?.id ?? '';
    await vi.waitFor(
      async () => {
        const only = { ...ask('Hi'), provider: { only: [id] } };
        await openai.chat.completions.create(only as never);
      },
      { timeout: 60_000, interval: 100 },
    );
    const lines = Array.from({ length: 16 }, (_, index) => line(`${index}`, ask('Hi')));
    const done = await ended(openai, (await create(lines)).id);
    const answers = await results(openai, done.output_file_id);
    expect(answers.size).toBe(16);
    for (const { response } of answers.values()) {
      const path = `/v1/generation?id=${response.request_id}`;
      const { provider } = await vi.waitFor(async () => {
        const generation = await network.ask('GET', path, { token: network.apiKey });
        expect(generation.status).toBe(200);
        return generation.json.data;
      }, 15_000);
      expect(provider.id).not.toBe(id);
    }
  });

  test('is refused for a file that is not stored, and for another window', async () => {
    const input_file_id = await upload(openai, [line('one', ask('Hi'))]);
    const wanted = { input_file_id, endpoint: CHAT, completion_window: '24h' } as const;
    for (const [fields, status] of [
      [{ input_file_id: 'file_000000000000000000000000' }, 404],
      [{ completion_window: '1h' }, 400],
      [{ endpoint: '/v1/embeddings' }, 400],
    ] as const)
      await expect(openai.batches.create({ ...wanted, ...fields } as never)).rejects.toMatchObject({
        status,
      });
  });
});
