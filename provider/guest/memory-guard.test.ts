import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { begin } from '../engine/engine-under-test.ts';
import { EngineProcess } from '../engine/process/engine-process.ts';
import { MemoryGuard } from './memory-guard.ts';
import { linuxReader } from './pressure-reader.ts';

const BUSY = 'dinf-tiny-4bit';
const IDLE = 'second';
const silent = { info: () => {}, warn: () => {} };

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-guard-'));
  await mkdir(join(home, 'proc/pressure'), { recursive: true });
});
afterEach(() => rm(home, { recursive: true }));

/** A guard of the engine, with files in the place of the kernel's figures. */
function guardOf(engine: ConstructorParameters<typeof MemoryGuard>[0]['engine']) {
  let now = 0;
  let waitedMs = 0;
  const read = linuxReader({ proc: join(home, 'proc'), groups: home, clock: () => now });
  const guard = new MemoryGuard({ read, engine, log: silent });
  return {
    guard,
    /** Lets `seconds` pass, of which every process waits for memory for `share`. */
    pass: async (seconds: number, share: number) => {
      now += seconds * 1_000;
      waitedMs += seconds * 1_000 * share;
      const total = Math.round(waitedMs * 1_000);
      await writeFile(
        join(home, 'proc/pressure/memory'),
        `some avg10=0.00 avg60=0.00 avg300=0.00 total=${total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=${total}\n`,
      );
      await guard.look(now);
      return guard.closedAt()?.reason ?? guard.notes[0];
    },
  };
}

const requestFor = (build: string) => ({
  build,
  chat: { messages: [{ role: 'user', content: 'Count from 1 to 30.' }], max_tokens: 200 },
  maxTokens: 200,
});

test('a machine whose memory becomes short removes caches, refuses, unloads the idle model, ends the running one, and serves again afterwards', {
  timeout: 90_000,
}, async () => {
  await cp(TINY_MODEL_FOLDER, join(home, IDLE), { recursive: true });
  await using engine = await EngineProcess.open({
    backend: 'reference',
    models: [TINY_MODEL_FOLDER, join(home, IDLE)],
    maxConcurrency: 1,
    idleMs: 0,
    log: { info: () => {}, error: () => {} },
  });
  const states = () => engine.slots().map(({ build, state }) => [build, state]);
  const hasContent = Promise.withResolvers<void>();
  const { answer } = begin(engine, requestFor(BUSY), (_, sequence) => {
    sequence().pause();
    hasContent.resolve();
  });
  const waiting = begin(engine, requestFor(BUSY)).answer;
  waiting.catch(() => undefined);
  await hasContent.promise;
  await expect
    .poll(() => engine.slots().map((slot) => slot.running + slot.waiting))
    .toEqual([2, 0]);

  const { pass } = guardOf(engine);
  expect(await pass(2, 0)).toBeUndefined();
  expect(await pass(2, 0.5)).toBe('memory_caches');
  expect(await pass(2, 0.5)).toBe('memory_refuse');
  expect(states()).toEqual([
    [BUSY, 'resident'],
    [IDLE, 'resident'],
  ]);
  expect(await pass(2, 0.5)).toBe('memory_unload');
  await expect.poll(states, { timeout: 20_000 }).toEqual([
    [BUSY, 'resident'],
    [IDLE, 'cold'],
  ]);
  expect(await pass(2, 0.5)).toBe('memory_end');
  expect((await answer).finish).toBe('out_of_memory');
  await expect(waiting).rejects.toMatchObject({ code: 'model_not_loaded' });
  await expect.poll(states, { timeout: 20_000 }).toEqual([
    [BUSY, 'cold'],
    [IDLE, 'cold'],
  ]);

  expect(await pass(2, 0)).toBe('memory_end');
  expect(await pass(15, 0)).toBe('memory_unload');
  expect(await pass(15, 0)).toBe('memory_refuse');
  expect(await pass(15, 0)).toBe('memory_caches');
  expect(await pass(15, 0)).toBeUndefined();
  const again = begin(engine, { ...requestFor(BUSY), maxTokens: 5 }).answer;
  expect((await again).finish).toBe('length');
});

test('an engine that cannot unload its models only refuses, however long the memory is short', async () => {
  const { pass } = guardOf({ slots: () => [] });
  const seen = [];
  for (let i = 0; i < 8; i += 1) seen.push(await pass(2, i === 0 ? 0 : 0.5));
  expect(seen).toEqual([
    undefined,
    'memory_caches',
    ...Array.from({ length: 6 }, () => 'memory_refuse'),
  ]);
});

test('a system that does not report pressure is named in a note', async () => {
  const guard = new MemoryGuard({
    read: async () => undefined,
    engine: { slots: () => [] },
    log: silent,
  });
  await guard.look(0);
  expect([guard.notes, guard.closedAt()]).toEqual([['memory_unwatched'], undefined]);
});
