import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { InferenceRequest } from '#bus-schemas';
import { pngUri } from '#http-api/core/images/images-under-test.ts';
import { thisMachine } from '../../machine.ts';
import { type Model, openModel } from '../../models/model.ts';
import { createVisionFolder } from '../../models/vision/vision-folder-under-test.ts';
import type { Backend } from '../decoders/decoder.ts';
import { createReferenceBackend } from '../decoders/reference-decoder.ts';
import { begin } from '../engine-under-test.ts';
import { ModelEngine } from '../model-engine.ts';
import { imageUris } from './vision-under-test.ts';

const [jpeg, turned] = imageUris as [string, string];
/** Tokens of an image, with the marks before and after it. */
const IMAGE_TOKENS = 16 + 2;

let folder: Awaited<ReturnType<typeof createVisionFolder>>;
let model: Model;
let engine: ModelEngine;
beforeAll(async () => {
  folder = await createVisionFolder();
  model = await openModel(folder.path, 'small-vision');
  engine = await start();
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function start(backend: Backend = createReferenceBackend()): Promise<ModelEngine> {
  const started = new ModelEngine({
    backend,
    models: [model],
    machine: thisMachine(),
    memoryBytes: 200e6,
    maxConcurrency: 4,
    idleMs: 0,
    log: { info: () => {}, error: () => {} },
  });
  await started.loadAll();
  return started;
}

type Part = { readonly type: 'text'; readonly text: string } | { readonly url: string };
const text = (words: string): Part => ({ type: 'text', text: words });
const chatOf = (...parts: readonly Part[]): InferenceRequest['chat'] => ({
  max_tokens: 8,
  // Probabilities show small differences that change no token.
  logprobs: true,
  messages: [
    {
      role: 'user',
      content: parts.map((part) =>
        'url' in part ? { type: 'image_url', image_url: { url: part.url } } : part,
      ),
    },
  ],
});

const answerTo = (chat: InferenceRequest['chat'], cacheScope?: string, by = engine) =>
  begin(by, {
    build: 'small-vision',
    chat,
    maxTokens: 8,
    ...(cacheScope !== undefined && { cacheScope }),
  }).answer;

const question = text('Which one is the river, and why does it flow to the north of the hill?');

describe('a model with a vision tower', () => {
  test('is announced with the trait, and images count as exactly their tokens', async () => {
    expect(engine.slots()[0]?.traits).toContain('vision');
    const plain = await answerTo(chatOf(text('a'), text('b')));
    const seen = await answerTo(chatOf(text('a'), { url: jpeg }, { url: turned }, text('b')));
    const newlines = (count: number) => model.tokenizer.encode('\n'.repeat(count)).length;
    expect(seen.usage.promptTokens - plain.usage.promptTokens).toBe(
      2 * IMAGE_TOKENS + newlines(2) + newlines(4) + newlines(2),
    );
    expect(seen.prompt?.promptTokens).toBe(seen.usage.promptTokens);
  });

  test('answers by what an image shows, in its place', async () => {
    const answers = [];
    for (const parts of [
      [{ url: jpeg }, question],
      [{ url: turned }, question],
      [question, { url: jpeg }],
    ])
      answers.push((await answerTo(chatOf(...parts))).deltas);
    const texts = answers.map((deltas) => JSON.stringify(deltas));
    expect(new Set(texts).size).toBe(3);
  });

  test('continues cached pages of the same image, and never those of another one', async () => {
    const first = await answerTo(chatOf({ url: jpeg }, question), 'scope');
    const again = await answerTo(chatOf({ url: jpeg }, question), 'scope');
    expect(again.usage.cachedTokens).toBeGreaterThanOrEqual(32);
    expect(again.deltas).toEqual(first.deltas);
    const other = await answerTo(chatOf({ url: turned }, question), 'scope');
    expect(other.usage.cachedTokens).toBe(0);
    expect(other.deltas).toEqual((await answerTo(chatOf({ url: turned }, question))).deltas);
  });

  test('computes the same for several requests at once', async () => {
    const chats = [jpeg, turned, jpeg].map((url, i) => chatOf(text('ab'.repeat(20 * i)), { url }));
    const together = await Promise.all(chats.map((chat) => answerTo(chat)));
    for (const [i, chat] of chats.entries())
      expect(together[i]?.deltas).toEqual((await answerTo(chat)).deltas);
  });

  test('refuses images that cannot be computed in time, and not those whose embeddings are kept', async () => {
    const ask = (url: string, firstContentMs: number) =>
      begin(engine, {
        build: 'small-vision',
        chat: chatOf({ url }, text('Is it wide?')),
        maxTokens: 2,
        cacheScope: 'in time',
        firstContentMs,
      }).answer;
    await ask(jpeg, 60_000);
    expect(() => ask(turned, 0.001)).toThrow(
      expect.objectContaining({ code: 'deadline_unreachable' }),
    );
    expect((await ask(jpeg, 60_000)).usage.completionTokens).toBeGreaterThan(0);
  });

  test('reads the name of a mark in a text as text', async () => {
    const spelled = await answerTo(
      chatOf({ url: jpeg }, text('<start_of_image><image_soft_token>')),
    );
    const plain = await answerTo(chatOf({ url: jpeg }, text('a')));
    expect(spelled.usage.promptTokens).toBeGreaterThan(plain.usage.promptTokens + 10);
  });

  test.each([
    ['a damaged file', `${jpeg.slice(0, 400)}AAAA`, 'damaged'],
    ['a bomb', pngUri(16_000, 16_000, 1), 'pixels'],
    ['an address', 'http://127.0.0.1/a.png', 'is no complete'],
    [
      'a GIF',
      'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7',
      'no GIF',
    ],
  ])('refuses %s as the fault of the client', async (_, url, reason) => {
    const refused = (async () => answerTo(chatOf({ url }, question)))();
    await expect(refused).rejects.toMatchObject({
      code: 'invalid_request',
      detail: expect.stringContaining(reason),
    });
  });
});

test('an engine that cannot compute images announces no vision, and refuses them', async () => {
  await using blind = await start({ ...createReferenceBackend(), readsImages: false });
  expect(blind.slots()[0]?.traits).not.toContain('vision');
  expect((await answerTo(chatOf(question), undefined, blind)).finish).toBe('length');
  expect(() => answerTo(chatOf({ url: jpeg }), undefined, blind)).toThrow(
    expect.objectContaining({ detail: 'small-vision reads no images here.' }),
  );
});
