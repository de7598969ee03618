import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';
import { freePort } from '#network';
import { startSupervised } from '#provider';
import { DINF } from './dinf-program.ts';

const run = promisify(execFile);
/** A signal that repeats within a second is taken for the same one, in milliseconds. */
const SAME_SIGNAL_MS = 1_000;

test('a hub that runs as a command reloads at every SIGHUP, and ends in order at SIGUSR2', async () => {
  await using stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'dinf-hub-process-'));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  const env = { ...process.env, DINF_HOME: home };
  const ports = ['client', 'leaf', 'cluster'].map(async (name) => [
    `--${name}-port`,
    String(await freePort()),
  ]);
  const init = ['network', 'init', '--hub', '127.0.0.1', ...(await Promise.all(ports)).flat()];
  await run(process.execPath, [DINF, ...init], { env });
  const hub = stack.use(
    await startSupervised({
      name: 'hub',
      command: process.execPath,
      args: [DINF, 'network', 'hub', 'hub-1'],
      env,
      isReady: (line) => line.endsWith('Server is ready'),
      readyTimeoutMs: 60_000,
    }),
  );
  const reloads = () => hub.logs().filter((line) => line.includes('Reloaded server configuration'));
  for (const times of [1, 2]) {
    hub.signal('SIGHUP');
    await vi.waitFor(() => expect(reloads()).toHaveLength(times));
    await delay(SAME_SIGNAL_MS + 100);
  }
  hub.signal('SIGUSR2');
  expect(await hub.exited).toEqual({ code: 0, signal: null });
  expect(hub.logs()).toContainEqual(expect.stringContaining('Entering lame duck mode'));
});
