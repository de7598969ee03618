import { expect, test, vi } from 'vitest';
import { keepRunning, type RestartableProcess, startRestartable } from './keep-running.ts';
import type { LaunchError } from './launch-error.ts';

const sleeper = {
  name: 'sleeper',
  command: 'sh',
  args: ['-c', 'echo ready; exec sleep 300'],
  isReady: (line: string) => line === 'ready',
};

function recorder() {
  const lines: string[] = [];
  return { lines, log: { error: (line: unknown) => void lines.push(String(line)) } };
}

async function killAndAwaitNext(child: RestartableProcess): Promise<void> {
  const { pid } = child;
  process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect(child.pid).not.toBe(pid), { timeout: 10_000, interval: 5 });
}

test('a killed child is started again, and one log line names it and reports the new start', async () => {
  const { lines, log } = recorder();
  await using child = await startRestartable(sleeper);
  await using _kept = keepRunning({ name: 'the sleeper', child, log, pausesMs: [1] });
  await killAndAwaitNext(child);
  await vi.waitFor(() => expect(lines).toHaveLength(1));
  expect(lines[0]).toMatch(/^the sleeper ended \(SIGKILL\); it was started again after \d+ ms$/);
  await killAndAwaitNext(child);
});

test('a child that fails again and again is given up with an error that names it and the failures', async () => {
  const { log } = recorder();
  const { promise, resolve } = Promise.withResolvers<LaunchError>();
  await using child = await startRestartable(sleeper);
  let starts = 0;
  const failing = {
    get exited() {
      return child.exited;
    },
    restart: async () => {
      starts += 1;
      await startRestartable({ ...sleeper, args: ['-c', 'echo out of memory >&2; exit 7'] });
    },
  };
  await using _kept = keepRunning({
    name: 'the sleeper',
    child: failing,
    log,
    pausesMs: [1, 1, 1],
    onGivingUp: resolve,
  });
  process.kill(child.pid, 'SIGKILL');
  const error = await promise;
  expect(error).toMatchObject({
    code: 'crash_loop',
    message: expect.stringMatching(
      /^the sleeper could not be started again: .*code 7[\s\S]*failed 4 times in a row/,
    ),
  });
  expect(error.message).toContain('out of memory');
  expect(starts).toBe(3);
});

test('without a way to give up, the last pause is repeated until the child runs', async () => {
  const { log } = recorder();
  await using child = await startRestartable(sleeper);
  let failures = 4;
  const recovering = {
    get exited() {
      return child.exited;
    },
    restart: async () => {
      failures -= 1;
      if (failures > 0) throw new Error('not yet');
      await child.restart();
    },
  };
  await using _kept = keepRunning({ name: 'the sleeper', child: recovering, log, pausesMs: [1] });
  await killAndAwaitNext(child);
  expect(failures).toBe(0);
});

test('a child that is stopped after the watch has ended stays down', async () => {
  const { lines, log } = recorder();
  const child = await startRestartable(sleeper);
  {
    await using _kept = keepRunning({ name: 'the sleeper', child, log, pausesMs: [1] });
  }
  const { pid } = child;
  await child[Symbol.asyncDispose]();
  await child.exited;
  expect(child.pid).toBe(pid);
  expect(lines).toEqual([]);
});
