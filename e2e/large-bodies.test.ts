import { request } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pngOf } from '#http-api/core/images/images-under-test.ts';
import type { SupervisedProcess } from '#provider';
import { startComponentProcess } from './component-process.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

/** Longest time for which one body may stop the event loop of an ingress, in milliseconds. */
const LONGEST_MS = 20;
/** The collection of garbage can add to one turn, so the shortest of some tries counts. */
const TRIES = 6;
const BYTES = 16 * 1024 * 1024 - 1_024;
const METER = pathToFileURL(join(import.meta.dirname, '..', 'testcontainers', 'turn-meter.ts'));

let network: TestNetwork;
let ingress: SupervisedProcess;
let url: string;
let meter: string;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 0, contextTokens: 9_000_000 });
  ingress = await startComponentProcess(network, 'ingress', {
    NODE_OPTIONS: `--import=${METER}`,
    // The bodies of this test have more tokens than an account may send in a minute.
    DINF_ACCOUNT_ITPM: '0',
    DINF_ACCOUNT_RPM: '0',
  });
  const logged = (field: string) =>
    JSON.parse(ingress.logs().find((line) => line.includes(field)) ?? '{}');
  url = logged('the API listens').url;
  meter = logged('turnMeter').turnMeter;
  // Starts the thread, whose code is then compiled.
  expect((await post(CHAT, chatOf(TEXT.slice(0, BYTES / 16)))).status).toBe(200);
}, 120_000);
afterAll(async () => {
  await ingress.stop();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

function post(path: string, body: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sending = request(`${url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${network.apiKey}`,
      'content-type': 'application/json',
      'content-length': body.length,
      ...headers,
    },
  });
  sending.once('error', reject).once('response', (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    response.once('end', () => resolve({ status: response.statusCode, text }));
  });
  sending.end(body);
  return promise;
}

/** Status of a request that starts no job, so that it depends on the ingress alone. */
async function statusOfOther(): Promise<number> {
  const authorization = `Bearer ${network.apiKey}`;
  const response = await fetch(`${url}/v1/models`, { headers: { authorization } });
  await response.arrayBuffer();
  return response.status;
}

async function longestTurn(): Promise<number> {
  const response = await fetch(meter);
  return ((await response.json()) as { longestMs: number }).longestMs;
}

const json = (body: object) => Buffer.from(JSON.stringify({ max_tokens: 3, ...body }));
const user = (content: unknown) => [{ role: 'user', content }];
const TEXT = 'Once "upon" a time\n'.repeat(760_000);
/** As many bytes of texts as one request may have encoded. */
const TEXTS = Array.from({ length: 2_000 }, (_, at) => `${at} ${'x'.repeat(1_900)}`);
const PNG = Buffer.concat([pngOf(300, 300), Buffer.alloc((BYTES * 3) / 4 - 1_024, 7)]);
const IMAGE = {
  type: 'image_url',
  image_url: { url: `data:image/png;base64,${PNG.toString('base64')}` },
};
const MODEL = { model: 'sim-llama-8b' };
const chatOf = (content: unknown, fields: object = MODEL) =>
  json({ ...fields, messages: user(content) });

function invalidInTheMiddle(): Buffer {
  const body = chatOf(TEXT);
  body.write('"', body.length >> 1);
  body.write('"', (body.length >> 1) + 1);
  return body;
}

const CHAT = '/v1/chat/completions';
const BODIES: [string, string, () => Buffer, number, Record<string, string>?][] = [
  ['one long text', CHAT, () => chatOf(TEXT), 200],
  [
    'many messages',
    CHAT,
    () => json({ ...MODEL, messages: Array(9_999).fill(user('x'.repeat(1_600))[0]) }),
    200,
  ],
  ['an image', CHAT, () => chatOf([IMAGE], { model: 'sim-vision-7b' }), 200],
  ['a text for two choices', CHAT, () => chatOf(TEXT, { ...MODEL, n: 2 }), 200],
  ['a text with an idempotency key', CHAT, () => chatOf(TEXT), 200, { 'idempotency-key': 'large' }],
  [
    'a text for one of two models',
    CHAT,
    () => chatOf(TEXT, { models: ['none', MODEL.model] }),
    200,
  ],
  [
    '200,000 messages',
    CHAT,
    () => json({ ...MODEL, messages: Array(200_000).fill(user('x'.repeat(40))[0]) }),
    413,
  ],
  ['a text that ends in the middle', CHAT, invalidInTheMiddle, 400],
  [
    'the input of a response',
    '/v1/responses',
    () => Buffer.from(JSON.stringify({ ...MODEL, input: TEXT, max_output_tokens: 3 })),
    200,
  ],
  [
    'the input of a response to store',
    '/v1/responses',
    () => Buffer.from(JSON.stringify({ ...MODEL, input: TEXT, store: true })),
    413,
  ],
  ['a prompt', '/v1/completions', () => json({ ...MODEL, prompt: TEXT }), 200],
  [
    'a text to embed',
    '/v1/embeddings',
    () => Buffer.from(JSON.stringify({ model: 'sim-embed', input: TEXT })),
    413,
  ],
  [
    'texts to embed',
    '/v1/embeddings',
    () => Buffer.from(JSON.stringify({ model: 'sim-embed', input: TEXTS })),
    200,
  ],
  [
    'documents to rank',
    '/v1/rerank',
    () => Buffer.from(JSON.stringify({ model: 'sim-rerank', query: 'q', documents: TEXTS })),
    200,
  ],
  [
    'a conversation whose tokens are counted',
    '/v1/messages/count_tokens',
    () => Buffer.from(JSON.stringify({ ...MODEL, messages: user(TEXT) })),
    200,
  ],
];

test.each(BODIES)(
  '%s: a large body delays other requests by less than 20 ms',
  {
    timeout: 180_000,
  },
  async (_, path, bodyOf, status, headers) => {
    const body = bodyOf();
    const longest: number[] = [];
    for (let tried = 0; tried < TRIES && !longest.some((ms) => ms < LONGEST_MS); tried += 1) {
      await longestTurn();
      const unique = headers && { ...headers, 'idempotency-key': `large ${tried}` };
      const answer = post(path, body, unique);
      let isAnswered = false;
      void answer.finally(() => {
        isAnswered = true;
      });
      while (!isAnswered) expect(await statusOfOther()).toBe(200);
      expect((await answer).text.slice(0, 200)).not.toBe('');
      expect((await answer).status).toBe(status);
      longest.push(await longestTurn());
    }
    expect(Math.min(...longest)).toBeLessThan(LONGEST_MS);
  },
);

test('large bodies of many clients are answered one after the other', {
  timeout: 120_000,
}, async () => {
  const body = chatOf(TEXT.slice(0, BYTES / 8));
  const answers = await Promise.all(Array.from({ length: 12 }, () => post(CHAT, body)));
  expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200));
});
