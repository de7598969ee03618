import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CellDigest, core, events, JobAttempt, services } from '#bus-schemas';
import type { SupervisedProcess } from '#provider';
import { startComponentProcess } from './component-process.ts';
import { DINF, operatorSettings } from './dinf-program.ts';
import { readStream } from './read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from './test-network.ts';

const run = promisify(execFile);
const messages = [{ role: 'user', content: 'Which part of the fleet?' }];
const model = 'sim-llama-8b';
/**
 * With 16 providers, the chance that one of two cells gets none of them is one in thirty thousand.
 */
const PROVIDERS = 16;
const PLACES = 2;
const ALL = { timeout: 25_000, interval: 50 };

let network: TestNetwork;
let second: SupervisedProcess;
const digests = new Map<number, CellDigest>();
const failures: string[] = [];
const sizes = () => [0, 1].map((cell) => digests.get(cell)?.providers ?? 0);

beforeAll(async () => {
  network = await startTestNetwork({
    providers: PROVIDERS,
    tokenMs: 10,
    maxConcurrency: PLACES,
    leaves: 'shared',
    // Requests that wait for a place wait for streams that take longer on a busy machine.
    config: { firstContentMs: 60_000 },
  });
  const { bus } = network.network.coordinator;
  bus.subscribe({
    subject: core.everyCell,
    kind: CellDigest,
    handle: (digest) => void digests.set(digest.cell, digest),
  });
  bus.subscribe({
    subject: events.jobAttempt,
    kind: JobAttempt,
    handle: ({ failure, refusal }) => void failures.push(`${failure} ${refusal}`),
  });
});
afterAll(async () => {
  await second?.stop();
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const ask = (tokens: number) => readStream(network, { model, messages, max_tokens: tokens });

async function dinf(...args: string[]): Promise<string> {
  return (
    await run(process.execPath, [DINF, ...args], {
      env: { ...process.env, ...operatorSettings(network.network) },
      timeout: 30_000,
    })
  ).stdout;
}

/** Runs `work` while clients send requests without a pause, and checks that none of them fails. */
async function underTraffic(work: () => Promise<void>): Promise<void> {
  let isOver = false;
  const failed: unknown[] = [];
  const asking = [0, 1, 2, 3].map(async () => {
    while (!isOver) {
      const { status, errors } = await ask(3);
      if (status !== 200) failed.push({ status, errors });
    }
  });
  try {
    await work();
  } finally {
    isOver = true;
    await Promise.all(asking);
  }
  expect(failed).toEqual([]);
}

test('a second router divides the fleet: each machine belongs to one cell, and requests fill both cells', {
  timeout: 60_000,
}, async () => {
  await underTraffic(async () => {
    second = await startComponentProcess(network, 'routing', { DINF_CELL: '1' });
    await expect.poll(() => sizes().reduce((sum, size) => sum + size, 0), ALL).toBe(PROVIDERS);
    await expect.poll(() => sizes()[0], ALL).toBeLessThan(PROVIDERS);
  });
  expect(Math.min(...sizes())).toBeGreaterThan(0);
  const { providers } = await network.network.coordinator.bus.call(
    services.routing.fleet,
    {},
    { timeoutMs: 5_000 },
  );
  const serving = providers
    .filter(({ build }) => build === 'sim-llama-8b-q4')
    .map(({ provider }) => provider);
  expect([serving.length, new Set(serving).size]).toEqual([PROVIDERS, PROVIDERS]);
  // Four seconds each, so that all of them run at once on a busy machine too.
  const streams = Array.from({ length: PROVIDERS * PLACES }, () => ask(400));
  await expect
    .poll(() => network.runningSequences(), { timeout: 5_000, interval: 10 })
    .toBe(PROVIDERS * PLACES);
  // All places are taken, so this request waits for one.
  const late = await ask(1);
  for (const stream of [late, ...(await Promise.all(streams))])
    expect(stream).toMatchObject({ status: 200, done: 1, errors: [] });
  expect(failures).toEqual([]);
});

test('a drained cell hands its machines over, and gets them back when it is undrained', {
  timeout: 90_000,
}, async () => {
  const [first = 0, other = 0] = sizes();
  const streams = Array.from({ length: PROVIDERS }, () => ask(1_500));
  await expect.poll(() => network.runningSequences()).toBe(PROVIDERS);
  await underTraffic(async () => {
    expect(await dinf('routing', 'drain', '1')).toContain('cell 1 drains');
    await expect.poll(sizes, ALL).toEqual([PROVIDERS, 0]);
    expect(await dinf('routing', 'cells')).toMatch(
      /^cell 0 {2}serves {2}16 machines .*\ncell 1 {2}draining {2}0 machines/,
    );
    await dinf('routing', 'undrain', '1');
    await expect.poll(sizes, ALL).toEqual([first, other]);
  });
  for (const stream of await Promise.all(streams))
    expect(stream).toMatchObject({
      status: 200,
      done: 1,
      errors: [],
      text: expectedText(messages, 1_500),
    });
  // During a hand-over, both cells may send an order for the last place of the same machine.
  expect(failures.length, failures.join()).toBeLessThan(3);
});

test('if the router of a cell is killed, no request fails and the other cell takes its machines', {
  timeout: 60_000,
}, async () => {
  await underTraffic(async () => {
    await second.kill();
    await expect.poll(() => digests.get(0)?.providers, ALL).toBe(PROVIDERS);
  });
});
