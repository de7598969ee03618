import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import type { EngineFault } from '../../reasons.ts';
import { expected, FIXTURES } from '../encoders/encoders-under-test.ts';
import { begin } from '../engine-under-test.ts';
import { EngineProcess, type EngineProcessOptions } from './engine-process.ts';

const BUILD = 'dinf-tiny-4bit';
/** Time for the start of a process on a machine whose cores are busy, in milliseconds. */
const PATIENT = { timeout: 60_000 };
const log = { info: () => {}, error: () => {} };

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-engine-'));
});
afterEach(() => rm(home, { recursive: true }));

const open = (options: Partial<EngineProcessOptions> = {}) =>
  EngineProcess.open({
    backend: 'reference',
    models: [TINY_MODEL_FOLDER],
    maxConcurrency: 1,
    idleMs: 0,
    log,
    pausesMs: [10],
    ...options,
  });

/** Opens an engine whose first answer stops after some tokens, because a step hangs. */
const openHanging = (stepLimitMs: number, options: Partial<EngineProcessOptions> = {}) =>
  open({
    program: new URL('./hanging-engine-under-test.ts', import.meta.url),
    models: [TINY_MODEL_FOLDER, join(home, 'hung'), String(stepLimitMs)],
    ...options,
  });

const requestFor = (content: string) => ({
  build: BUILD,
  chat: { messages: [{ role: 'user', content }], max_tokens: 200 },
  maxTokens: 200,
});

/**
 * Begins an answer, and a second request that has to wait for its end. Resolves when the answer has
 * content.
 */
async function withContentAndWithout(engine: EngineProcess) {
  const hasContent = Promise.withResolvers<void>();
  const { answer } = begin(engine, requestFor('Count from 1 to 30.'), () => hasContent.resolve());
  const waiting = begin(engine, requestFor('What is 12 + 30?')).answer;
  waiting.catch(() => undefined);
  await hasContent.promise;
  return { answer, waiting };
}

function faultsOf(engine: EngineProcess): EngineFault[] {
  const faults: EngineFault[] = [];
  engine.onChange(() => {
    const { fault } = engine;
    if (fault !== undefined && fault !== faults.at(-1)) faults.push(fault);
  });
  return faults;
}

async function expectHealed(engine: EngineProcess): Promise<void> {
  await expect
    .poll(() => [engine.fault, engine.slots()[0]?.state], PATIENT)
    .toEqual([undefined, 'resident']);
  expect((await begin(engine, requestFor('What is 12 + 30?')).answer).text).toBe('42');
}

test.each([
  ['killed', 'SIGKILL', 'engine_crashed', undefined],
  // Long enough for a start on a busy computer, which is silent while it loads modules.
  ['frozen', 'SIGSTOP', 'engine_frozen', 12_000],
] as const)(
  'the engine is %s in the middle of an answer: the answer ends with an error, a request without content is given back, and the engine starts again',
  {
    timeout: 120_000,
  },
  async (_, signal, fault, maxSilenceMs) => {
    await using engine = await openHanging(600_000, maxSilenceMs && { maxSilenceMs });
    const faults = faultsOf(engine);
    const { answer, waiting } = await withContentAndWithout(engine);
    process.kill(engine.pid as number, signal);
    await expect(waiting).rejects.toMatchObject({ code: 'model_not_loaded' });
    const { finish, usage, deltas } = await answer;
    expect(finish).toBe('error');
    expect(usage).toMatchObject({
      promptTokens: expect.any(Number),
      completionTokens: deltas.reduce((sum, { tokens }) => sum + tokens, 0),
    });
    expect(usage.promptTokens).toBeGreaterThan(0);
    await expectHealed(engine);
    expect(faults).toEqual([fault]);
  },
);

test('an engine that the system ends for lack of memory starts again with a smaller share of it', {
  timeout: 60_000,
}, async () => {
  const kernelCounters = join(home, 'vmstat');
  const memoryFile = join(home, 'memory-share.json');
  await writeFile(kernelCounters, 'oom_kill 3\n');
  await using engine = await openHanging(600_000, { kernelCounters, memoryFile });
  const faults = faultsOf(engine);
  const { answer } = await withContentAndWithout(engine);
  await writeFile(kernelCounters, 'oom_kill 4\n');
  process.kill(engine.pid as number, 'SIGKILL');
  expect((await answer).finish).toBe('error');
  await expectHealed(engine);
  expect(faults).toEqual(['engine_out_of_memory']);
  expect(JSON.parse(await readFile(memoryFile, 'utf8'))).toMatchObject({ share: 0.8 });
});

test('a step that hangs is noticed although the process still answers', {
  timeout: 120_000,
}, async () => {
  await using engine = await openHanging(1_000);
  const faults = faultsOf(engine);
  const { answer, waiting } = await withContentAndWithout(engine);
  await expect(waiting).rejects.toMatchObject({ code: 'model_not_loaded' });
  expect((await answer).finish).toBe('error');
  await expectHealed(engine);
  expect(faults).toEqual(['engine_hung']);
});

test('the engine of a process answers as one in the same process does', {
  timeout: 60_000,
}, async () => {
  await using engine = await open();
  expect(engine).toMatchObject({ name: 'reference', fault: undefined });
  expect(engine.weights()).toEqual([{ build: BUILD, digest: expect.any(Uint8Array) }]);
  const { text, finish, usage, deltas } = await begin(engine, requestFor('Spell stone backwards.'))
    .answer;
  expect([text, finish]).toEqual(['enots', 'stop']);
  expect(usage.completionTokens).toBe(deltas.reduce((sum, { tokens }) => sum + tokens, 0));
});

test('an engine without a readable model is not started, and names the model', {
  timeout: 60_000,
}, async () => {
  await expect(open({ models: ['/nowhere/at-all'] })).rejects.toThrow('/nowhere/at-all');
});

test('requests of an engine that is closed end as cancelled', { timeout: 60_000 }, async () => {
  const engine = await openHanging(600_000);
  const { answer } = await withContentAndWithout(engine);
  await engine[Symbol.asyncDispose]();
  expect((await answer).finish).toBe('cancelled');
});

test('a model that was added is served by the next process too, and one that cannot be read is named', {
  timeout: 120_000,
}, async () => {
  const folder = join(home, 'ant-4bit');
  await cp(TINY_MODEL_FOLDER, folder, { recursive: true });
  await using engine = await open();
  await expect(engine.add(join(home, 'nowhere'))).rejects.toThrow(/nowhere is neither a folder/);
  expect(await engine.add(folder)).toBe('ant-4bit');
  expect(engine.memory.byBuild['ant-4bit']).toBeGreaterThan(0);
  const faults = faultsOf(engine);
  process.kill(engine.pid as number, 'SIGKILL');
  await expect.poll(() => faults, PATIENT).toEqual(['engine_crashed']);
  await expectHealed(engine);
  expect(engine.slots().map(({ build }) => build)).toEqual([BUILD, 'ant-4bit']);
  expect(engine.weights().map(({ build }) => build)).toEqual([BUILD, 'ant-4bit']);
});

test('after a crash or a restart of the engine, a repeated prompt is read from the disk, but not for another customer', {
  timeout: 180_000,
}, async () => {
  const prefixes = {
    folder: join(home, 'prefix-cache'),
    secret: 'ab'.repeat(32),
    version: '1',
    limits: { mostBytes: 1e9, mostAgeMs: 1e8, dailyBytes: 1e9, freeBytes: 0 },
  };
  const tagOf = (scope: string) => scope.replaceAll(' ', '-').slice(0, 10).padEnd(10, '-');
  const expectHeld = (engine: EngineProcess, ...scopes: string[]) =>
    expect.poll(() => engine.heldPrefixes, PATIENT).toEqual(scopes.map(tagOf));
  const content = `What is 12 + 30? ${Array.from({ length: 25 }, (_, i) => `Not ${i}.`).join(' ')}`;
  const ask = async (engine: EngineProcess, cacheScope: string | undefined) => {
    const { text, usage } = await begin(engine, {
      ...requestFor(content),
      maxTokens: 8,
      ...(cacheScope !== undefined && { cacheScope, prefixTag: tagOf(cacheScope) }),
    }).answer;
    return { text, share: usage.cachedTokens / usage.promptTokens };
  };
  const expectFiles = (engine: EngineProcess, least: number) =>
    expect.poll(() => engine.storedPrefixes?.files ?? 0, PATIENT).toBeGreaterThanOrEqual(least);
  let cold: { text: string };
  {
    await using engine = await open({ prefixes });
    await ask(engine, undefined);
    expect(engine.storedPrefixes?.files).toBe(0);
    cold = await ask(engine, 'one customer');
    await expectFiles(engine, 2);
    await expectHeld(engine, 'one customer');
    process.kill(engine.pid as number, 'SIGKILL');
    await expect.poll(() => engine.fault, PATIENT).toBe('engine_crashed');
    await expect.poll(() => engine.slots()[0]?.state, PATIENT).toBe('resident');
    const warm = await ask(engine, 'one customer');
    expect(warm.text).toBe(cold.text);
    expect(warm.share).toBeGreaterThan(0.5);
  }
  await using engine = await open({ prefixes });
  // It can say so before its first request.
  await expectHeld(engine, 'one customer');
  expect((await ask(engine, 'another customer')).share).toBe(0);
  expect((await ask(engine, undefined)).share).toBe(0);
  expect(await ask(engine, 'one customer')).toMatchObject({ text: cold.text });
  expect(engine.storedPrefixes).toMatchObject({ pagesRead: expect.any(Number), damaged: 0 });
  // The engine may still write the pages of the other customer, to a file of another name.
  const whole = (await readdir(prefixes.folder)).filter((name) => !name.endsWith('.part'));
  for (const name of whole) await truncate(join(prefixes.folder, name), 1_000);
  await using last = await open({ prefixes });
  expect(await ask(last, 'one customer')).toEqual({ text: cold.text, share: 0 });
  await expect.poll(() => last.storedPrefixes?.damaged, PATIENT).toBeGreaterThan(0);
});

test('a model for embeddings is served beside one that writes answers', PATIENT, async () => {
  await using engine = await open({ models: [TINY_MODEL_FOLDER, join(FIXTURES, 'embedder')] });
  expect(engine.slots().map(({ build, traits }) => [build, traits])).toEqual([
    [BUILD, ['tools']],
    ['embedder', ['embeddings']],
  ]);
  const inputs = expected.vectors.map(({ text }) => text);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let lines = '';
  engine.encode(
    { build: 'embedder', task: { k: 'embeddings', inputs, truncate: true }, mostTokens: 1_000 },
    {
      delta: ({ text }) => {
        lines += text;
      },
      end: (_finish, usage) => resolve(usage.completionTokens),
      refuse: reject,
    },
  );
  expect(await promise).toBe(inputs.length);
  expect(lines.split('\n')).toHaveLength(inputs.length + 1);
  expect((await begin(engine, requestFor('What is 12 + 30?')).answer).text).toBe('42');
});
