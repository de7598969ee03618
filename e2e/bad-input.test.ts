import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

let network: TestNetwork;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 0 });
});
afterEach(() => network.expectMoneyBalances());
afterAll(() => network[Symbol.asyncDispose]());

/** Text that is part of every prompt and must never appear in a log. */
const SECRET = 'zebra-crossing-4711';
const messages = [{ role: 'user', content: SECRET }];
const chat = (fields: Record<string, unknown>) =>
  JSON.stringify({ model: 'sim-llama-8b', messages, max_tokens: 3, ...fields });

async function post(
  body: string | Buffer<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: unknown; retryAfter: string | null }> {
  const response = await fetch(`${network.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${network.apiKey}`,
      'content-type': 'application/json',
      ...headers,
    },
    body,
  });
  return {
    status: response.status,
    body: await response.json(),
    retryAfter: response.headers.get('retry-after'),
  };
}

describe('bad input gets a clear error in the OpenAI envelope', () => {
  test.each<[string, string | Buffer<ArrayBuffer>, number, string, string | null]>([
    ['malformed JSON', `{"model": "${SECRET}`, 400, 'invalid_json', null],
    ['an empty body', '', 400, 'invalid_json', null],
    [
      'bad UTF-8',
      Buffer.concat([Buffer.from('{"model":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
      400,
      'invalid_json',
      null,
    ],
    [
      '10 000 levels',
      `{"model":"sim-llama-8b","messages":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      400,
      'invalid_request',
      null,
    ],
    ['an unknown model', chat({ model: 'gpt-99' }), 404, 'model_not_found', 'model'],
    ['a number as model', chat({ model: 4 }), 400, 'invalid_request', 'model'],
    ['text as messages', chat({ messages: SECRET }), 400, 'invalid_request', 'messages'],
    ['n of nine', chat({ n: 9 }), 400, 'invalid_request', 'n'],
    ['negative max_tokens', chat({ max_tokens: -5 }), 400, 'invalid_request', 'max_tokens'],
    [
      'a prompt beyond the context',
      chat({ messages: [{ role: 'user', content: SECRET.repeat(100_000) }] }),
      400,
      'context_length_exceeded',
      'messages',
    ],
  ])('%s', async (_, body, status, code, param) => {
    const answer = await post(body);
    expect(answer).toMatchObject({
      status,
      body: {
        error: {
          code,
          param,
          message: expect.stringMatching(/.{10}/),
          type: 'invalid_request_error',
        },
      },
    });
    expect(JSON.stringify(answer.body)).not.toContain(SECRET);
  });

  test('a body of 17 MiB is refused because of its Content-Length', async () => {
    const response = await fetch(`${network.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${network.apiKey}`, 'content-type': 'application/json' },
      body: 'x'.repeat(17 * 1024 * 1024),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ error: { code: 'payload_too_large' } });
  });

  test('a body of almost 16 MiB is accepted in parts', async () => {
    // The body is small enough, but the prompt exceeds the context: the second check must answer.
    const answer = await post(
      chat({ messages: [{ role: 'user', content: 'a'.repeat(15 * 1024 * 1024) }] }),
    );
    expect(answer).toMatchObject({
      status: 400,
      body: { error: { code: 'context_length_exceeded' } },
    });
  });

  test('a body that is small as JSON and too large once it is parsed is refused', async () => {
    const answer = await post(chat({ whatever: Array.from({ length: 2_500_000 }, () => 0.5) }));
    expect(answer).toMatchObject({ status: 413, body: { error: { code: 'payload_too_large' } } });
  });

  test('a body of eight million values takes no longer to refuse than one text of the same size', async () => {
    const values = Buffer.from(
      chat({ whatever: 'HERE' }).replace('"HERE"', `[${'0,'.repeat(8_000_000)}0]`),
    );
    const text = Buffer.from(chat({ whatever: 'x'.repeat(16_000_000) }));
    const refusalMs = async (body: Buffer<ArrayBuffer>, status: number) => {
      const startedAt = performance.now();
      expect((await post(body)).status).toBe(status);
      return performance.now() - startedAt;
    };
    const [textMs, valuesMs] = [await refusalMs(text, 400), await refusalMs(values, 413)];
    // Without a limit, parsing the values took ten times as long and blocked all other requests.
    expect(valuesMs).toBeLessThan(textMs * 3);
  });

  test.each([
    ['a large unknown field', chat({ whatever: 'x'.repeat(100_000) }), 'whatever'],
    ['max_tokens of zero', chat({ max_tokens: 0 }), 'max_tokens'],
    ['an unknown role', chat({ messages: [{ role: 'zz', content: SECRET }] }), 'messages'],
    [
      'a user message without content',
      chat({ messages: [{ role: 'user', content: null }] }),
      'messages',
    ],
  ])('%s is refused with the name of the field', async (_, body, param) => {
    expect(await post(body)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_request', param } },
    });
  });

  test.each(['/v1/sealed/jobs', '/v1/sealed/jobs/job_0123456789abcdefghijkl?attempt=1'])(
    'POST %s without a body is an error of the client, not of the server',
    async (path) => {
      const { status } = await network.ask('POST', path, { token: network.apiKey });
      expect([400, 404]).toContain(status);
    },
  );

  test('an unknown content type is a 415, and an unknown path is a 404', async () => {
    expect(
      await post('a=b', { 'content-type': 'application/x-www-form-urlencoded' }),
    ).toMatchObject({
      status: 415,
      body: { error: { code: 'unsupported_media_type' } },
    });
    const lost = await fetch(`${network.url}/v1/nothing`);
    expect(lost.status).toBe(404);
    expect(await lost.json()).toMatchObject({ error: { code: 'not_found' } });
  });

  test.each([
    undefined,
    'Basic abc',
    'Bearer ',
    'Bearer sk-db-nobody',
    `Bearer ${'x'.repeat(10_000)}`,
  ])('authorization %j is a 401', async (authorization) => {
    const response = await fetch(`${network.url}/v1/models`, {
      headers: authorization === undefined ? {} : { authorization },
    });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { type: 'authentication_error' } });
  });
});

describe('an unreadable message of a provider', () => {
  test.each<[string, Uint8Array]>([
    ['truncated MessagePack', Uint8Array.of(0x82, 0xa1)],
    ['not a map', Uint8Array.of(0x01)],
    ['another version', Uint8Array.of(0x81, 0xa1, 0x76, 0x02)],
    ['an empty message', new Uint8Array()],
  ])(
    '%s on every subject is dropped and counted, and the next request is served',
    async (_, payload) => {
      for (const kind of ['hello', 'beat', 'capacity', 'receipt', 'frames'])
        network.sendAsProvider(0, kind, payload);
      expect(await post(chat({}))).toMatchObject({ status: 200 });
    },
  );
});

test('the log contains no prompt, no answer and no API key', async () => {
  const answer = await post(chat({ max_tokens: 30 }));
  const text = (answer.body as { choices: [{ message: { content: string } }] }).choices[0].message
    .content;
  const logs = network.logs();
  expect(logs.length).toBeGreaterThan(0);
  expect(logs).not.toContain(SECRET);
  expect(logs).not.toContain(text);
  expect(logs).not.toContain(network.apiKey);
});
