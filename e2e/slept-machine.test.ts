import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, expect, test, vi } from 'vitest';
import { credentialsLifetime, services } from '#bus-schemas';
import { RawLeaf } from '#testcontainers';
import { startProviderProcess } from './provider-process.ts';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const LIFETIME_MS = 10_000;
const SLEPT_MS = 12_000;
/** Time after the waking in which a machine completes an answer again, in milliseconds. */
const BACK_MS = 5_000;
/**
 * Programs beside the test may take the processors for seconds just after a waking. A machine that
 * needs longer by itself is too late after each of these sleeps.
 */
const MOST_SLEEPS = 4;
const chat = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Awake?' }],
  max_tokens: 5,
};

let network: TestNetwork;
afterEach(() => network[Symbol.asyncDispose]());

const startProvider = (args: readonly string[] = []) =>
  startProviderProcess(network, ['--engine', 'simulated', ...args]);
const idIn = (lines: readonly string[]) =>
  lines.map((line) => /provider (A\S+) serves/.exec(line)?.[1]).find((id) => id !== undefined);

function credentialsFile(): string {
  const elsewhere = join(network.network.home, 'elsewhere');
  const found = readdirSync(elsewhere, { recursive: true }).find((path) =>
    String(path).endsWith('leaf.creds'),
  );
  return join(elsewhere, String(found));
}

/** Until the hub refuses what the machine has on its disk. */
const untilExpired = () =>
  vi.waitFor(
    async () => {
      using leaf = await RawLeaf.connect({
        url: network.hub.leafUrl,
        credentialsFile: credentialsFile(),
      });
      expect(leaf.isOpen).toBe(false);
      expect(leaf.errors.join()).not.toMatch(/maximum/i);
    },
    { interval: 500 },
  );
const untilItServes = () =>
  vi.waitFor(
    async () => expect(await readStream(network, chat)).toMatchObject({ status: 200, done: 1 }),
    { interval: 100 },
  );

test('a machine that slept until its credentials expired renews them at its start and serves as who it was; a removed one does not start', {
  timeout: 180_000,
}, async () => {
  network = await startTestNetwork({
    providers: 0,
    tokenMs: 2,
    config: { leafLifetimeMs: LIFETIME_MS },
  });
  const first = await startProvider(['--token', await network.network.enrolToken()]);
  const id = idIn(first.logs());
  await untilItServes();
  await first.stop();
  await untilExpired();

  const second = await startProvider();
  expect(idIn(second.logs())).toBe(id);
  await untilItServes();
  // It renews again while it runs: the hub ends the connection of the first credentials, and the
  // leaf comes back with others.
  const renewed = () =>
    second.logs().filter((line) => line.includes('the credentials of the leaf were renewed'))
      .length;
  await vi.waitFor(() => expect(renewed()).toBeGreaterThanOrEqual(4));
  await untilItServes();
  await second.stop();

  await network.network.coordinator.bus.call(
    services.trust.revoke,
    { provider: String(id) },
    { timeoutMs: 10_000 },
  );
  await vi.waitFor(() =>
    expect(credentialsLifetime(readFileSync(credentialsFile(), 'utf8')).expiresAt).toBeLessThan(
      Date.now(),
    ),
  );
  await expect(startProvider()).rejects.toThrow(/This machine was removed from the network/);
});

/** A process and those below it. */
async function treeOf(root: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-e', '-o', 'pid=,ppid=']);
  const rows = stdout
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/).map(Number));
  const tree = [root];
  for (const parent of tree)
    for (const [pid, ppid] of rows) if (pid !== undefined && ppid === parent) tree.push(pid);
  return tree;
}

test('a machine whose computer slept announces itself when it wakes, and answers again within 5 s', {
  timeout: 300_000,
}, async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 2 });
  const machine = await startProvider(['--token', await network.network.enrolToken()]);
  await untilItServes();
  const states = async () => {
    const fleet = await network.network.coordinator.bus.call(
      services.routing.fleet,
      {},
      { timeoutMs: 10_000 },
    );
    return fleet.providers.map(({ state }) => state);
  };
  const awokenTimes = () =>
    machine.logs().filter((line) => line.includes('the computer has woken')).length;
  const backMs: number[] = [];
  while (backMs.length < MOST_SLEEPS && !backMs.some((ms) => ms < BACK_MS)) {
    const processes = await treeOf(machine.pid);
    expect(processes.length).toBeGreaterThan(1);
    for (const pid of processes) process.kill(pid, 'SIGSTOP');
    await vi.waitFor(async () => expect(await states()).toContain('silent'), { interval: 200 });
    // A sleep is longer than the time until the network notices the silence.
    await delay(SLEPT_MS);
    for (const pid of processes) process.kill(pid, 'SIGCONT');
    const wokeAt = performance.now();
    await untilItServes();
    backMs.push(performance.now() - wokeAt);
    await vi.waitFor(() => expect(awokenTimes()).toBe(backMs.length));
  }
  console.log(`answered again after ${backMs.map((ms) => (ms / 1_000).toFixed(1)).join(', ')} s`);
  expect(Math.min(...backMs)).toBeLessThan(BACK_MS);
  await machine.stop();
});
