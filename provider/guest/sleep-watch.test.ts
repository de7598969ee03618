import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SleepWatch, sleepCommands } from './sleep-watch.ts';

const PREFIX = '/org/freedesktop/login1: org.freedesktop.login1.Manager.';
const NOW = 1_000_000;
/** A program that writes to a file when it begins and when it is ended. */
const DELAY =
  'trap \'echo released >> "$0"; exit\' TERM; echo held >> "$0"; while :; do sleep 0.1; done';

let folder: string;
let signals: string;
let calls: string[];
let watch: SleepWatch;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-sleep-'));
  signals = join(folder, 'signals');
  await writeFile(signals, 'Monitoring signals\n');
  calls = [];
});
afterEach(async () => {
  watch[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

function start(isAnnounced: boolean): void {
  watch = new SleepWatch({
    commands: isAnnounced
      ? {
          monitor: ['tail', '-n', '+1', '-f', signals],
          delay: ['sh', '-c', DELAY, join(folder, 'delays')],
        }
      : undefined,
    onSleep: () => calls.push('sleep'),
    onWake: () => calls.push('wake'),
  });
}

const print = (line: string) => writeFile(signals, `${PREFIX}${line}\n`, { flag: 'a' });
const delays = async () => (await readFile(join(folder, 'delays'), 'utf8').catch(() => '')).trim();

describe('a computer that announces its sleep', () => {
  test('closes the machine at once, and opens it when it wakes', async () => {
    start(true);
    expect(watch.closedAt(NOW)).toBeUndefined();
    await print('SessionNew (true,)');
    await print('PrepareForSleep (true,)');
    await expect.poll(() => calls).toEqual(['sleep']);
    expect(watch.closedAt(NOW)).toEqual({ reason: 'sleep' });
    await print('PrepareForSleep (false,)');
    await expect.poll(() => calls).toEqual(['sleep', 'wake']);
    expect(watch.closedAt(NOW)).toBeUndefined();
  });

  test('waits until the network was told, and the next sleep waits again', async () => {
    start(true);
    await expect.poll(delays).toBe('held');
    await print('PrepareForSleep (true,)');
    await expect.poll(delays).toBe('held\nreleased');
    expect(calls).toEqual(['sleep']);
    // The signal of the waking may be lost; the clock shows it.
    watch.closedAt(NOW);
    watch.closedAt(NOW + 3_600_000);
    expect(calls).toEqual(['sleep', 'wake']);
    await expect.poll(delays).toBe('held\nreleased\nheld');
  });

  test('and does not sleep after all opens the machine again', async () => {
    start(true);
    await print('PrepareForSleep (true,)');
    await expect.poll(() => calls).toEqual(['sleep']);
    for (let second = 0; second < 30; second += 1)
      expect(watch.closedAt(NOW + second * 1_000)).toEqual({ reason: 'sleep' });
    expect(watch.closedAt(NOW + 30_000)).toBeUndefined();
  });
});

test('a computer that slept unannounced is noticed by its clock, and small delays are not', () => {
  start(false);
  watch.closedAt(NOW);
  watch.closedAt(NOW + 9_999);
  expect(calls).toEqual([]);
  expect(watch.closedAt(NOW + 9_999 + 3_600_000)).toBeUndefined();
  expect(calls).toEqual(['wake']);
});

test('only Linux has programs that announce a sleep', () => {
  start(false);
  expect(sleepCommands(1, 'darwin')).toBeUndefined();
  expect(sleepCommands(7, 'linux')?.delay).toContain('--pid=7');
});
