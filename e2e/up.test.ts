import { readdirSync, readFileSync, statSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CAN_SHARE_PORTS } from '#coordinator/worker-place.ts';
import { startSupervised } from '#provider';
import { DINF } from './dinf-program.ts';
import { startUpProcess, type UpProcess } from './up-process.ts';

const SECOND_INGRESS = CAN_SHARE_PORTS ? ['--workers', '2'] : [];

// All tests of this file share one network. They run in this order, and the last one stops the
// network.
let up: UpProcess;
beforeAll(async () => {
  up = await startUpProcess({
    args: ['--providers', '2', '--engine', 'reference', '--token-ms', '1', ...SECOND_INGRESS],
  });
}, 120_000);
afterAll(() => up[Symbol.asyncDispose]());

const parts = [
  ...(CAN_SHARE_PORTS ? [{ name: 'ingress 1', commandLine: 'worker-program' }] : []),
  { name: 'the hub', commandLine: 'home/hub/nats-server.conf' },
  { name: 'Postgres', commandLine: 'home/postgres/cluster' },
  { name: 'the process of the simulated providers', commandLine: ' simulate ' },
  { name: 'the provider with a real model', commandLine: ' provider ' },
  { name: 'the leaf node', commandLine: 'home/fleet/leaf/nats-server.conf' },
];

test.each(parts)(
  '$name is restarted after a SIGKILL, and requests are served again',
  { timeout: 60_000 },
  async ({ name, commandLine }) => {
    await expect.poll(() => up.ask(), { timeout: 20_000 }).toBe(200);
    const [pid] = up.pids(commandLine);
    process.kill(pid as number, 'SIGKILL');
    await expect
      .poll(() => up.pids(commandLine).filter((other) => other !== pid).length, { timeout: 20_000 })
      .toBeGreaterThan(0);
    await expect.poll(() => up.ask(), { timeout: 20_000 }).toBe(200);
    const restarts = () =>
      up.process
        .logs()
        .filter((line) => line.includes(`${name} ended (SIGKILL); it was started again`));
    await expect.poll(restarts, { timeout: 5_000 }).toHaveLength(1);
  },
);

test('no command line in the process list contains an enrolment token', () => {
  expect(up.pids(' provider ')).toHaveLength(1);
  expect(up.pids(' --token ')).toEqual([]);
});

test('a second dinf up in the same home names the running process, exits with code 69 and changes nothing', {
  timeout: 60_000,
}, async () => {
  const filesBefore = listFiles(up.home);
  const second = await startSupervised({
    name: 'the second dinf up',
    command: process.execPath,
    args: [DINF, 'up'],
    env: { ...process.env, DINF_HOME: up.home, DINF_HTTP_PORT: '0' },
    isReady: (line) => line.includes('Another "dinf up"'),
    readyTimeoutMs: 30_000,
  });
  expect(await second.exited).toEqual({ code: 69, signal: null });
  expect(second.logs().join('\n')).toContain(`(process ${up.process.pid}) already uses ${up.home}`);
  expect(listFiles(up.home)).toEqual(filesBefore);
  expect(await up.ask()).toBe(200);
});

test('Ctrl-C while the hub cannot be started ends cleanly: no uncaught error and no process is left', {
  timeout: 90_000,
}, async () => {
  await rename(up.natsServer, `${up.natsServer}.away`);
  process.kill(up.pids('home/hub/nats-server.conf')[0] as number, 'SIGKILL');
  await up.process.whenLine((line) => line.includes('the hub could not be started again'), 20_000);
  up.process.signal('SIGINT');
  expect(await up.process.exited).toEqual({ code: 0, signal: null });
  await expect.poll(() => up.pids(''), { timeout: 5_000 }).toEqual([]);
  expect(up.process.logs().join('\n')).not.toMatch(
    /DrainingConnection|triggerUncaught|UnhandledPromise|^Node\.js v/m,
  );
});

/**
 * Returns the names of the files in the home, and content and modification time of the hub's
 * configuration.
 */
function listFiles(home: string): string[] {
  const fixed = ['', 'hub', 'keys', 'postgres', 'fleet'].flatMap((folder) =>
    readdirSync(join(home, folder)).map((name) => join(folder, name)),
  );
  const conf = join(home, 'hub', 'nats-server.conf');
  return [...fixed, String(statSync(conf).mtimeMs), readFileSync(conf, 'utf8')];
}
