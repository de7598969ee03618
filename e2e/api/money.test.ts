import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import {
  type ApiResponse,
  expectedText,
  type Person,
  startTestNetwork,
  type TestNetwork,
} from '../test-network.ts';

let network: TestNetwork;
let ann: Person;
let apiKey: string;
let keyId: string;

beforeAll(async () => {
  // Without a minimum charge, the referrer's fifth of the fee of a short request would round to
  // zero.
  network = await startTestNetwork({
    providers: 1,
    tokenMs: 1,
    config: { minimumChargeMicroUsd: 100 },
  });
  ann = await network.person('ann');
  ({ apiKey, key: keyId } = await network.createKey({
    creditMicroUsd: 10_000_000,
    account: ann.account,
  }));
});
afterAll(() => network[Symbol.asyncDispose]());

const chat = (fields: object = {}) =>
  network.ask('POST', '/v1/chat/completions', {
    token: apiKey,
    body: { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 20, ...fields },
  });

const jobOf = ({ headers }: ApiResponse) => headers.get('x-inference-job-id') ?? '';
/** The record of a job, after the ledger has its charge. */
const settledGeneration = (job: string, token = apiKey) =>
  vi.waitFor(async () => {
    const { status, json } = await network.ask('GET', `/v1/generation?id=${job}`, { token });
    expect(status).toBe(200);
    expect(json.data.cost_micro_usd).not.toBeNull();
    return json.data;
  }, 15_000);
/** The last usage of an answer: of its JSON, or of the events of its stream. */
function usageIn({ json, text }: ApiResponse) {
  const events = text.matchAll(/^data: (\{.*\})$/gm);
  const bodies = json === undefined ? [...events].map(([, data = '']) => JSON.parse(data)) : [json];
  return bodies.map(({ usage, response }) => usage ?? response?.usage).findLast(Boolean);
}

describe('the cost of a request', () => {
  test('is the same in usage, generation, statement and balance', async () => {
    const answer = await chat();
    const id = jobOf(answer);
    await network.expectMoneyBalances();
    const generation = await settledGeneration(id);
    expect(generation).toMatchObject({
      id,
      model: 'sim-llama-8b',
      cancelled: false,
      finish_reason: 'length',
      attempts: 1,
      tokens_completion: 20,
      streamed: false,
    });
    expect(generation.latency).toBeGreaterThan(0);
    expect(generation.routing).toMatchObject({
      able_machines: 1,
      refused: [],
      queued_ms: 0,
      failed_choice: null,
    });
    const terms: { term: string; ms: number }[] = generation.routing.terms;
    expect(terms.map(({ term }) => term)).toEqual(expect.arrayContaining(['prefill', 'decode']));
    expect(generation.routing.chosen_after).toBeGreaterThan(0);
    expect(generation.routing.held_after).toBeGreaterThan(generation.routing.chosen_after);
    expect(generation.provider.id).toBe(answer.headers.get('x-provider-id'));
    const usage = (await ann.ask('GET', '/v1/usage?limit=10')).json.data.find(
      (row: { job_id: string }) => row.job_id === id,
    );
    expect(usage).toMatchObject({
      cost_micro_usd: generation.cost_micro_usd,
      completion_tokens: answer.json.usage.completion_tokens,
      outcome: 'settled',
    });
    const line = (await ann.ask('GET', '/v1/statement')).json.data.find(
      (row: { reference: string }) => row.reference === id,
    );
    expect(line).toMatchObject({ kind: 'charge', amount_micro_usd: -generation.cost_micro_usd });
    const balance = (await network.ask('GET', '/v1/balance', { token: apiKey })).json;
    expect(balance).toMatchObject({
      available_micro_usd: 10_000_000 - generation.cost_micro_usd,
      held_micro_usd: 0,
    });
  });

  test('of a cancelled stream is marked as cancelled', async () => {
    const abort = new AbortController();
    const response = await fetch(`${network.url}/v1/chat/completions`, {
      method: 'POST',
      signal: abort.signal,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'sim',
        messages: [{ role: 'user', content: 'Hi' }],
        max_tokens: 5_000,
        stream: true,
      }),
    });
    await response.body?.getReader().read();
    abort.abort();
    const id = response.headers.get('x-inference-job-id');
    await vi.waitFor(async () => {
      const { json } = await network.ask('GET', `/v1/generation?id=${id}`, { token: apiKey });
      expect(json.data).toMatchObject({ cancelled: true, streamed: true });
    }, 5_000);
  });

  test('can be read page by page without gap or repetition, filtered, and as CSV', async () => {
    for (let call = 0; call < 5; call += 1) await chat({ max_tokens: call + 1 });
    await network.expectMoneyBalances();
    const all: string[] = [];
    let next: string | null = null;
    do {
      const { json } = await ann.ask(
        'GET',
        `/v1/usage?limit=2${next === null ? '' : `&after=${encodeURIComponent(next)}`}`,
      );
      all.push(...json.data.map((row: { job_id: string }) => row.job_id));
      next = json.next;
    } while (next !== null);
    const whole = (await ann.ask('GET', '/v1/usage?limit=1000')).json.data;
    expect(all).toEqual(whole.map((row: { job_id: string }) => row.job_id));
    expect(whole.map((row: { at: string }) => row.at)).toEqual(
      whole
        .map((row: { at: string }) => row.at)
        .toSorted()
        .toReversed(),
    );
    expect((await ann.ask('GET', '/v1/usage?model=none')).json.data).toEqual([]);
    expect((await ann.ask('GET', `/v1/usage?key=${keyId}&limit=1000`)).json.data).toHaveLength(
      whole.length,
    );
    expect((await ann.ask('GET', '/v1/usage?until=2020-01-01T00:00:00Z')).json.data).toEqual([]);
    const csv = await ann.ask('GET', '/v1/usage?format=csv&limit=1000');
    expect(csv.headers.get('content-type')).toContain('text/csv');
    const [header, ...rows] = csv.text.trim().split('\n');
    expect(header).toBe(
      'job_id,at,key,model,provider,outcome,prompt_tokens,cached_tokens,completion_tokens,cost_micro_usd',
    );
    expect(rows).toHaveLength(whole.length);
  });

  test('can be read as CSV with every row of the range, however many there are', async () => {
    const { bus } = network.network.coordinator;
    const { services } = await import('#bus-schemas');
    const { account, ask } = await network.person('many-rows');
    const operations = Array.from(
      { length: 1_050 },
      (_, index) => `ticket ${String(index).padStart(4, '0')}`,
    );
    for (let start = 0; start < operations.length; start += 50)
      await Promise.all(
        operations
          .slice(start, start + 50)
          .map((operation) =>
            bus.call(
              services.settlement.credit,
              { account, amountMicroUsd: 1, operation },
              { timeoutMs: 10_000 },
            ),
          ),
      );
    const table = await ask('GET', '/v1/statement?format=csv');
    const [header, ...rows] = table.text.trim().split('\n');
    expect(header).toMatch(/^at,kind,reference,/);
    expect(rows.map((row) => row.split(',')[2]).toSorted()).toEqual(
      operations.map((operation) => `credit:${operation}`),
    );
    expect(table.headers.get('x-next')).toBeNull();
    // With a limit, the response names the cursor of the rest in a header.
    const part = await ask('GET', '/v1/statement?format=csv&limit=1000');
    const rest = await ask(
      'GET',
      `/v1/statement?format=csv&after=${encodeURIComponent(part.headers.get('x-next') ?? '')}`,
    );
    expect([part, rest].flatMap(({ text }) => text.trim().split('\n').slice(1))).toEqual(rows);
  });

  test.each(['after=nonsense', 'limit=0', 'limit=many', 'from=yesterday', 'nothing=known'])(
    'with the invalid parameter %s is refused',
    async (query) => {
      expect((await ann.ask('GET', `/v1/usage?${query}`)).status).toBe(400);
    },
  );

  test('can be read by an API key only for its own requests', async () => {
    const other = await network.createKey({ creditMicroUsd: 0, account: ann.account });
    expect((await network.ask('GET', '/v1/usage', { token: other.apiKey })).json.data).toEqual([]);
    expect(
      (await network.ask('GET', `/v1/usage?key=${keyId}`, { token: other.apiKey })).status,
    ).toBe(403);
    const id = (await ann.ask('GET', '/v1/usage?limit=1')).json.data[0].job_id;
    expect(
      (await network.ask('GET', `/v1/generation?id=${id}`, { token: other.apiKey })).status,
    ).toBe(404);
  });
});

test('the price list and the marketplace feed agree', async () => {
  const prices = (await network.ask('GET', '/v1/pricing')).json.data;
  expect(prices).toContainEqual({
    model: 'sim',
    input_micro_usd_per_million: 20_000,
    cache_read_micro_usd_per_million: 10_000,
    output_micro_usd_per_million: 50_000,
    minimum_charge_micro_usd: 100,
    asked: {
      machines: 1,
      input: { lowest: 20_000, highest: 20_000 },
      output: { lowest: 50_000, highest: 50_000 },
    },
    announced: [],
  });
  const feed = (await network.ask('GET', '/v1/models/openrouter')).json.data;
  expect(feed.find(({ id }: { id: string }) => id === 'sim-llama-8b')).toMatchObject({
    pricing: { prompt: '0.00000002', completion: '0.00000005', minimum_charge: '0.0001' },
    is_ready: true,
    supported_features: ['tools', 'reasoning'],
  });
});

test('capacity reports a model as ready if a provider can serve it', async () => {
  const room = async () =>
    (await network.ask('GET', '/v1/models/capacity')).json.data.find(
      ({ id }: { id: string }) => id === 'sim',
    );
  expect(await room()).toMatchObject({ ready: true, routable_providers: 1, warm_providers: 1 });
});

describe('codes', () => {
  test('an invite credits each account once, and only as many accounts as it has uses', async () => {
    const bus = network.network.coordinator.bus;
    const { services } = await import('#bus-schemas');
    await bus.call(
      services.accounts.createInvite,
      { code: 'welcome', creditMicroUsd: 1_000_000, uses: 2 },
      { timeoutMs: 5_000 },
    );
    const people = await Promise.all(['bob', 'cid', 'dan'].map((name) => network.person(name)));
    const redeem = (person: Person | undefined) =>
      person?.ask('POST', '/v1/invites/redeem', { code: 'welcome' });
    const twice = await Promise.all([redeem(people[0]), redeem(people[0])]);
    expect(twice.map((told) => told?.json.available_micro_usd)).toEqual([1_000_000, 1_000_000]);
    expect((await redeem(people[1]))?.status).toBe(200);
    expect((await redeem(people[2]))?.status).toBe(409);
    expect(
      (await people[2]?.ask('POST', '/v1/invites/redeem', { code: 'nobody-knows' }))?.status,
    ).toBe(404);
  });

  test('a referrer gets a share of the fee of the referred account', async () => {
    const [referrer, newcomer] = await Promise.all([network.person('ref'), network.person('new')]);
    expect((await referrer.ask('PUT', '/v1/referral', { code: 'studio' })).status).toBe(200);
    expect((await newcomer.ask('PUT', '/v1/referral', { code: 'studio' })).status).toBe(409);
    expect((await referrer.ask('POST', '/v1/referral/apply', { code: 'studio' })).status).toBe(409);
    expect((await newcomer.ask('POST', '/v1/referral/apply', { code: 'studio' })).json).toEqual({
      applied: true,
    });
    expect((await referrer.ask('GET', '/v1/referral')).json).toEqual({
      code: 'studio',
      referred: 1,
      referred_by_somebody: false,
    });
    const { apiKey: key } = await network.createKey({
      creditMicroUsd: 10_000_000,
      account: newcomer.account,
    });
    await vi.waitFor(async () => {
      await network.ask('POST', '/v1/chat/completions', {
        token: key,
        body: {
          model: 'sim',
          messages: [{ role: 'user', content: 'Hi' }],
          max_tokens: 8_000,
          stop: ['the'],
        },
      });
      await network.expectMoneyBalances();
      expect((await referrer.ask('GET', '/v1/earnings')).json.lifetime_micro_usd).toBeGreaterThan(
        0,
      );
    }, 15_000);
  });
});

test('without Stripe, its routes answer that it is not configured', async () => {
  const urls = { success_url: 'http://localhost:8080/a', cancel_url: 'http://localhost:8080/b' };
  expect(
    (await ann.ask('POST', '/v1/billing/checkout', { amount_micro_usd: 5_000_000, ...urls })).json
      .error.code,
  ).toBe('not_configured');
  expect(
    (
      await ann.ask('POST', '/v1/billing/withdrawals', {
        amount_micro_usd: 5_000_000,
        operation: 'january-1',
      })
    ).status,
  ).toBe(404);
  expect(
    (
      await ann.ask('POST', '/v1/billing/checkout', {
        amount_micro_usd: 5_000_000,
        success_url: 'javascript:alert(1)',
        cancel_url: 'http://localhost:8080/',
      })
    ).status,
  ).toBe(400);
});

test('Stripe sends people back to this network only', async () => {
  const own = 'http://localhost:8080/';
  const foreign = 'https://evil.example/';
  for (const [path, body, param] of [
    ['checkout', { amount_micro_usd: 5_000_000, success_url: foreign, cancel_url: own }, 'success'],
    ['checkout', { amount_micro_usd: 5_000_000, success_url: own, cancel_url: foreign }, 'cancel'],
    ['onboard', { return_url: foreign, refresh_url: own }, 'return'],
    ['onboard', { return_url: own, refresh_url: foreign }, 'refresh'],
  ] as const) {
    const { status, json } = await ann.ask('POST', `/v1/billing/${path}`, body);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ param: `${param}_url` });
    expect(json.error.message).toContain('DINF_REDIRECT_HOSTS');
  }
});

test('the note of a credit stands in the statement, and the note of its repetition does not', async () => {
  const rob = await network.person('rob');
  const give = (note: string) =>
    network.network.coordinator.bus.call(
      services.settlement.credit,
      { account: rob.account, amountMicroUsd: 1_000_000, operation: 'note-of-rob', note },
      { timeoutMs: 20_000 },
    );
  await give('For the outage of 27 November');
  await give('Another sentence');
  const { json } = await rob.ask('GET', '/v1/statement');
  expect(json.data).toMatchObject([
    { kind: 'credit', amount_micro_usd: 1_000_000, note: 'For the outage of 27 November' },
  ]);
});

describe('the cost in the usage of an answer', () => {
  const messages = [{ role: 'user', content: 'Hi' }];
  const streamed = { stream: true, stream_options: { include_usage: true } };
  test.concurrent.each([
    ['/v1/chat/completions', { messages, max_tokens: 400 }],
    ['/v1/chat/completions', { messages, max_tokens: 400, ...streamed }],
    ['/v1/chat/completions', { messages, max_tokens: 1 }],
    ['/v1/completions', { prompt: 'Hi', max_tokens: 400 }],
    ['/v1/completions', { prompt: 'Hi', max_tokens: 400, ...streamed }],
    ['/v1/responses', { input: 'Hi', max_output_tokens: 400 }],
    ['/v1/responses', { input: 'Hi', max_output_tokens: 400, stream: true }],
  ])('is the charge of the ledger: %s %j', async (path, fields) => {
    const answer = await network.ask('POST', path, {
      token: apiKey,
      body: { model: 'sim-qwen-32b', ...fields },
    });
    const { cost, is_byok, cost_details } = usageIn(answer);
    expect({ cost, is_byok }).toEqual({
      cost: (await settledGeneration(jobOf(answer))).total_cost,
      is_byok: false,
    });
    // Above the minimum charge of 100 micro-dollars, so that the price of the tokens decides.
    if (JSON.stringify(fields).includes('400')) expect(cost).toBeGreaterThan(0.000_1);
    else expect(cost).toBe(0.000_1);
    const { upstream_inference_cost: all, ...parts } = cost_details;
    expect(all).toBe(cost);
    const sum = Object.values<number>(parts).reduce((one, other) => one + other);
    expect(sum).toBeCloseTo(cost, 9);
  });

  test.concurrent.each([
    ['/v1/chat/completions', { messages, n: 3 }],
    ['/v1/chat/completions', { messages, n: 3, ...streamed }],
    ['/v1/completions', { prompt: ['Hi', 'Ho'], n: 2, ...streamed }],
    ['/v1/completions', { prompt: ['Hi', 'Ho'] }],
  ])('is the sum of the charges of all choices: %s %j', async (path, fields) => {
    const body = { model: 'sim-qwen-32b', max_tokens: 400, ...fields };
    const answer = await network.ask('POST', path, { token: apiKey, body });
    const ids = answer.headers.get('x-inference-job-ids')?.split(', ') ?? [];
    expect(ids[0]).toBe(jobOf(answer));
    const rows = await Promise.all(ids.map((id) => settledGeneration(id)));
    const sum = rows.reduce((total, { cost_micro_usd: each }) => total + each, 0);
    const tokens = { completion_tokens: 400 * ids.length };
    expect(usageIn(answer)).toMatchObject({ cost: sum / 1_000_000, ...tokens });
    const indexes = [...answer.text.matchAll(/"index":(\d+)/g)].map(([, index]) => Number(index));
    expect([...new Set(indexes)].toSorted()).toEqual(ids.map((_, index) => index));
    const finished = answer.text.match(/"finish_reason":"length"/g);
    expect(finished).toHaveLength(ids.length);
  });

  test.each([false, true])(
    'of several choices is held for all of them or for none (streamed: %s)',
    async (stream) => {
      const { account } = await network.person(`short-of-money-${stream}`);
      const short = await network.createKey({ creditMicroUsd: 250, account });
      const balance = async () =>
        (await network.ask('GET', '/v1/balance', { token: short.apiKey })).json;
      const before = await balance();
      const ask = (n: number) =>
        network.ask('POST', '/v1/chat/completions', {
          token: short.apiKey,
          body: { model: 'sim', messages, n, stream, max_tokens: 400 },
        });
      const refused = await ask(3);
      expect(refused.status).toBe(402);
      expect(refused.json.error.code).toBe('insufficient_quota');
      expect(await balance()).toMatchObject({ ...before, held_micro_usd: 0 });
      const answered = await ask(2);
      expect(answered.status).toBe(200);
      const spent = before.available_micro_usd - 200;
      await vi.waitFor(async () => {
        expect(await balance()).toMatchObject({ available_micro_usd: spent, held_micro_usd: 0 });
      }, 15_000);
    },
  );

  test('of several choices ends for all of them when the client leaves', async () => {
    const abort = new AbortController();
    const response = await fetch(`${network.url}/v1/chat/completions`, {
      method: 'POST',
      signal: abort.signal,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'sim', messages, n: 3, max_tokens: 5_000, stream: true }),
    });
    let text = '';
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += part;
      if ([0, 1, 2].every((index) => text.includes(`"index":${index}`))) break;
    }
    abort.abort();
    const ids = response.headers.get('x-inference-job-ids')?.split(', ') ?? [];
    expect(ids).toHaveLength(3);
    for (const id of ids)
      expect(await settledGeneration(id)).toMatchObject({ status: 'client_gone' });
    await network.expectMoneyBalances();
  });

  test('is 0 for an empty answer, and its row says so', async () => {
    const stop = expectedText(messages, 20).slice(0, 3);
    const answer = await chat({ messages, stop });
    expect(answer.json.choices[0].message.content).toBe('');
    expect(answer.json.usage).toMatchObject({ completion_tokens: 0, cost: 0 });
    const job = jobOf(answer);
    expect(await settledGeneration(job)).toMatchObject({ status: 'completed', total_cost: 0 });
    const { data } = (await ann.ask('GET', '/v1/usage?limit=1')).json;
    expect(data).toMatchObject([{ job_id: job, outcome: 'refunded', cost_micro_usd: 0 }]);
  });

  test('of a request that failed is 0 in its row', async () => {
    const { account } = await network.person('without-money');
    const poor = await network.createKey({ creditMicroUsd: 0, account });
    const answer = await network.ask('POST', '/v1/chat/completions', {
      token: poor.apiKey,
      body: { model: 'sim', messages },
    });
    expect(answer.status).toBe(402);
    expect(await settledGeneration(jobOf(answer), poor.apiKey)).toMatchObject({
      status: 'failed',
      total_cost: 0,
      tokens_completion: 0,
    });
  });
});
