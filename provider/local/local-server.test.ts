import { connect } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createSimulatedEngine, type SimulatedEngine } from '#simulator';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { begin } from '../engine/engine-under-test.ts';
import { openModelEngine } from '../engine/open-model-engine.ts';
import { openUpstreamEngine } from '../engine/upstream/open-upstream-engine.ts';
import { type LocalServer, startLocalServer } from './local-server.ts';

const log = pino({ level: 'silent' });
const build = 'dinf-tiny-4bit';
const sum = { role: 'user' as const, content: '12+7=' };
const weather = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
};

describe('programs on this machine', () => {
  let engine: Awaited<ReturnType<typeof openModelEngine>>;
  let server: LocalServer;
  let openai: OpenAI;
  beforeAll(async () => {
    engine = await openModelEngine({
      backend: 'reference',
      models: [TINY_MODEL_FOLDER],
      maxConcurrency: 4,
      idleMs: 0,
      log,
    });
    server = await startLocalServer({ engine, port: 0, cacheScope: 'secret', log });
    openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });

  test("get answers from OpenAI's API, whole and as streams", async () => {
    const whole = await openai.chat.completions.create({ model: build, messages: [sum] });
    expect(whole.choices[0]?.message.content).toBe('19');
    let text = '';
    const stream = await openai.chat.completions.create({
      model: `someone/${build}`,
      messages: [sum],
      stream: true,
    });
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? '';
    expect(text).toBe('19');
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual([build]);
  });

  test("get answers from Anthropic's API", async () => {
    const anthropic = new Anthropic({ baseURL: server.url, apiKey: 'none', maxRetries: 0 });
    const stream = anthropic.messages.stream({ model: build, max_tokens: 20, messages: [sum] });
    const inputTokens: number[] = [];
    stream.on('streamEvent', (event) => {
      if (event.type === 'message_start') inputTokens.push(event.message.usage.input_tokens);
    });
    const message = await stream.finalMessage();
    expect(message.content).toMatchObject([{ type: 'text', text: '19' }]);
    expect(inputTokens).toEqual([message.usage.input_tokens]);
  });

  test('get the same errors as from the network', async () => {
    const missing = openai.chat.completions.create({ model: 'other', messages: [sum] });
    await expect(missing).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    const long = [{ role: 'user' as const, content: 'word '.repeat(4_000) }];
    const tooLong = openai.chat.completions.create({ model: build, messages: long, max_tokens: 5 });
    await expect(tooLong).rejects.toMatchObject({ code: 'context_length_exceeded' });
  });

  test.each([
    { host: 'evil.example', origin: undefined },
    { host: 'localhost', origin: 'https://evil.example' },
  ])('are not web pages: $host, $origin', async ({ host, origin }) => {
    const port = new URL(server.url).port;
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `GET /v1/models HTTP/1.1\r\nhost: ${host}:${port}\r\n${origin ? `origin: ${origin}\r\n` : ''}connection: close\r\n\r\n`,
    );
    let text = '';
    for await (const part of socket) text += String(part);
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
  });

  test('can be another provider, whose engine is this endpoint', async () => {
    await using other = await openUpstreamEngine({
      upstream: `${server.url}/v1`,
      command: undefined,
      allowsRemote: false,
      key: undefined,
      contextTokens: undefined,
      traits: ['tools'],
      models: [],
      maxConcurrency: 4,
      log,
    });
    expect(other.slots()).toMatchObject([
      { build, contextTokens: 2_048, state: 'resident', traits: ['tools'] },
    ]);
    const answers = await Promise.all(
      [3, 4].map(
        (n) =>
          begin(other, {
            build,
            chat: { messages: [{ role: 'user', content: `${n}+${n}=` }], max_tokens: 20 },
            maxTokens: 20,
          }).answer,
      ),
    );
    expect(answers.map(({ text }) => text)).toEqual(['6', '8']);
    expect(answers[0]?.usage).toMatchObject({ promptTokens: 14, completionTokens: 1 });
    const called = await begin(other, {
      build,
      chat: {
        messages: [{ role: 'user', content: 'What is the weather in Paris?' }],
        tools: [weather],
        max_tokens: 60,
      },
      maxTokens: 60,
    }).answer;
    expect(called.finish).toBe('tool_calls');
    expect(called.calls).toEqual([{ name: 'get_weather', text: expect.stringContaining('Paris') }]);
  });
});

test('a request of the owner goes before waiting requests of the network', async () => {
  await using engine = await openModelEngine({
    backend: 'reference',
    models: [TINY_MODEL_FOLDER],
    maxConcurrency: 1,
    idleMs: 0,
    log,
  });
  const order: string[] = [];
  const ask = async (name: string, content: string, isOwners: boolean) => {
    const chat = { messages: [{ role: 'user', content }], max_tokens: 60 };
    await begin(engine, { build, chat, maxTokens: 60, isOwners }).answer;
    order.push(name);
  };
  await Promise.all([
    ask('running', 'Count from 1 to 9.', false),
    ask('waiting', '1+2=', false),
    ask('owner', '3+4=', true),
    ask('owner again', '5+4=', true),
  ]);
  // The first step is formed after all four have arrived, so the owner is before all others.
  expect(order.indexOf('owner again')).toBeLessThan(order.indexOf('waiting'));
  expect(order.indexOf('owner')).toBeLessThan(order.indexOf('owner again'));
});

describe('a program that leaves', () => {
  let engine: SimulatedEngine;
  let server: LocalServer;
  beforeAll(async () => {
    engine = createSimulatedEngine({ chip: 'm4-max', tokenMs: 5, endless: true });
    server = await startLocalServer({ engine, port: 0, cacheScope: 'secret', log });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });

  test('has its answer cancelled, also behind another provider', async () => {
    await using other = await openUpstreamEngine({
      upstream: `${server.url}/v1`,
      command: undefined,
      allowsRemote: false,
      key: undefined,
      contextTokens: undefined,
      traits: [],
      models: [],
      maxConcurrency: 4,
      log,
    });
    const { promise: first, resolve } = Promise.withResolvers<void>();
    const { answer, sequence } = begin(
      other,
      {
        build: engine.slots()[0]?.build ?? '',
        chat: { messages: [{ role: 'user', content: 'Why?' }], max_tokens: 10_000 },
        maxTokens: 10_000,
      },
      () => resolve(),
    );
    await first;
    expect(engine.running).toBe(1);
    sequence.cancel();
    expect((await answer).finish).toBe('cancelled');
    await vi.waitFor(() => expect(engine.running).toBe(0), { timeout: 10_000, interval: 5 });
  });
});
