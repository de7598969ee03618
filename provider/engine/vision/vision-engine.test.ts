import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { InferenceRequest } from '#bus-schemas';
import { setting } from '#bus-schemas/settings/settings.ts';
import { pngUri } from '#http-api/core/images/images-under-test.ts';
import { thisMachine } from '../../machine.ts';
import { type Model, openModel } from '../../models/model.ts';
import { createVisionFolder } from '../../models/vision/vision-folder-under-test.ts';
import type { BackendOrReason } from '../decoders/decoder.ts';
import { createCpuBackend } from '../decoders/native-decoder.ts';
import { createReferenceBackend } from '../decoders/reference-decoder.ts';
import { createWebGpuBackend } from '../decoders/webgpu/device.ts';
import { type Answer, begin } from '../engine-under-test.ts';
import { ModelEngine } from '../model-engine.ts';
import { readPrompt } from '../prompt-reader.ts';
import { HeldPrefixes } from '../stored/held-prefixes.ts';
import { PrefixStore } from '../stored/prefix-store.ts';
import { STORE_SECRET } from '../stored/store-under-test.ts';
import { imageUris, visionFixtures } from './vision-under-test.ts';

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const cpu = createCpuBackend({ threads: 1 });
const processor = 'reason' in cpu ? createReferenceBackend() : cpu.backend;
const engines: [string, BackendOrReason][] = [
  [processor.name, { backend: processor }],
  ['webgpu', await createWebGpuBackend()],
];
const [jpeg, turned] = imageUris as [string, string];

async function start(
  model: Model,
  options: Partial<ConstructorParameters<typeof ModelEngine>[0]> = {},
): Promise<ModelEngine> {
  const started = new ModelEngine({
    backend: processor,
    models: [model],
    machine: thisMachine(),
    memoryBytes: 200e6,
    maxConcurrency: 4,
    idleMs: 0,
    log: { info: () => {}, error: () => {} },
    ...options,
  });
  await started.loadAll();
  return started;
}

/** A folder in which engines store prefixes of prompts, one after the other. */
async function storeFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-prefixes-'));
  return {
    open: async () => ({
      version: 'test',
      held: new HeldPrefixes(),
      store: await PrefixStore.open({
        folder,
        secret: STORE_SECRET,
        limits: { mostBytes: 1e9, mostAgeMs: 1e9, dailyBytes: 1e9, freeBytes: 0 },
        log: { error: () => {} },
        now: Date.now,
      }),
    }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, maxRetries: 10 }),
  };
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

const answerBy = (engine: ModelEngine, chat: InferenceRequest['chat'], cacheScope?: string) =>
  begin(engine, {
    build: 'small-vision',
    chat,
    maxTokens: 8,
    ...(cacheScope !== undefined && { cacheScope }),
  }).answer;

const question = text('Which one is the river, and why does it flow to the north of the hill?');

/**
 * Numbers close to those of an answer: some engines add numbers in another order for many tokens than for
 * one, and other engines round them in another way.
 */
const close = (deltas: Answer['deltas'], digits = 5): unknown =>
  JSON.parse(JSON.stringify(deltas), (_, value) =>
    typeof value === 'number' ? expect.closeTo(value, digits) : value,
  );

/** On WebGPU in software each model compiles for many seconds; `npm run fixtures` runs all of them there. */
const ON_WEBGPU: readonly string[] = ['gemma4-vision', 'qwen3-vl'];
const cases = engines.flatMap(([engine, made]) =>
  visionFixtures
    .filter(
      (name) => engine !== 'webgpu' || setting('DINF_EVERY_FIXTURE') || ON_WEBGPU.includes(name),
    )
    .map((name) => [name, engine, made] as const),
);

describe.each(cases)('%s on %s', (name, _, made) => {
  if ('reason' in made) {
    test.skip(`does not run here: ${made.reason}`);
    return;
  }
  let folder: Awaited<ReturnType<typeof createVisionFolder>>;
  let model: Model;
  let engine: ModelEngine;
  beforeAll(async () => {
    folder = await createVisionFolder(name);
    model = await openModel(folder.path, 'small-vision');
    engine = await start(model, { backend: made.backend });
  });
  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });
  const answerTo = (chat: InferenceRequest['chat'], cacheScope?: string) =>
    answerBy(engine, chat, cacheScope);
  const qwen = { imageTokens: 30 + 2, lines: 0, names: '<|vision_start|><|image_pad|>' };
  const gemma4 = { imageTokens: 60 + 2, lines: 0, names: '<|image><|image|><image|>' };
  /**
   * Tokens of an image and its marks, the line breaks that stand before and after it, and names of
   * marks.
   */
  const { imageTokens, lines, names } = {
    'gemma3-vision': {
      imageTokens: 16 + 2,
      lines: 2,
      names: '<start_of_image><image_soft_token>',
    },
    'qwen3-vl': qwen,
    'qwen3-vl-moe': qwen,
    'qwen3-5-vision': qwen,
    'qwen3-5-moe-vision': qwen,
    'gemma4-vision': gemma4,
    'gemma4-vision-whole': gemma4,
  }[name];

  test('is announced with the trait, and images count as exactly their tokens', async () => {
    expect(engine.slots()[0]?.traits).toContain('vision');
    const one = await answerTo(chatOf(text('a'), { url: jpeg }, text('b')));
    const seen = await answerTo(chatOf(text('a'), { url: jpeg }, { url: turned }, text('b')));
    const between = lines === 0 ? 0 : model.tokenizer.encode('\n'.repeat(2 * lines)).length;
    expect(seen.usage.promptTokens - one.usage.promptTokens).toBe(imageTokens + between);
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
    expect(again.deltas).toEqual(close(first.deltas));
    const other = await answerTo(chatOf({ url: turned }, question), 'scope');
    expect(other.usage.cachedTokens).toBe(0);
    const alone = await answerTo(chatOf({ url: turned }, question));
    expect(other.deltas).toEqual(close(alone.deltas));
  });

  test('computes the same for several requests at once', async () => {
    const chats = [jpeg, turned, jpeg].map((url, i) => chatOf(text('ab'.repeat(20 * i)), { url }));
    const together = await Promise.all(chats.map((chat) => answerTo(chat)));
    for (const [i, chat] of chats.entries())
      expect(together[i]?.deltas).toEqual(close((await answerTo(chat)).deltas));
  });

  test('gives the tokens of the reference engine, also after cached pages', async () => {
    await using reference = await start(model, { backend: createReferenceBackend() });
    const chat = chatOf({ url: jpeg }, question, { url: turned });
    const expected = close((await answerBy(reference, chat)).deltas, 2);
    for (const cached of [0, 32]) {
      const { deltas, usage } = await answerTo(chat, 'as the reference');
      expect(usage.cachedTokens).toBeGreaterThanOrEqual(cached);
      expect(deltas).toEqual(expected);
    }
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
    const spelled = await answerTo(chatOf({ url: jpeg }, text(names)));
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

describe('an engine', () => {
  let folder: Awaited<ReturnType<typeof createVisionFolder>>;
  let model: Model;
  beforeAll(async () => {
    folder = await createVisionFolder('qwen3-vl');
    model = await openModel(folder.path, 'small-vision');
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  test('that needs more than a minute for an image announces no vision, and refuses images', async () => {
    const { vision } = model;
    if (vision === undefined) throw new Error('the model has no vision tower');
    const slow = { ...vision, shape: { ...vision.shape, layers: 1e9 } };
    await using blind = await start({ ...model, vision: slow });
    expect(blind.slots()[0]?.traits).not.toContain('vision');
    expect((await answerBy(blind, chatOf(question))).finish).toBe('length');
    expect(() => answerBy(blind, chatOf({ url: jpeg }))).toThrow(
      expect.objectContaining({ detail: 'small-vision reads no images here.' }),
    );
  });

  test('gets padding in the places of an image of Gemma 4, for the embeddings of its layers', async () => {
    await using gemma = await createVisionFolder('gemma4-vision');
    const chat = chatOf({ url: jpeg }, question);
    const { prompt, images } = readPrompt(chat, await openModel(gemma.path), true);
    const [{ at, tokens } = { at: 0, tokens: 0 }] = images;
    const padding = Array.from({ length: 60 }, () => 3);
    expect(prompt.slice(at - 1, at + tokens + 1)).toEqual([500, ...padding, 501]);
  });

  test('refuses an image with extreme proportions as the fault of the client', async () => {
    await using engine = await start(model);
    expect(() => answerBy(engine, chatOf({ url: pngUri(201, 1) }, question))).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        detail: expect.stringContaining('201×1 pixels'),
      }),
    );
  });

  test('counts the tokens of an image by its size', async () => {
    await using engine = await start(model);
    const tokens = async (width: number, height: number) =>
      (await answerBy(engine, chatOf({ url: pngUri(width, height) }))).usage.promptTokens;
    const least = await tokens(64, 96);
    expect(await tokens(96, 96)).toBe(least - 4 * 6 + 6 * 6);
    expect(await tokens(1_000, 1_000)).toBe(least - 4 * 6 + 6 * 6);
  });

  test('continues pages with images that an earlier engine has stored', async () => {
    await using stored = await storeFolder();
    // Only prefixes that take longer to compute than to load are stored, so this one is long.
    const long = text('Which one is the river? '.repeat(40));
    const slow = createReferenceBackend();
    const chat = chatOf({ url: jpeg }, long);
    const other = chatOf({ url: turned }, long);
    const first = await (async () => {
      const prefixes = await stored.open();
      await using engine = await start(model, { backend: slow, prefixes });
      const { deltas } = await answerBy(engine, chat, 'scope');
      await vi.waitFor(() => expect(prefixes.store.figures.files).toBeGreaterThan(0));
      return deltas;
    })();
    await using engine = await start(model, { backend: slow, prefixes: await stored.open() });
    const again = await answerBy(engine, chat, 'scope');
    expect(again.usage.cachedTokens).toBeGreaterThanOrEqual(32);
    expect(again.deltas).toEqual(first);
    expect((await answerBy(engine, other, 'scope')).usage.cachedTokens).toBe(0);
  });
});
