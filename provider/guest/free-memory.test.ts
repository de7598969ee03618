import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Slot } from '#bus-schemas';
import { forAnotherModel, freeMemoryReader, linuxFree } from './free-memory.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-free-memory-'));
  await mkdir(join(folder, 'proc/self'), { recursive: true });
  await writeFile(join(folder, 'proc/self/cgroup'), '0::/machine\n');
});
afterEach(() => rm(folder, { recursive: true }));

const free = (system: number) =>
  linuxFree({ groups: folder, proc: join(folder, 'proc'), system: () => system });

async function group(files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(folder, 'machine'), { recursive: true });
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, 'machine', name), text);
}

test('without a control group, or without a limit of it, the free memory of the system counts', async () => {
  expect(await free(8_000)).toBe(8_000);
  await group({ 'memory.max': 'max\n', 'memory.current': '500\n', 'memory.stat': 'anon 400\n' });
  expect(await free(8_000)).toBe(8_000);
});

test('in a control group with a limit, files that the kernel can drop count as free', async () => {
  await group({
    'memory.max': '4000\n',
    'memory.current': '3900\n',
    'memory.stat': 'anon 2000\ninactive_file 1500\nactive_file 300\n',
  });
  expect(await free(8_000)).toBe(1_600);
  expect(await free(700)).toBe(700);
});

test('models in memory make room for another one only in an engine that can exchange them', () => {
  const slot = (build: string, state: Slot['state'], memoryMb: number): Slot => ({
    build,
    state,
    memoryMb,
    contextTokens: 1,
    running: 0,
    waiting: 0,
    maxConcurrency: 1,
    freeTokens: 1,
    decodeTps: 1,
    prefillTps: 1,
    loadMs: 1,
  });
  const slots = () => [slot('a', 'resident', 12_000), slot('b', 'cold', 10_000)];
  expect(forAnotherModel(3e9, { slots, switchTo: () => {} })).toBe(15e9);
  expect(forAnotherModel(3e9, { slots })).toBe(3e9);
  expect(forAnotherModel(undefined, { slots, switchTo: () => {} })).toBeUndefined();
});

test('this computer has free memory, or does not report it', async () => {
  const bytes = await freeMemoryReader()();
  expect(bytes === undefined || bytes > 0).toBe(true);
});
