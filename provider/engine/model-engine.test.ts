import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { InferenceRequest } from '#bus-schemas';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { thisMachine } from '../machine.ts';
import { type Model, openModel } from '../models/model.ts';
import { changedDecoder } from './decoders/changed-decoder-under-test.ts';
import {
  type Backend,
  type Decoder,
  type DecoderOptions,
  kvBytesPerToken,
  PAGE_TOKENS,
} from './decoders/decoder.ts';
import { createCpuBackend } from './decoders/native-decoder.ts';
import { createReferenceBackend } from './decoders/reference-decoder.ts';
import { RequestRefused } from './engine.ts';
import { type Answer, begin } from './engine-under-test.ts';
import { ModelEngine, type ModelEngineOptions } from './model-engine.ts';

type Chat = InferenceRequest['chat'];

let model: Model;
beforeAll(async () => {
  model = await openModel(TINY_MODEL_FOLDER);
});

const open: ModelEngine[] = [];
afterEach(async () => {
  for (const engine of open.splice(0)) await engine[Symbol.asyncDispose]();
});

/**
 * Returns the CPU backend, or the one in TypeScript if there is no compiler. Speed does not matter
 * here.
 */
function anyBackend(): Backend {
  const cpu = createCpuBackend({ threads: 1 });
  return 'reason' in cpu ? createReferenceBackend() : cpu.backend;
}

async function start(options: Partial<ModelEngineOptions> = {}): Promise<ModelEngine> {
  const engine = new ModelEngine({
    backend: anyBackend(),
    models: [model],
    machine: thisMachine(),
    memoryBytes: 200e6,
    maxConcurrency: 8,
    idleMs: 0,
    log: { info: () => {}, error: () => {} },
    ...options,
  });
  open.push(engine);
  await engine.loadAll();
  return engine;
}

function beginChat(
  engine: ModelEngine,
  chat: Partial<Chat>,
  { onDelta, cacheScope }: { onDelta?: Parameters<typeof begin>[2]; cacheScope?: string } = {},
) {
  const maxTokens = chat.max_tokens ?? 200;
  const whole = {
    messages: [{ role: 'user', content: 'Count from 1 to 30.' }],
    max_tokens: maxTokens,
    ...chat,
  };
  return begin(
    engine,
    { build: model.build, chat: whole, maxTokens, ...(cacheScope !== undefined && { cacheScope }) },
    onDelta,
  );
}

const ask = (engine: ModelEngine, chat: Partial<Chat>, cacheScope?: string): Promise<Answer> =>
  beginChat(engine, chat, { ...(cacheScope !== undefined && { cacheScope }) }).answer;
const chatOf = (content: string) => ({ messages: [{ role: 'user', content }] });
const counted = (to: number) => Array.from({ length: to }, (_, i) => i + 1).join(', ');

describe('an answer', () => {
  test('is right, and its deltas have as many tokens as its usage', async () => {
    const { text, finish, usage, deltas } = await ask(await start(), chatOf('What is 12 + 30?'));
    expect(text).toBe('42');
    expect(finish).toBe('stop');
    expect(deltas.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(usage.completionTokens);
    expect(usage.promptTokens).toBeGreaterThan(5);
  });

  test('ends at max_tokens', async () => {
    const { finish, usage } = await ask(await start(), { max_tokens: 7 });
    expect([finish, usage.completionTokens]).toEqual(['length', 7]);
  });

  test('ends at a stop string that spans several tokens, and does not contain it', async () => {
    const { text, finish, stopSequence } = await ask(await start(), { stop: ['2, 13'] });
    expect(text).toBe('1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1');
    expect([finish, stopSequence]).toEqual(['stop', '2, 13']);
  });

  test('never contains an incomplete character', async () => {
    const { deltas, text } = await ask(await start(), chatOf('Say 😀 水 é'));
    expect(text).toBe('😀 水 é');
    for (const delta of deltas) expect(delta.text).not.toContain('\uFFFD');
  });

  test('contains the log probabilities of its tokens if they are requested', async () => {
    const { deltas, text } = await ask(await start(), {
      ...chatOf('What is 12 + 30?'),
      logprobs: true,
      top_logprobs: 3,
    });
    const shares = deltas.flatMap((delta) => (delta.k === 'text' ? (delta.logprobs ?? []) : []));
    expect(shares.map(({ token }) => token).join('')).toBe(text);
    for (const { token, logprob, top } of shares) {
      expect(top).toHaveLength(3);
      expect(top[0]).toEqual({ token, logprob });
      expect(logprob).toBeLessThanOrEqual(0);
    }
  });

  test('is random without a seed, and is the same with a seed, independent of other requests in the batch', async () => {
    const engine = await start({ maxConcurrency: 16 });
    const drawn = { ...chatOf('Why is the sky blue?'), temperature: 2, max_tokens: 60 };
    const alone = await ask(engine, { ...drawn, seed: 5 });
    const others = Array.from({ length: 5 }, (_, i) => ask(engine, { ...drawn, seed: 100 + i }));
    const beside = await ask(engine, { ...drawn, seed: 5 });
    expect(beside.text).toBe(alone.text);
    expect(new Set((await Promise.all(others)).map(({ text }) => text)).size).toBeGreaterThan(1);
    // The model gives most tokens a high probability, so two draws may be equal, but not all of
    // them.
    const unseeded = await Promise.all(Array.from({ length: 12 }, () => ask(engine, drawn)));
    expect(new Set(unseeded.map(({ text }) => text)).size).toBeGreaterThan(1);
  });

  test('fits a schema that the model would not follow by itself, also at a high temperature', async () => {
    const schema = {
      type: 'object',
      properties: {
        planet: { enum: ['Mars', 'Venus'] },
        moons: { type: 'integer', minimum: 0, maximum: 9 },
      },
      required: ['planet', 'moons'],
      additionalProperties: false,
    };
    const { text, finish } = await ask(await start(), {
      ...chatOf('Hello'),
      temperature: 1.5,
      response_format: { type: 'json_schema', json_schema: { schema } },
    });
    expect(JSON.parse(text)).toEqual({
      planet: expect.toBeOneOf(['Mars', 'Venus']),
      moons: expect.any(Number),
    });
    expect(finish).toBe('stop');
  });

  test('calls the required tool, with complete arguments', async () => {
    const tools = [
      {
        type: 'function' as const,
        function: {
          name: 'get_weather',
          parameters: {
            type: 'object',
            properties: { city: { type: 'string' } },
            required: ['city'],
            additionalProperties: false,
          },
        },
      },
    ];
    const { deltas, finish } = await ask(await start(), {
      ...chatOf('What is the weather in Oslo?'),
      tools,
      tool_choice: 'required',
    });
    const [first, ...rest] = deltas.filter((delta) => delta.k === 'tool');
    expect(first).toMatchObject({
      index: 0,
      name: 'get_weather',
      id: expect.stringMatching(/^call_/),
    });
    expect(JSON.parse([first, ...rest].map((delta) => delta?.text).join(''))).toEqual({
      city: 'Oslo',
    });
    expect(finish).toBe('tool_calls');
  });
});

describe('a sequence', () => {
  test('that is paused has no output while others continue, and continues where it stopped', async () => {
    const engine = await start();
    const { answer, sequence } = beginChat(engine, {}, { onDelta: (_, own) => own().pause() });
    const other = await ask(engine, {});
    expect(other.text).toBe(counted(30));
    let done = false;
    void answer.then(() => {
      done = true;
    });
    for (let n = 0; !done && n < 10_000; n += 1) {
      sequence.resume();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    expect((await answer).text).toBe(counted(30));
  });

  test('that is cancelled ends at once, and its cache pages are free again', async () => {
    const engine = await start();
    const free = engine.slots()[0]?.freeTokens;
    const { finish, usage } = await beginChat(
      engine,
      { max_tokens: 150 },
      { onDelta: (_, own) => own().cancel() },
    ).answer;
    expect(finish).toBe('cancelled');
    expect(usage.completionTokens).toBeLessThan(5);
    expect(engine.slots()[0]).toMatchObject({ running: 0, waiting: 0, freeTokens: free });
  });

  test('reuses the cached beginning of a prompt of the same scope, but not of another scope', async () => {
    const engine = await start();
    const long = chatOf(`Say ${Array.from({ length: 40 }, (_, i) => `apple${i}`).join(' ')}`);
    const first = await ask(engine, { ...long, max_tokens: 4 }, 'mine');
    const second = await ask(engine, { ...long, max_tokens: 4 }, 'mine');
    const other = await ask(engine, { ...long, max_tokens: 4 }, 'theirs');
    expect([first.usage.cachedTokens, other.usage.cachedTokens]).toEqual([0, 0]);
    expect(second.usage.cachedTokens).toBeGreaterThan(first.usage.promptTokens - 64);
    expect(second.text).toBe(first.text);
  });

  test.each(['is cancelled', 'ends'])(
    'that %s no longer counts when its engine reports a change',
    async (how) => {
      const engine = await start({ maxConcurrency: 2 });
      let reported = 0;
      engine.onChange(() => {
        reported = engine.slots().reduce((sum, { running, waiting }) => sum + running + waiting, 0);
      });
      const other = beginChat(engine, {});
      const isCancelled = how === 'is cancelled';
      const one = beginChat(
        engine,
        { max_tokens: isCancelled ? 100 : 3 },
        { onDelta: (_, own) => isCancelled && own().cancel() },
      );
      expect(reported).toBe(2);
      await one.answer;
      await new Promise(setImmediate);
      expect(reported).toBe(1);
      other.sequence.cancel();
      await other.answer;
    },
  );
});

describe('a request is rejected', () => {
  const codeOf = (act: () => unknown): string => {
    try {
      act();
      return 'taken';
    } catch (error) {
      return error instanceof RequestRefused ? error.code : String(error);
    }
  };

  test('if its prompt is longer than the context', async () => {
    const engine = await start();
    expect(codeOf(() => beginChat(engine, chatOf('word '.repeat(5_000))))).toBe(
      'request_exceeds_context',
    );
  });

  test('if the prompts before it would delay it beyond its deadline; if no other prompt waits, it is accepted', async () => {
    const real = anyBackend();
    let gate = Promise.resolve();
    const load: Backend['load'] = async (options) => {
      const decoder = await real.load(options);
      const step: Decoder['step'] = async (step) => {
        await gate;
        return decoder.step(step);
      };
      return changedDecoder(decoder, { step });
    };
    const engine = await start({
      backend: { ...real, load, [Symbol.asyncDispose]: () => real[Symbol.asyncDispose]() },
    });
    const { promise, resolve: open } = Promise.withResolvers<void>();
    gate = promise;
    const long = chatOf(`Say ${Array.from({ length: 60 }, (_, i) => `stone${i}`).join(' ')}`);
    const order = (firstContentMs: number) => {
      const chat = { ...long, max_tokens: 2 };
      return begin(engine, { build: model.build, chat, maxTokens: 2, firstContentMs }).answer;
    };
    const first = order(0);
    // The scheduler receives the request in the next turn of the event loop. It cannot process its
    // prompt yet, because the gate is closed.
    await new Promise((resolve) => setImmediate(resolve));
    expect(codeOf(() => order(0))).toBe('deadline_unreachable');
    const patient = order(600_000);
    open();
    for (const { finish } of await Promise.all([first, patient])) expect(finish).toBe('length');
  });

  test('if all seats and the queue are full', async () => {
    const engine = await start({ maxConcurrency: 1 });
    const taken = Array.from({ length: 5 }, () => beginChat(engine, { max_tokens: 2 }));
    expect(codeOf(() => beginChat(engine, {}))).toBe('queue_full');
    await Promise.all(taken.map(({ answer }) => answer));
    expect((await ask(engine, chatOf('What is 12 + 30?'))).text).toBe('42');
  });
});

describe('the model', () => {
  test('is unloaded if it gets no requests, and is loaded again for the next request', async () => {
    const engine = await start({ idleMs: 20 });
    await ask(engine, chatOf('What is 12 + 30?'));
    const cold = new Promise<void>((resolve) =>
      engine.onChange(() => engine.slots()[0]?.state === 'cold' && resolve()),
    );
    await cold;
    expect((await ask(engine, chatOf('What is 12 + 30?'))).text).toBe('42');
    expect(engine.slots()[0]?.state).toBe('resident');
  });

  test('is unloaded by order after its last answer, once, and not at all if it was not in memory', async () => {
    const engine = await start();
    const state = () => engine.slots()[0]?.state;
    const { answer } = beginChat(engine, chatOf('What is 12 + 30?'));
    engine.unload(model.build);
    expect(state()).toBe('resident');
    expect((await answer).text).toBe('42');
    await expect.poll(state).toBe('cold');
    engine.unload(model.build);
    expect((await ask(engine, chatOf('What is 12 + 30?'))).text).toBe('42');
    expect((await ask(engine, chatOf('What is 12 + 30?'))).text).toBe('42');
    expect(state()).toBe('resident');
  });

  test('allocates memory for its cache when answers need it, and frees it some time after they have ended', async () => {
    const real = anyBackend();
    let decoder: Decoder | undefined;
    const load = async (order: DecoderOptions) => {
      decoder = await real.load(order);
      return decoder;
    };
    const before = process.memoryUsage.rss();
    const engine = await start({
      backend: { ...real, load },
      memoryBytes: 8e9,
      maxConcurrency: 128,
      cacheIdleMs: 200,
    });
    const limit = (engine.slots()[0]?.freeTokens ?? 0) * kvBytesPerToken(model, real);
    expect(limit).toBeGreaterThan(500e6);
    const cacheBytes = () => decoder?.cacheBytes ?? 0;
    expect(cacheBytes()).toBeLessThan(limit / 100);
    expect(process.memoryUsage.rss() - before).toBeLessThan(limit / 2);
    const answers = Array.from({ length: 64 }, () => ask(engine, { max_tokens: 60 }));
    let most = 0;
    await vi.waitFor(() => {
      most = Math.max(most, cacheBytes());
      expect(most).toBeGreaterThan((64 * 60 * kvBytesPerToken(model, real)) / 2);
    });
    for (const { text } of await Promise.all(answers))
      expect(counted(30).startsWith(text)).toBe(true);
    await vi.waitFor(() => expect(cacheBytes()).toBeLessThan(most / 10));
    expect((await ask(engine, chatOf('What is 12 + 30?'))).text).toBe('42');
  });

  test('has as many cache tokens as the size of its backend’s numbers allows', async () => {
    const real = anyBackend();
    const tokens = async (bytes: number) => {
      const engine = await start({
        backend: { ...real, cacheNumberBytes: () => bytes },
        memoryBytes: model.weightBytes + 5e6,
      });
      return engine.slots()[0]?.freeTokens;
    };
    expect(await tokens(4)).toBe(
      PAGE_TOKENS *
        Math.floor(5e6 / kvBytesPerToken(model, { cacheNumberBytes: () => 4 }) / PAGE_TOKENS),
    );
    expect(await tokens(2)).toBe(
      PAGE_TOKENS *
        Math.floor(5e6 / kvBytesPerToken(model, { cacheNumberBytes: () => 2 }) / PAGE_TOKENS),
    );
  });

  test('that fails during answers ends each with an error, has the state `failed`, and is loaded again', async () => {
    let failing = false;
    const real = anyBackend();
    const backend: Backend = {
      ...real,
      load: async (options) => {
        const decoder = await real.load(options);
        return changedDecoder(decoder, {
          step: (step) => (failing ? Promise.reject(new Error('device lost')) : decoder.step(step)),
        });
      },
      [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
    };
    let now = 0;
    const engine = await start({ backend, clock: () => now });
    const answers = [0, 1].map(
      () =>
        beginChat(
          engine,
          {},
          {
            onDelta: () => {
              failing = true;
            },
          },
        ).answer,
    );
    for (const { finish } of await Promise.all(answers)) expect(finish).toBe('error');
    expect(engine.slots()[0]?.state).toBe('failed');
    expect((await ask(engine, {})).finish).toBe('error');
    failing = false;
    now += 20_000;
    expect((await ask(engine, chatOf('What is 12 + 30?'))).text).toBe('42');
  });
});
