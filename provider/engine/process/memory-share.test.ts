import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryShare, oomKills } from './memory-share.ts';

const DAY_MS = 86_400_000;

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-memory-'));
  file = join(folder, 'memory-share.json');
});
afterEach(() => rm(folder, { recursive: true }));

describe('the share of the memory', () => {
  test('is lowered after each end for lack of memory, also for the next worker, and never below a fifth', async () => {
    const first = new MemoryShare({ most: 0.9, file, now: () => DAY_MS });
    expect(await first.share()).toBe(0.9);
    await first.lower();
    expect(await first.share()).toBeCloseTo(0.72);
    const second = new MemoryShare({ most: 0.9, file, now: () => 2 * DAY_MS });
    expect(await second.share()).toBeCloseTo(0.72);
    for (let i = 0; i < 20; i += 1) await second.lower();
    expect(await second.share()).toBe(0.2);
  });

  test('is the full one again a week later, and with a file that cannot be used', async () => {
    await new MemoryShare({ most: 1, file, now: () => DAY_MS }).lower();
    expect(await new MemoryShare({ most: 1, file, now: () => 9 * DAY_MS }).share()).toBe(1);
    for (const unusable of ['{"share":7}', '{']) {
      await writeFile(file, unusable);
      expect(await new MemoryShare({ most: 1, file, now: () => DAY_MS }).share()).toBe(1);
    }
  });
});

test('the ends for lack of memory are counted in the file of Linux, and unknown on other systems', async () => {
  const counters = join(folder, 'vmstat');
  await writeFile(counters, 'pgfault 4711\noom_kill 3\nnuma_hit 5\n');
  expect(await oomKills(counters)).toBe(3);
  expect(await oomKills(join(folder, 'missing'))).toBeUndefined();
});
