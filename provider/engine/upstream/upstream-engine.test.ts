import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { begin } from '../engine-under-test.ts';
import { chunk, events, ModelServerUnderTest } from './model-server-under-test.ts';
import { addressOf, openUpstreamEngine } from './open-upstream-engine.ts';
import type { UpstreamEngine } from './upstream-engine.ts';

const chat = { messages: [{ role: 'user', content: 'Why?' }], max_tokens: 50 };
const log = { info: () => {}, error: () => {} };
const DONE = 'data: [DONE]\n\n';
const PATIENCE = { timeout: 10_000, interval: 10 };

let server: ModelServerUnderTest;
beforeEach(async () => {
  server = await ModelServerUnderTest.start();
  server.answers['/v1/models'] = { data: [{ id: 'org/some-model', max_model_len: 8_192 }] };
});
afterEach(() => server[Symbol.asyncDispose]());

const open = (options: { url?: string; models?: string[] } = {}): Promise<UpstreamEngine> =>
  openUpstreamEngine({
    upstream: options.url ?? server.url,
    models: options.models ?? [],
    command: undefined,
    allowsRemote: false,
    key: undefined,
    contextTokens: undefined,
    traits: [],
    maxConcurrency: 2,
    log,
  });
const stream = (response: ServerResponse, ...texts: string[]) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const text of texts) response.write(text);
};
const ask = (engine: UpstreamEngine, changes: object = {}) =>
  begin(engine, { build: 'some-model', chat: { ...chat, ...changes }, maxTokens: 50 });
const usage = (prompt: number, completion: number) => ({
  choices: [],
  usage: { prompt_tokens: prompt, completion_tokens: completion },
});

test('an answer has the text and the token counts of the server', async () => {
  server.chat = (response) => {
    stream(response, events(chunk({ content: 'Be' }), chunk({ content: 'cause.' }, 'stop')));
    response.end(events(usage(9, 4)) + DONE);
  };
  await using engine = await open();
  const answer = await ask(engine).answer;
  expect(answer).toMatchObject({ text: 'Because.', finish: 'stop' });
  expect(answer.usage).toMatchObject({ promptTokens: 9, completionTokens: 4 });
  expect(answer.deltas.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(4);
  expect(server.asked[0]).toMatchObject({ model: 'org/some-model', stream: true, max_tokens: 50 });
});

test('only fields of the chat contract reach the server', async () => {
  server.chat = (response) => {
    stream(response);
    response.end(events(chunk({}, 'stop')) + DONE);
  };
  await using engine = await open();
  const message = { role: 'user', content: 'Why?', adapters: '/etc' };
  await ask(engine, {
    messages: [message],
    adapters: '/etc/passwd',
    draft_model: 'huge',
    chat_template: '{{ 1 }}',
    temperature: 0.5,
  }).answer;
  expect(Object.keys(server.asked[0]).toSorted()).toEqual([
    'chat_template_kwargs',
    'max_tokens',
    'messages',
    'model',
    'stream',
    'stream_options',
    'temperature',
  ]);
  expect(server.asked[0].messages).toEqual([{ role: 'user', content: 'Why?' }]);
});

test('an image that the server would fetch is refused, and nothing is sent', async () => {
  await using engine = await open();
  const image = { type: 'image_url', image_url: { url: 'http://192.168.0.1/admin' } };
  expect(() => ask(engine, { messages: [{ role: 'user', content: [image] }] })).toThrow(
    expect.objectContaining({ code: 'invalid_request' }),
  );
  expect(server.asked).toEqual([]);
});

test('a cancelled answer ends at once, and its connection is closed within 250 ms', async () => {
  const { promise: closed, resolve: close } = Promise.withResolvers<number>();
  server.chat = (response) => {
    response.on('close', () => close(performance.now()));
    stream(response, events(chunk({ content: 'On' })));
  };
  await using engine = await open();
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const { answer, sequence } = begin(engine, { build: 'some-model', chat, maxTokens: 50 }, () =>
    resolve(),
  );
  await first;
  const cancelledAt = performance.now();
  sequence.cancel();
  expect(await answer).toMatchObject({ text: 'On', finish: 'cancelled' });
  expect((await closed) - cancelledAt).toBeLessThan(250);
  expect(engine.slots()[0]?.running).toBe(0);
});

test('a paused answer stops the server, which continues after resume', async () => {
  const part = events(chunk({ content: 'word '.repeat(2_000) }));
  let written = 0;
  server.chat = async (response) => {
    stream(response);
    while (written < 4_000) {
      written += 1;
      if (!response.write(part)) await once(response, 'drain');
    }
    response.end(events(chunk({}, 'stop')) + DONE);
  };
  await using engine = await open();
  const { answer, sequence } = begin(engine, {
    build: 'some-model',
    chat: { ...chat, max_tokens: 100_000 },
    maxTokens: 100_000,
  });
  sequence.pause();
  let before = -1;
  await vi.waitFor(
    () => {
      const now = written;
      if (now === 0 || now !== before) {
        before = now;
        throw new Error('the server still writes');
      }
    },
    { timeout: 10_000, interval: 200 },
  );
  expect(written).toBeLessThan(4_000);
  sequence.resume();
  expect((await answer).text).toHaveLength(4_000 * 2_000 * 5);
});

test.each([
  [
    400,
    { error: { message: 'the request exceeds the available context size' } },
    'request_exceeds_context',
  ],
  [400, { error: { message: 'no such tool' } }, 'invalid_request'],
  [429, { error: 'busy' }, 'queue_full'],
  [503, { error: { message: 'Loading model' } }, 'queue_full'],
  [500, 'broken', 'model_not_loaded'],
])('HTTP status %i with %j is the refusal %s', async (status, body, code) => {
  server.chat = (response) => void response.writeHead(status).end(JSON.stringify(body));
  await using engine = await open();
  await expect(ask(engine).answer).rejects.toMatchObject({ code });
  expect(engine.slots()[0]?.running).toBe(0);
});

test('an answer that the server breaks off ends with an error', async () => {
  server.chat = (response) => {
    stream(response, events(chunk({ content: 'Be' })));
    setImmediate(() => response.destroy());
  };
  await using engine = await open();
  expect(await ask(engine).answer).toMatchObject({ text: 'Be', finish: 'error' });
});

test('an answer longer than its limit is ended', async () => {
  server.chat = (response) => stream(response, events(...Array(60).fill(chunk({ content: 'x' }))));
  await using engine = await open();
  const answer = await ask(engine).answer;
  expect(answer.finish).toBe('length');
  expect(answer.usage.completionTokens).toBe(50);
});

test('token counts far above those of the tokenizer are replaced by those', async () => {
  server.answers['/v1/models'] = { data: [{ id: TINY_MODEL_FOLDER }] };
  server.chat = (response) => {
    stream(response, events(chunk({ content: '1' }), chunk({ content: '9' }, 'stop')));
    response.end(events(usage(900, 48)) + DONE);
  };
  await using engine = await open();
  expect(engine.slots()).toMatchObject([{ build: 'dinf-tiny-4bit', contextTokens: 2_048 }]);
  const { prompt, usage: billed } = await begin(engine, {
    build: 'dinf-tiny-4bit',
    chat: { ...chat, messages: [{ role: 'user', content: '12+7=' }] },
    maxTokens: 50,
  }).answer;
  expect(billed).toMatchObject({ promptTokens: 15, completionTokens: 2 });
  expect(prompt).toEqual({ promptTokens: 15, cachedTokens: 0 });
});

test('the models of Ollama have its abilities, and an embedding model is left out', async () => {
  const ids = ['qwen3:4b', 'all-minilm:latest'];
  server.answers['/v1/models'] = { data: ids.map((id) => ({ id })) };
  server.answers['/api/ps'] = { models: [{ name: 'qwen3:4b', context_length: 16_384 }] };
  server.answers['/api/show'] = { capabilities: ['completion', 'tools', 'thinking'] };
  await using engine = await open({ models: ['qwen3:4b'] });
  expect(engine.slots()).toMatchObject([
    { build: 'qwen3:4b', state: 'resident', contextTokens: 16_384, traits: ['tools', 'reasoning'] },
  ]);
});

test('the context, seats and abilities of llama.cpp are read from its properties', async () => {
  server.answers['/v1/models'] = { data: [{ id: '/models/tiny.gguf' }] };
  server.answers['/props'] = {
    default_generation_settings: { n_ctx: 4_096 },
    total_slots: 1,
    chat_template_caps: { supports_tools: true },
    modalities: { vision: true },
  };
  await using engine = await open();
  expect(engine.slots()).toMatchObject([
    { build: 'tiny', contextTokens: 4_096, maxConcurrency: 1, traits: ['tools', 'vision'] },
  ]);
});

test('LM Studio states which models are loaded, and which are for embeddings', async () => {
  server.answers['/v1/models'] = { data: [{ id: 'a' }, { id: 'b' }] };
  server.answers['/api/v0/models'] = {
    data: [
      {
        id: 'a',
        type: 'llm',
        state: 'not-loaded',
        max_context_length: 32_768,
        capabilities: ['tool_use'],
      },
      { id: 'b', type: 'embeddings', state: 'loaded' },
    ],
  };
  await using engine = await open();
  expect(engine.slots()).toMatchObject([
    { build: 'a', state: 'cold', contextTokens: 32_768, traits: ['tools'] },
  ]);
});

test('the models are not offered while the server is away', async () => {
  await using engine = await open();
  const before = engine.slots()[0]?.state;
  server.chat = (_response, _body, request) => void request.socket.destroy();
  delete server.answers['/v1/models'];
  await expect(ask(engine).answer).rejects.toMatchObject({ code: 'model_not_loaded' });
  await vi.waitFor(() => expect(engine.slots()[0]?.state).toBe('failed'), PATIENCE);
  expect(before).toBe('resident');
});

test('a server that does not run, or lacks the model, is an error of the start', async () => {
  await expect(open({ url: 'http://127.0.0.1:1/v1' })).rejects.toMatchObject({
    code: 'unreachable',
  });
  await expect(open({ models: ['other'] })).rejects.toThrow('none of the models other');
});

test('only servers on this machine are allowed without the decision of the owner', () => {
  for (const local of ['http://127.0.0.1:1/v1', 'http://localhost:1', 'http://[::1]:1/v1'])
    expect(addressOf(local, false).href).toContain(':1');
  for (const other of [
    'http://192.168.0.9/v1',
    'http://127.0.0.1.example.com/v1',
    'file:///x',
    'x',
  ])
    expect(() => addressOf(other, false)).toThrow(expect.objectContaining({ code: 'not_local' }));
  expect(addressOf('https://gpu.example.com/v1', true).hostname).toBe('gpu.example.com');
});
