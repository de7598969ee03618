import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFile,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PrefixStore, type PrefixStoreLimits } from './prefix-store.ts';
import { SEALED_OVERHEAD, UNIT_NAME, type UnitId } from './sealed-unit.ts';
import { STORE_SECRET, unitOf } from './store-under-test.ts';

const HOUR_MS = 3_600_000;
const LIMITS = { mostBytes: 1e9, mostAgeMs: 6 * HOUR_MS, dailyBytes: 1e12, freeBytes: 0 };

let home: string;
// The files have the time of the real clock.
let now = Date.now();
const errors: string[] = [];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-prefixes-'));
  now = Date.now();
  errors.length = 0;
});
afterEach(() => rm(home, { recursive: true, force: true }));

const open = (limits: Partial<PrefixStoreLimits> = {}, more: { free?: () => number } = {}) =>
  PrefixStore.open({
    folder: join(home, 'prefix-cache'),
    secret: STORE_SECRET,
    limits: { ...LIMITS, ...limits },
    log: { error: (_facts, message) => errors.push(message) },
    now: () => now,
    freeBytesOf: async () => more.free?.() ?? 1e12,
  });

const id = (digest: string, more: Partial<UnitId> = {}): UnitId => ({
  kind: 'page',
  digest,
  maker: 'a model on an engine',
  ...more,
});
const path = (name: string) => join(home, 'prefix-cache', name);
const names = async () =>
  (await readdir(join(home, 'prefix-cache'))).filter((name) => UNIT_NAME.test(name));

test('units are read after a restart, under their own id only', async () => {
  using first = await open();
  await first.write(id('one'), unitOf(1));
  using second = await open();
  expect(second.has(id('one'))).toBe(true);
  expect(await second.read(id('one'))).toEqual(unitOf(1));
  for (const other of [id('two'), id('one', { kind: 'state' }), id('one', { maker: 'another' })])
    expect([second.has(other), await second.read(other)]).toEqual([false, undefined]);
  expect(second.figures).toMatchObject({ files: 1, pagesRead: 1, damaged: 0 });
});

test('nothing of a unit or its id can be read in the folder', async () => {
  using store = await open();
  const text = new TextEncoder().encode('a secret prompt, again and again');
  await store.write(id('digest-of-a-prompt'), text);
  const [name = ''] = await names();
  const content = (await readFile(path(name))).toString('latin1');
  for (const part of ['secret prompt', 'digest-of-a-prompt', 'a model'])
    expect(`${name} ${content}`).not.toContain(part);
});

test.for([
  [
    'changed in one bit',
    async (file: string) => {
      const bytes = await readFile(file);
      bytes[bytes.length - 40] = (bytes.at(-40) as number) ^ 1;
      await writeFile(file, bytes);
    },
  ],
  ['truncated', (file: string) => truncate(file, 100)],
  ['empty', (file: string) => truncate(file, 0)],
  ['longer', (file: string) => writeFile(file, 'more', { flag: 'a' })],
  [
    'of an older time, under the name of another unit',
    async (file: string) => {
      const other = (await names()).find((name) => path(name) !== file) as string;
      await copyFile(path(other), file);
    },
  ],
] as const)('a file that is %s is not used, and is deleted', async ([_, damage]) => {
  using before = await open();
  await before.write(id('one'), unitOf(1));
  const [name = ''] = await names();
  await before.write(id('two'), unitOf(2));
  await damage(path(name));
  for (const store of [before, await open()]) {
    expect(await store.read(id('one'))).toBeUndefined();
    expect(await store.read(id('two'))).toEqual(unitOf(2));
  }
  expect(before.figures).toMatchObject({ files: 1, damaged: 1 });
  expect(await names()).toHaveLength(1);
});

test('a file that was moved from another machine cannot be read', async () => {
  using store = await open();
  await store.write(id('one'), unitOf(1));
  const [name = ''] = await names();
  using other = await PrefixStore.open({
    folder: join(home, 'prefix-cache'),
    secret: new Uint8Array(32).fill(9),
    limits: LIMITS,
    log: { error: () => {} },
    now: () => now,
  });
  await other.write(id('one'), unitOf(5));
  const own = (await names()).find((each) => each !== name) as string;
  await rename(path(name), path(own));
  expect(await other.read(id('one'))).toBeUndefined();
});

test('the least recently used units are deleted when the limit of bytes is reached', async () => {
  const size = unitOf(1).length + SEALED_OVERHEAD;
  using store = await open({ mostBytes: 3 * size });
  for (const i of [1, 2, 3]) await store.write(id(`${i}`), unitOf(i));
  await store.read(id('1'));
  await store.write(id('4'), unitOf(4));
  const held = ['1', '2', '3', '4'].filter((digest) => store.has(id(digest)));
  expect(held).toEqual(['1', '3', '4']);
  expect(store.figures.bytes).toBe(3 * size);
  expect(await names()).toHaveLength(3);
});

test('units that were not used for the longest time are deleted, also while the process did not run', async () => {
  using store = await open();
  await store.write(id('old'), unitOf(1));
  await store.write(id('used'), unitOf(2));
  now += 4 * HOUR_MS;
  await store.read(id('used'));
  now += 3 * HOUR_MS;
  await store.sweep();
  expect([store.has(id('old')), store.has(id('used'))]).toEqual([false, true]);
  now += 7 * HOUR_MS;
  using later = await open();
  expect(later.figures.files).toBe(0);
  expect(await names()).toEqual([]);
});

test('no more bytes are written on one day than allowed, however often the process starts', async () => {
  const size = unitOf(1).length + SEALED_OVERHEAD;
  for (const i of [1, 2, 3, 4]) {
    using store = await open({ dailyBytes: 2 * size });
    await store.write(id(`${i}`), unitOf(i));
  }
  expect((await names()).length).toBeLessThanOrEqual(2);
  expect((await names()).length).toBeGreaterThan(0);
  now += 24 * HOUR_MS;
  using next = await open({ dailyBytes: 2 * size });
  await next.write(id('5'), unitOf(5));
  expect(next.has(id('5'))).toBe(true);
});

test('a disk that is nearly full gets its space back, and nothing is written to it', async () => {
  const size = unitOf(1).length + SEALED_OVERHEAD;
  let free = 1e9;
  using store = await open({ freeBytes: 1e6 }, { free: () => free });
  for (const i of [1, 2, 3]) await store.write(id(`${i}`), unitOf(i));
  free = 1e6 - 2 * size;
  await store.sweep();
  expect(await names()).toHaveLength(1);
  free = 0;
  await store.sweep();
  expect(await names()).toEqual([]);
  await store.write(id('4'), unitOf(4));
  expect(await names()).toEqual([]);
});

test('a write that fails is logged once, and is tried again after a minute', async () => {
  using store = await open();
  await rm(join(home, 'prefix-cache'), { recursive: true });
  await store.write(id('one'), unitOf(1));
  await store.write(id('one'), unitOf(1));
  expect(errors).toEqual(['the cache on disk cannot be written to for a minute']);
  expect(store.isWritable).toBe(false);
  now += 61_000;
  using _made = await open();
  await store.write(id('one'), unitOf(1));
  expect(store.has(id('one'))).toBe(true);
});

test('files that the owner deletes are not found, and the space that they used is free again', async () => {
  using store = await open();
  await store.write(id('one'), unitOf(1));
  for (const name of await names()) await rm(path(name));
  expect(await store.read(id('one'))).toBeUndefined();
  expect(store.figures).toMatchObject({ files: 0, bytes: 0, damaged: 0 });
});

test('a process that is killed while it writes leaves only whole units, and no rest of others', async () => {
  for (let round = 0; round < 3; round += 1) {
    const child = fork(new URL('./store-under-test.ts', import.meta.url), [
      join(home, 'prefix-cache'),
    ]);
    await once(child, 'message');
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  now = Date.now();
  using store = await open();
  let whole = 0;
  for (let i = 0; i < 2_000; i += 1) {
    if (!store.has(id(`${i}`))) continue;
    expect(await store.read(id(`${i}`))).toEqual(unitOf(i));
    whole += 1;
  }
  expect(whole).toBe(store.figures.files);
  expect(whole).toBeGreaterThan(0);
  expect((await readdir(join(home, 'prefix-cache'))).filter((n) => n.endsWith('.part'))).toEqual(
    [],
  );
}, 60_000);
