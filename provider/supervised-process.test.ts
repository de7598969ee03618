import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { availableGuard, type ParentGuard } from './parent-guard.ts';
import { startSupervised } from './supervised-process.ts';

const sleeper = {
  name: 'sleeper',
  command: 'sh',
  args: ['-c', 'echo ready; exec sleep 300'],
  isReady: (line: string) => line === 'ready',
};
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('a process is ready when it prints its ready line, and has ended after it was stopped', async () => {
  const child = await startSupervised(sleeper);
  expect(isAlive(child.pid)).toBe(true);
  expect(await child.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  expect(isAlive(child.pid)).toBe(false);
});

test('the error of a process that ends before it is ready has its last lines of output', async () => {
  await expect(
    startSupervised({ ...sleeper, args: ['-c', 'echo no licence >&2; exit 3'] }),
  ).rejects.toMatchObject({
    code: 'exited_early',
    message: expect.stringContaining('no licence'),
  });
});

test('a process that does not get ready in time is ended', async () => {
  await expect(
    startSupervised({ ...sleeper, isReady: () => false, readyTimeoutMs: 200 }),
  ).rejects.toMatchObject({ code: 'not_ready_in_time' });
});

const guards: ParentGuard[] = availableGuard() === 'kernel' ? ['kernel', 'watcher'] : ['watcher'];
test.each(guards)('a process ends when its parent is killed by SIGKILL (%s)', async (guard) => {
  const script = `
    import { startSupervised } from ${JSON.stringify(join(import.meta.dirname, 'supervised-process.ts'))};
    const child = await startSupervised({ name: 's', command: 'sh', args: ['-c', 'echo ready; exec sleep 300'], isReady: (line) => line === 'ready', guard: ${JSON.stringify(guard)} });
    console.log(child.pid);
    setInterval(() => undefined, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = await new Promise<number>((resolve) =>
    parent.stdout.once('data', (text) => resolve(Number(text))),
  );
  expect(isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 5_000, interval: 10 });
});
