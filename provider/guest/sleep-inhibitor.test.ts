import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inhibitorCommand, SleepInhibitor } from './sleep-inhibitor.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-sleep-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A program that writes its process id to a file, and runs until it is ended. */
const running = () =>
  new SleepInhibitor(['sh', '-c', 'echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 600', file()]);
const file = () => join(folder, 'pid');
const pid = async () => Number(await readFile(file(), 'utf8').catch(() => ''));

function isRunning(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}

test('the program runs while the machine is open, and ends when it closes', async () => {
  using inhibitor = running();
  expect(inhibitor.isHeld).toBe(false);
  inhibitor.hold(true);
  inhibitor.hold(true);
  await expect.poll(pid).toBeGreaterThan(0);
  const id = await pid();
  expect([isRunning(id), inhibitor.notes]).toEqual([true, []]);
  inhibitor.hold(false);
  await expect.poll(() => isRunning(id)).toBe(false);
  expect([inhibitor.isHeld, inhibitor.notes]).toEqual([false, []]);
});

test.each([
  ['is missing', ['dinf-no-such-program']],
  ['fails', ['sh', '-c', 'exit 1']],
] as const)('a program that %s is a note while the machine is open', async (_, command) => {
  using inhibitor = new SleepInhibitor(command);
  inhibitor.hold(true);
  await expect.poll(() => inhibitor.notes).toEqual(['sleep_not_prevented']);
  expect(inhibitor.isHeld).toBe(false);
  inhibitor.hold(false);
  expect(inhibitor.notes).toEqual([]);
});

test('each system has a program that ends together with this process', () => {
  expect(inhibitorCommand(42, 'darwin')).toEqual(['caffeinate', '-i', '-w', '42']);
  expect(inhibitorCommand(42, 'linux')).toEqual(expect.arrayContaining(['tail', '--pid=42']));
});
