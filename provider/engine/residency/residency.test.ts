import { afterEach, beforeAll, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { thisMachine } from '../../machine.ts';
import { type Model, openModel } from '../../models/model.ts';
import { type Backend, kvBytesPerToken } from '../decoders/decoder.ts';
import { createReferenceBackend } from '../decoders/reference-decoder.ts';
import { MAX_OWN_MODELS } from '../engine.ts';
import { begin } from '../engine-under-test.ts';
import { ModelEngine } from '../model-engine.ts';

let model: Model;
beforeAll(async () => {
  model = await openModel(TINY_MODEL_FOLDER);
});

let engine: ModelEngine;
afterEach(async () => {
  await engine[Symbol.asyncDispose]();
});

/** An engine with the models `ant` and `bee`, and memory for one of them; `ant` is in memory. */
async function start(backend: Backend = createReferenceBackend()): Promise<void> {
  const needed =
    model.weightBytes +
    Math.min(2_048, model.shape.contextTokens) * kvBytesPerToken(model, backend);
  engine = new ModelEngine({
    backend,
    models: [
      { ...model, build: 'ant' },
      { ...model, build: 'bee' },
    ],
    machine: thisMachine(),
    memoryBytes: 1.5 * needed,
    maxConcurrency: 4,
    idleMs: 0,
    log: { info: () => {}, error: () => {} },
  });
  await engine.loadAll();
  expect(states()).toEqual(['resident', 'cold']);
}

const states = () => engine.slots().map(({ state }) => state);

function ask(build: string, content: string, options: { firstContentMs?: number } = {}) {
  const chat = { messages: [{ role: 'user', content }], max_tokens: 200 };
  return begin(engine, { build, chat, maxTokens: 200, ...options });
}

/** Starts an answer of `ant`, and pauses it after its first delta. */
async function pausedAnswer() {
  const { promise: paused, resolve } = Promise.withResolvers<void>();
  const chat = { messages: [{ role: 'user', content: 'Count from 1 to 30.' }], max_tokens: 200 };
  let isFirst = true;
  const begun = begin(engine, { build: 'ant', chat, maxTokens: 200 }, (_, sequence) => {
    if (!isFirst) return;
    isFirst = false;
    sequence().pause();
    resolve();
  });
  await paused;
  return begun;
}

test('a request for a model that is not in memory waits until the other has been there long enough, and is answered', async () => {
  await start();
  expect((await ask('bee', 'What is 12 + 30?').answer).text).toBe('42');
  expect(states()).toEqual(['cold', 'resident']);
});

test('a request whose deadline passes while another model has answers is refused by name', async () => {
  await start();
  const running = await pausedAnswer();
  await expect(ask('bee', 'What is 12 + 30?', { firstContentMs: 50 }).answer).rejects.toMatchObject(
    { code: 'deadline_unreachable' },
  );
  running.sequence.resume();
  expect((await running.answer).finish).toBe('stop');
  expect(states()).toEqual(['resident', 'cold']);
});

test('a waiting request that is cancelled ends at once', async () => {
  await start();
  const running = await pausedAnswer();
  const { answer, sequence } = ask('bee', 'What is 12 + 30?');
  sequence.cancel();
  expect((await answer).finish).toBe('cancelled');
  running.sequence.cancel();
  expect((await running.answer).finish).toBe('cancelled');
});

test('a switch waits for running answers, lets later requests wait, and loads the model then', {
  timeout: 180_000,
}, async () => {
  await start();
  const { promise: beeIsLoaded, resolve } = Promise.withResolvers<void>();
  engine.onChange(() => {
    if (states()[1] === 'resident') resolve();
  });
  const running = await pausedAnswer();
  engine.switchTo('bee');
  const later = ask('ant', 'What is 12 + 30?');
  expect(states()).toEqual(['resident', 'cold']);
  running.sequence.resume();
  const counted = Array.from({ length: 30 }, (_, i) => i + 1).join(', ');
  expect((await running.answer).text).toBe(counted);
  await beeIsLoaded;
  expect((await later.answer).text).toBe('42');
  expect(states()).toEqual(['resident', 'cold']);
});

test('a model that cannot be loaded fails the requests that wait for it, and the other serves on', async () => {
  const real = createReferenceBackend();
  await start({
    ...real,
    load: (options) =>
      states()[0] === 'cold' ? Promise.reject(new Error('disk error')) : real.load(options),
  });
  engine.switchTo('bee');
  const { answer } = ask('bee', 'What is 12 + 30?');
  expect((await answer).finish).toBe('error');
  expect(states()[1]).toBe('failed');
});

test('a model that was never loaded is announced with a speed and a load time, and with the wait for its room', async () => {
  await start();
  const [ant, bee] = engine.slots();
  expect(bee?.decodeTps).toBeGreaterThan(0);
  expect(bee?.prefillTps).toBeGreaterThan(0);
  expect(bee?.loadMs).toBeGreaterThanOrEqual(5_000);
  expect(ant?.contextTokens).toBe(bee?.contextTokens);
});

test('a model that is added is served on demand, and one that does not fit is refused', async () => {
  await start();
  engine.addModel({ ...model, build: 'cow' });
  expect(states()).toEqual(['resident', 'cold', 'cold']);
  expect((await ask('cow', 'What is 12 + 30?').answer).text).toBe('42');
  expect(states()).toEqual(['cold', 'cold', 'resident']);
  expect(engine.weights().map(({ build }) => build)).toEqual(['ant', 'bee', 'cow']);
  expect(() => engine.addModel({ ...model, build: 'elephant', weightBytes: 1e12 })).toThrow(
    /elephant needs \d+ bytes of memory/,
  );
});

test('a machine has a bounded number of models', async () => {
  await start();
  for (let i = 2; i < MAX_OWN_MODELS; i += 1) engine.addModel({ ...model, build: `ant-${i}` });
  expect(engine.slots()).toHaveLength(MAX_OWN_MODELS);
  expect(() => engine.addModel({ ...model, build: 'bat' })).toThrow(/at most 64 models/);
});
