import { createHmac } from 'node:crypto';
import pino from 'pino';
import { afterAll, describe, expect, test } from 'vitest';
import { embeddings } from '#http-api/core/encodings/embeddings.ts';
import type { EncodingSurface } from '#http-api/core/encodings/encoding-surface.ts';
import { ollamaEmbed } from '#http-api/core/encodings/ollama-embed.ts';
import { rerank } from '#http-api/core/encodings/rerank.ts';
import { pngOf } from '#http-api/core/images/images-under-test.ts';
import { type JsonObject, parseJson } from '#http-api/core/json.ts';
import { countedPrompt } from '#http-api/core/prompt-text.ts';
import { chat } from '#http-api/core/surfaces/chat.ts';
import { completions } from '#http-api/core/surfaces/completions.ts';
import { messages } from '#http-api/core/surfaces/messages.ts';
import { responses } from '#http-api/core/surfaces/responses.ts';
import type { Surface } from '#http-api/core/surfaces/surface.ts';
import { BodyThreads } from './body-threads.ts';
import { readEncoding } from './encoding-work.ts';
import { LargeField } from './large-fields.ts';
import { LargeBody, readHere } from './request-body.ts';

const threads = new BodyThreads({ log: pino({ level: 'silent' }), threads: 1 });
afterAll(() => threads[Symbol.asyncDispose]());

const options = { threads, account: 'acct_ann', isWanted: () => true };
const open = (bytes: Buffer) => LargeBody.open(Uint8Array.from(bytes), options);
const owner = { account: 'acct_ann', secret: 'secret' };
const terms = { maxOutputTokens: 5, cacheScope: 'scope', model: 'sim' };
const LONG = 'Once upon a time, "there" was\n'.repeat(2_000);
const user = (content: unknown) => [{ role: 'user', content }];
const image = `data:image/png;base64,${pngOf(30, 40).toString('base64')}`;

interface Read {
  readonly read: unknown;
  readonly encoded: unknown;
}

const calling = (surface: Surface, body: JsonObject, images: ReadonlyMap<string, string>) => ({
  surface,
  body,
  owner,
  fetchesImages: images.size > 0,
});

async function here(surface: Surface, bytes: Buffer, images = new Map()): Promise<Read> {
  const reader = readHere();
  const read = await reader.read(calling(surface, parseJson(bytes), images));
  return { read, encoded: await reader.encode(terms, images) };
}

async function inThread(surface: Surface, bytes: Buffer, images = new Map()): Promise<Read> {
  await using body = await open(bytes);
  const read = await body.read(calling(surface, body.fields, images));
  return { read, encoded: await body.encode(terms, images) };
}

const errorOf = (run: Promise<unknown>) =>
  run.then(
    () => 'no error',
    ({ name, code, message, param, details, retryAfterMs }) => ({
      ...{ name, code, message, param, details, retryAfterMs },
    }),
  );
const json = (body: unknown) => Buffer.from(JSON.stringify(body));
const chatOf = (fields: object) => json({ model: 'sim', messages: user(LONG), ...fields });

test.each<[string, Surface, Buffer]>([
  ['a long text', chat, chatOf({ stream: true, temperature: 0.5 })],
  ['a short text', chat, chatOf({ messages: user('Hello') })],
  ['many messages', chat, chatOf({ messages: Array(900).fill(user('Hello')[0]) })],
  ['log probabilities, a stop and tools', chat, chatOf({ logprobs: true, stop: 'x', tools: [] })],
  [
    'an image',
    chat,
    chatOf({ messages: user([{ type: 'image_url', image_url: { url: image } }]) }),
  ],
  ['a prompt', completions, json({ model: 'sim', prompt: LONG })],
  [
    'a system text',
    messages,
    json({ model: 'sim', max_tokens: 3, system: LONG, messages: user(LONG) }),
  ],
  [
    'instructions',
    responses,
    json({ model: 'sim', instructions: LONG, input: LONG, store: false }),
  ],
  ['a small body', chat, chatOf({ messages: user('Hello') })],
])('%s is read and encoded in a thread as here', async (_, surface, bytes) => {
  const read = await here(surface, bytes);
  expect(read.encoded).toMatchObject({ encoded: expect.any(Uint8Array) });
  expect(await inThread(surface, bytes)).toEqual(read);
});

test('images that were fetched are placed in a thread as here', async () => {
  const part = { type: 'image_url', image_url: { url: 'https://a/1' } };
  const bytes = chatOf({ messages: user([part, { type: 'text', text: LONG }]) });
  const fetched = new Map([['https://a/1', image]]);
  const read = await here(chat, bytes, fetched);
  expect(read.read).toMatchObject({ addresses: ['https://a/1'] });
  expect(await inThread(chat, bytes, fetched)).toEqual(read);
});

test.each<[string, Buffer]>([
  ['no JSON', Buffer.from(`{"messages": "${LONG.replaceAll(/["\n]/g, '')}`)],
  ['bytes that are no text', Buffer.concat([json(LONG), Buffer.from([0xff])])],
  ['a list', json([LONG])],
  ['too many values', Buffer.from(`{"z":[${'0,'.repeat(200_000)}0]}`)],
  ['deep lists', Buffer.from(`{"a":${'['.repeat(100)}${']'.repeat(100)}}`)],
  ['an unknown field before a refused one', chatOf({ colour: 1, n: 'many' })],
  ['a refused field before an unknown one', chatOf({ n: 'many', colour: 1 })],
  ['a field with the name of a prototype', Buffer.from('{"model":"sim","__proto__":{"n":1}}')],
  ['a wrong message', chatOf({ messages: [...user(LONG), { role: 'zz', content: LONG }] })],
  [
    'a field without prompt that is too large',
    chatOf({ provider: { order: Array(2_000).fill('x'.repeat(50)) } }),
  ],
  [
    'an image that is none',
    chatOf({
      messages: user([{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }]),
    }),
  ],
])('%s has the same error in a thread as here', async (_, bytes) => {
  const error = await errorOf(here(chat, bytes));
  expect(error).toMatchObject({ code: expect.any(String) });
  expect(await errorOf(inThread(chat, bytes))).toEqual(error);
});

describe('the fields of a large body', () => {
  const body = {
    model: 'sim',
    messages: user(LONG),
    user: LONG,
    tools: Array(300).fill({ a: [1] }),
  };

  test('are copied if they are small or a text, and the others are copied when they are needed', async () => {
    await using large = await open(json(body));
    expect(Object.keys(large.fields)).toEqual(Object.keys(body));
    expect(large.fields).toMatchObject({ model: 'sim', user: LONG });
    expect(large.fields['messages']).toBeInstanceOf(LargeField);
    expect(large.fields['tools']).toBeInstanceOf(LargeField);
    const resolved = await large.resolved(large.fields, (field) => field === 'tools');
    expect(resolved['tools']).toEqual(body.tools);
    expect(resolved['messages']).toBeInstanceOf(LargeField);
    expect(await large.resolved(large.fields)).toEqual(body);
  });

  test('may be replaced before the body is read', async () => {
    await using large = await open(json(body));
    const changed = { ...large.fields, tools: undefined, messages: user('Hello') };
    const { wish } = await large.read(calling(chat, changed, new Map()));
    expect(wish).toMatchObject({ model: 'sim', requires: [] });
    expect(wish.promptBound).toBeLessThan(100);
  });
});

const texts = (field: string, fields: object = {}) =>
  json({ model: 'sim', [field]: Array(100).fill(LONG.slice(0, 900)), ...fields });

test.each<[string, EncodingSurface, Buffer]>([
  ['a list of texts', embeddings, texts('input', { dimensions: 3, user: 'ann' })],
  ['a short text', embeddings, json({ model: 'sim', input: 'Hello' })],
  ['token ids', embeddings, json({ model: 'sim', input: Array(5_000).fill(7) })],
  ['documents', rerank, texts('documents', { query: LONG.slice(0, 200), top_n: 3 })],
  ["Ollama's texts", ollamaEmbed, texts('input')],
])('%s to encode are read in a thread as here', async (_, surface, bytes) => {
  const read = readEncoding(surface, parseJson(bytes));
  await using large = await open(bytes);
  expect(await large.encoding(surface)).toEqual(read);
  expect(read.results.count).toBeGreaterThan(0);
});

test.each<[string, EncodingSurface, Buffer]>([
  ['an empty text', embeddings, texts('input', { input: [LONG, ''] })],
  ['a refused field', rerank, texts('documents', { query: 'q', top_n: -1 })],
  ['no documents', rerank, json({ model: 'sim', query: LONG })],
])('%s has the same error in a thread as here', async (_, surface, bytes) => {
  await using large = await open(bytes);
  const error = await errorOf((async () => readEncoding(surface, parseJson(bytes)))());
  expect(error).toMatchObject({ code: 'invalid_request' });
  expect(await errorOf(large.encoding(surface))).toEqual(error);
});

test.each<[string, Surface, Buffer]>([
  ['messages', messages, json({ model: 'sim', messages: user(LONG), top_k: 3 })],
  ['an input', responses, json({ model: 'sim', input: LONG, instructions: LONG })],
  [
    'an input that is too long for a tokenizer',
    responses,
    json({ model: 'sim', input: LONG.repeat(20) }),
  ],
])('the prompt of %s is read in a thread as here', async (_, surface, bytes) => {
  const filling = { max_tokens: 1 };
  const prompt = countedPrompt(surface, { ...filling, ...parseJson(bytes) });
  await using large = await open(bytes);
  expect(await large.counted(surface, { ...filling, ...large.fields })).toEqual(prompt);
});

describe('an input that continues a conversation', () => {
  const before = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: 'Hello' },
  ];
  const items = [...before, { type: 'message', role: 'user', content: LONG }];

  test('is read after its items', async () => {
    const whole = await here(responses, json({ model: 'sim', store: false, input: items }));
    await using large = await open(json({ model: 'sim', store: false, input: LONG }));
    const input = new LargeField('input').after(before);
    const read = await large.read(calling(responses, { ...large.fields, input }, new Map()));
    expect({ read, encoded: await large.encode(terms, new Map()) }).toEqual(whole);
  });

  test('is returned with them', async () => {
    await using large = await open(json({ model: 'sim', input: LONG }));
    const list = await large.items(new LargeField('input').after(before));
    expect(JSON.parse(Buffer.from(list).toString())).toEqual(items);
  });
});

test('bytes that share their buffer with others are copied', async () => {
  const shared = Buffer.concat([Buffer.from('x'), chatOf({})]);
  await using large = await LargeBody.open(shared.subarray(1), options);
  expect(large.fields).toMatchObject({ model: 'sim' });
  expect(shared.toString('latin1', 0, 2)).toBe('x{');
});

test('a body that has given its thread to another one is parsed again when it is needed', async () => {
  const bytes = chatOf({});
  await using first = await open(bytes);
  await first.rest();
  await using second = await open(chatOf({ model: 'other' }));
  await second.rest();
  const { wish } = await first.read(calling(chat, first.fields, new Map()));
  expect(wish.model).toBe('sim');
});

test('the digest of a large body is that of its bytes', async () => {
  const bytes = chatOf({});
  const key = Buffer.alloc(32, 7);
  await using large = await open(bytes);
  expect(await large.digest(key)).toEqual(createHmac('sha256', key).update(bytes).digest());
});
