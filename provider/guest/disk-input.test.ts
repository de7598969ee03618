import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { DiskInput, diskReader } from './disk-input.ts';

test('a full disk is a note, and closes nothing', () => {
  let free: number | undefined = 2_000_000;
  const input = new DiskInput(() => free);
  expect(input.notes).toEqual([]);
  free = 1_000_000;
  expect(input.notes).toEqual(['disk_full']);
  expect(input.closedAt()).toBeUndefined();
  free = undefined;
  expect(input.notes).toEqual([]);
});

test('the free space of a folder is read, and is unknown without the folder', async () => {
  expect(await diskReader(tmpdir())()).toBeGreaterThan(0);
  expect(await diskReader('/nowhere/at-all')()).toBeUndefined();
});
