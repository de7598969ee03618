import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { leafHash, services } from '#bus-schemas';
import { type ConsoleBrowser, signedIn } from '../console/console-browser.ts';
import {
  type ApiResponse,
  type Person,
  startTestNetwork,
  type TestNetwork,
} from '../test-network.ts';
import { named, nameOf, type Route, routesOf } from './routes.ts';

const HEADERS_TIMEOUT_MS = 1_000;
/** Enough for a body of 17 MiB on a busy machine. */
const REQUEST_TIMEOUT_MS = 3_000;

interface Tenant {
  readonly person: Person;
  readonly apiKey: string;
  /** A page in which the person is signed in. */
  readonly browser: ConsoleBrowser;
  readonly key: string;
  readonly job: string;
  readonly machine: string;
  readonly response: string;
  readonly conversation: string;
  /** An item of the conversation. */
  readonly item: string;
  readonly file: string;
  readonly batch: string;
  /** A message batch that has ended. */
  readonly messageBatch: string;
}

let network: TestNetwork;
let routes: readonly Route[];
let ann: Tenant;
let bob: Tenant;

beforeAll(async () => {
  const config = {
    addressLimit: 100_000,
    headersTimeoutMs: HEADERS_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    admin: { host: '127.0.0.1', port: 0 },
  };
  network = await startTestNetwork({ providers: 1, tokenMs: 0, config });
  routes = await routesOf(network);
  [ann, bob] = await Promise.all([tenant('ann'), tenant('bob')]);
  await network.expectMoneyBalances();
});
afterAll(() => network[Symbol.asyncDispose]());

async function tenant(name: string): Promise<Tenant> {
  const person = await network.person(name);
  const { apiKey, key } = await network.createKey({
    creditMicroUsd: 10_000_000,
    account: person.account,
  });
  const answer = await network.ask('POST', '/v1/chat/completions', {
    token: apiKey,
    body: { model: 'sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 },
  });
  await person.ask('PUT', '/v1/referral', { code: `code-of-${name}` });
  const { bus } = network.network.coordinator;
  const { token } = await bus.call(
    services.trust.createToken,
    { account: person.account, lifetimeMs: 60_000 },
    { timeoutMs: 5_000 },
  );
  const { Nkey } = await import('#bus-schemas');
  const { json } = await network.ask('POST', '/v1/providers/enrol', {
    body: { token, user_key: Nkey.create('user').getPublicKey(), name },
  });
  const stored = await network.ask('POST', '/v1/responses', {
    token: apiKey,
    body: { model: 'sim', input: 'Hi', max_output_tokens: 2, store: true },
  });
  const conversation = await network.ask('POST', '/v1/conversations', { token: apiKey, body: {} });
  const items = await network.ask('POST', `/v1/conversations/${conversation.json.id}/items`, {
    token: apiKey,
    body: { items: [{ role: 'user', content: 'Hi' }] },
  });
  const file = (await network.uploadFile('{}\n', apiKey)).json.id;
  const batch = await network.ask('POST', '/v1/batches', {
    token: apiKey,
    body: { input_file_id: file, endpoint: '/v1/chat/completions', completion_window: '24h' },
  });
  const params = { model: 'sim', max_tokens: 2, messages: [{ role: 'user', content: 'Hi' }] };
  const messageBatch = await network.ask('POST', '/v1/messages/batches', {
    token: apiKey,
    body: { requests: [{ custom_id: 'one', params }] },
  });
  const ofMessages = `/v1/messages/batches/${messageBatch.json.id}`;
  await vi.waitFor(
    async () => {
      const { json: read } = await network.ask('GET', ofMessages, { token: apiKey });
      expect(read.processing_status).toBe('ended');
    },
    { timeout: 30_000, interval: 50 },
  );
  return {
    response: stored.json.id,
    conversation: conversation.json.id,
    item: items.json.data[0].id,
    file,
    batch: batch.json.id,
    messageBatch: messageBatch.json.id,
    person,
    apiKey,
    browser: await signedIn(network, person),
    key,
    job: answer.headers.get('x-inference-job-id') ?? '',
    machine: json.provider,
  };
}

/** A key, a token, or the session of a person in the console. */
type Credential = string | ConsoleBrowser | undefined;

const call = (
  route: Route,
  credential: Credential,
  { path = named(route, ann.key), body = route.body }: { path?: string; body?: unknown } = {},
): Promise<ApiResponse> =>
  network.ask(route.method, path, {
    ...(typeof credential === 'string' && { token: credential }),
    ...(typeof credential === 'object' && { headers: credential.headers() }),
    ...(route.method !== 'GET' && body !== undefined && { body }),
  });

/** The object of a tenant that the route reads or changes. */
function objectOf({ path }: Route, tenant: Tenant): string {
  const { key, machine, response, conversation, file, batch, messageBatch } = tenant;
  if (path.startsWith('/v1/responses/')) return response;
  if (path.startsWith('/v1/conversations/')) return conversation;
  if (path.startsWith('/v1/files/')) return file;
  if (path.startsWith('/v1/batches/')) return batch;
  if (path.startsWith('/v1/messages/batches/')) return messageBatch;
  return path.includes('providers') ? machine : key;
}

/** Returns the path of the route for an object that exists. */
async function existing(route: Route): Promise<string> {
  const ofJob = /^\/v1\/(generation\?id=|receipts\/)/.exec(route.path)?.[0];
  if (ofJob !== undefined) return `${ofJob}${ann.job}`;
  if (!route.path.startsWith('/v1/transparency/inclusion'))
    return named(route, objectOf(route, ann)).replace('{item}', ann.item);
  const { json } = await network.ask('GET', '/v1/transparency/entries?limit=1');
  return `/v1/transparency/inclusion?leaf=${Buffer.from(leafHash(Buffer.from(json.data[0].entry))).toString('hex')}&size=1`;
}

/** This network has no Stripe, and nothing asks with the code of the example. */
const WITHOUT_AN_ANSWER = [
  '/v1/billing/withdrawals/quote',
  '/v1/billing/deposits/',
  '/v1/device/request',
];
const acceptedStatus = ({ path }: Route): number =>
  WITHOUT_AN_ANSWER.some((start) => path.startsWith(start)) ? 404 : 200;

function expectEnvelope(route: Route, { json, status }: ApiResponse): void {
  if (route.isAnthropic)
    return expect(json, `${nameOf(route)} ${status}`).toMatchObject({
      type: 'error',
      error: { type: expect.any(String), message: expect.any(String) },
    });
  // Ollama's clients expect a text.
  if (route.path.startsWith('/api/'))
    return expect(json, `${nameOf(route)} ${status}`).toEqual({ error: expect.any(String) });
  // RFC 8628 defines its own format of errors.
  if (/^\/v1\/device\/(code|token)$/.test(route.path) && typeof json.error === 'string') return;
  expect(json, `${nameOf(route)} ${status}`).toMatchObject({
    error: { message: expect.any(String), type: expect.any(String), code: expect.any(String) },
  });
}

describe('credentials at every route', () => {
  test('a request without a credential or with an unknown one gets a 401', async () => {
    for (const route of routes.filter(({ access }) => access !== 'public')) {
      for (const token of [undefined, 'sk-db-nobody', 'eyJhbGciOiJub25lIn0.e30.']) {
        const told = await call(route, token);
        expect(told.status, nameOf(route)).toBe(401);
        expectEnvelope(route, told);
      }
    }
  });

  test('an API key at a route for users, and a user at a route for API keys, gets a 403', async () => {
    for (const route of routes.filter(({ access }) => access === 'user'))
      expect((await call(route, ann.apiKey)).json.error.code, nameOf(route)).toBe('user_required');
    for (const route of routes.filter(({ access }) => access === 'key')) {
      const told = await call(route, ann.person.token);
      expect(told.status, nameOf(route)).toBe(403);
      expectEnvelope(route, told);
    }
  });

  test('the right credential is accepted', async () => {
    for (const route of routes.filter(({ method }) => method === 'GET')) {
      const credentials: Credential[] = {
        public: [undefined],
        key: [ann.apiKey],
        user: [ann.person.token, ann.browser],
        keyOrUser: [ann.apiKey, ann.person.token, ann.browser],
      }[route.access];
      for (const credential of credentials) {
        const path = await existing(route);
        // The data of a job are available a moment after it has ended.
        await vi.waitFor(
          async () =>
            expect((await call(route, credential, { path })).status, nameOf(route)).toBe(
              acceptedStatus(route),
            ),
          3_000,
        );
      }
    }
  });

  test('no credential of the API is accepted by the listener for operators', async () => {
    for (const token of [ann.apiKey, ann.person.token])
      expect(
        (await network.ask('GET', `${network.network.coordinator.adminUrl}/admin/audit`, { token }))
          .status,
      ).toBe(401);
  });
});

/** The only routes whose answers caches may hold. */
const FOR_EVERYONE = ['/v1/leaderboard', '/v1/models/demand', '/v1/stats', '/v1/status'];

test('every response forbids caching and type sniffing, whether Fastify or the code of a surface writes it', async () => {
  const chat = (stream: boolean) => ({
    model: 'sim',
    messages: [{ role: 'user', content: 'Hi' }],
    max_tokens: 2,
    stream,
  });
  const admin = network.network.coordinator.adminUrl;
  const told = [
    ...(await Promise.all(
      routes
        .filter(({ path }) => !FOR_EVERYONE.includes(path))
        .map((route) => call(route, undefined)),
    )),
    ...(await Promise.all(
      [false, true].map((stream) =>
        network.ask('POST', '/v1/chat/completions', { token: ann.apiKey, body: chat(stream) }),
      ),
    )),
    await network.ask('POST', '/v1/chat/completions', {
      token: ann.apiKey,
      body: { ...chat(true), model: 'none' },
    }),
    await ann.person.ask('POST', '/v1/keys', { name: 'new' }),
    await network.ask('POST', '/v1/device/code', { body: { client_id: 'test' } }),
    await network.ask('GET', '/no-such-page'),
    await network.ask('GET', '/v1/keys/%'),
    await network.ask('GET', `/v1/keys/${'x'.repeat(400)}`),
    await network.ask('GET', '/openapi.json'),
    await network.ask('GET', `${admin}/admin/audit`),
  ];
  for (const { headers, status, text } of told) {
    const sent = [
      headers.get('cache-control'),
      headers.get('x-content-type-options'),
      headers.get('x-request-id'),
    ];
    expect(sent, `${status} ${text.slice(0, 200)}`).toEqual([
      'no-store',
      'nosniff',
      expect.stringMatching(/^req_/),
    ]);
  }
  // Its figures identify no person, so caches may hold them.
  for (const path of FOR_EVERYONE) {
    const { headers } = await network.ask('GET', path);
    expect(headers.get('cache-control'), path).toMatch(/^public, max-age=\d+$/);
  }
});

describe('two tenants at every route', () => {
  test('no response contains an id of the other tenant', async () => {
    const secrets = [ann.person.account, ann.key, ann.job, ann.machine, 'code-of-ann'];
    for (const route of routes.filter(({ method }) => method === 'GET')) {
      for (const credential of route.access === 'public'
        ? [undefined]
        : [bob.apiKey, bob.person.token, bob.browser]) {
        const { text } = await call(route, credential, {
          path: route.path.includes('{id}') ? named(route, bob.key) : route.path,
        });
        for (const secret of secrets)
          expect(text, `${nameOf(route)} tells ${secret}`).not.toContain(secret);
      }
    }
  });

  test('no object of the other tenant can be read or changed by its id', async () => {
    const before = await Promise.all(
      ['/v1/keys', '/v1/me/providers', '/v1/referral'].map((path) => ann.person.ask('GET', path)),
    );
    for (const route of routes.filter(({ path }) => path.includes('{id}'))) {
      for (const credential of [
        route.access === 'key' ? bob.apiKey : bob.person.token,
        bob.browser,
      ]) {
        const at = (id: string) =>
          call(route, credential, { path: named(route, id).replace('{item}', ann.item) });
        for (const id of [ann.key, ann.machine])
          expect([400, 404], `${nameOf(route)} with ${id}`).toContain((await at(id)).status);
        expect((await at(objectOf(route, ann))).status, nameOf(route)).toBe(404);
      }
    }
    for (const path of [`/v1/responses/${ann.response}`, `/v1/conversations/${ann.conversation}`])
      expect((await network.ask('GET', path, { token: ann.apiKey })).status).toBe(200);
    const continued = { previous_response_id: ann.response, conversation: ann.conversation };
    for (const [field, id] of Object.entries(continued)) {
      const body = { model: 'sim', input: 'Hi', [field]: id };
      const inConsole = await bob.browser.ask('POST', '/v1/responses', body);
      expect([400, 404]).toContain(inConsole.status);
      const told = await network.ask('POST', '/v1/responses', { token: bob.apiKey, body });
      const unknown = await network.ask('POST', '/v1/responses', {
        token: bob.apiKey,
        body: { ...body, [field]: id.replace(/.$/, 'x') },
      });
      expect([told.status, told.text]).toEqual([unknown.status, unknown.text]);
      expect([400, 404]).toContain(told.status);
    }
    for (const path of [`/v1/generation?id=${ann.job}`, `/v1/receipts/${ann.job}`]) {
      expect((await network.ask('GET', path, { token: bob.apiKey })).status).toBe(404);
      expect((await bob.browser.ask('GET', path)).status).toBe(404);
    }
    expect((await bob.person.ask('GET', `/v1/usage?key=${ann.key}`)).json.data).toEqual([]);
    const after = await Promise.all(
      ['/v1/keys', '/v1/me/providers', '/v1/referral'].map((path) => ann.person.ask('GET', path)),
    );
    expect(after.map(({ json }) => json)).toEqual(before.map(({ json }) => json));
  });
});

describe('an invalid body at every route that accepts a body', () => {
  const rightToken = (route: Route) =>
    route.access === 'key' ? ann.apiKey : route.access === 'public' ? undefined : ann.person.token;
  const send = async (
    route: Route,
    body: string | Uint8Array,
    type = 'application/json',
  ): Promise<ApiResponse> => {
    const token = rightToken(route);
    const response = await fetch(new URL(named(route, objectOf(route, ann)), network.url), {
      method: route.method,
      headers: {
        'content-type': type,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: body as never,
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: response.headers.get('content-type')?.includes('application/json')
        ? JSON.parse(text)
        : undefined,
    };
  };
  const taking = () => routes.filter(({ body, method }) => body !== undefined && method !== 'GET');

  test.each<[string, string | Uint8Array]>([
    ['malformed', '{"a": '],
    ['empty', ''],
    ['an array', '[]'],
    ['null', 'null'],
    ['a number', '7'],
    ['not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['ten thousand deep', `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
    ['too large', JSON.stringify({ a: 'x'.repeat(17 * 1024 * 1024) })],
  ])('%s', async (_, body) => {
    for (const route of taking()) {
      const told = await send(route, body);
      // All fields of this route are optional, so it accepts even an empty body.
      if (route.path === '/v1/device/code') expect(told.status).toBeLessThan(500);
      // 408: on a busy computer the body was not read in time.
      else expect([400, 401, 408, 413], nameOf(route)).toContain(told.status);
      if (told.status >= 400) expectEnvelope(route, told);
    }
  });

  test('of another type', async () => {
    // Ollama's clients send JSON under any type.
    for (const route of taking())
      expect((await send(route, 'a=1', 'text/plain')).status, nameOf(route)).toBe(
        route.path.startsWith('/api/') ? 400 : 415,
      );
  });

  test('with a value of a wrong type or size in each field', async () => {
    for (const route of taking()) {
      for (const field of Object.keys(route.body ?? {})) {
        for (const wrong of [null, 7, -1, 1.5, '', 'x'.repeat(100_000), [], {}, true, [[[]]]]) {
          const told = await send(route, JSON.stringify({ ...route.body, [field]: wrong }));
          expect(
            told.status,
            `${nameOf(route)} with ${field}: ${JSON.stringify(wrong).slice(0, 40)}`,
          ).toBeLessThan(500);
          if (told.status >= 400) expectEnvelope(route, told);
        }
      }
    }
  });
});

describe('a slow sender', () => {
  const lastWords = (text: string) =>
    new Promise<{ words: string; ms: number }>((resolve) => {
      const { hostname, port } = new URL(network.url);
      const startedAt = performance.now();
      let words = '';
      const socket = connect(Number(port), hostname, () => socket.write(text));
      socket.on('data', (data) => {
        words += data.toString();
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve({ words, ms: performance.now() - startedAt }));
    });

  test('of headers is disconnected', async () => {
    const { words, ms } = await lastWords('GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    expect(words).toContain('408');
    expect(ms).toBeLessThan(HEADERS_TIMEOUT_MS * 4);
  });

  test('of a body is disconnected', async () => {
    const { words, ms } = await lastWords(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ann.apiKey}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"model":`,
    );
    expect(words).toMatch(/408|413|400/);
    expect(ms).toBeLessThan(REQUEST_TIMEOUT_MS * 4);
  });

  test('of too many headers is disconnected', async () => {
    const { words } = await lastWords(
      `GET /v1/models HTTP/1.1\r\nHost: x\r\n${`X-Many: ${'y'.repeat(1_000)}\r\n`.repeat(64)}\r\n`,
    );
    expect(words).toContain('431');
  });
});
