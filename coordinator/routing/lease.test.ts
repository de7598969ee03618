import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { afterEach, expect, test, vi } from 'vitest';
import { Bus } from '#coordinator/bus.ts';
import { cacheFolder, findNatsServer, startNatsServer } from '#provider';
import { Lease } from './lease.ts';

let stack: AsyncDisposableStack;
afterEach(() => stack.disposeAsync());

/**
 * Starts candidates on one hub. A candidate's clock can run normally, or stand still as in a
 * machine that sleeps.
 */
async function startHub() {
  stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'dinf-lease-'));
  stack.defer(() => rm(home, { recursive: true, force: true }));
  const { path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  const config = ({ host, ports }: { host: string; ports: { client: number } }) =>
    `host: ${host}\nport: ${ports.client}\n`;
  const hub = stack.use(await startNatsServer({ binary, home, config }));
  const happened: string[] = [];
  const candidate = async (holder: string, clock = () => performance.now()) => {
    const connection = await connect({ servers: hub.clientUrl });
    const lease = new Lease({
      bus: new Bus(connection),
      name: 'one',
      holder,
      clock,
      onGained: (epoch) => happened.push(`${holder} gained ${epoch}`),
      onLost: () => happened.push(`${holder} lost`),
    });
    stack.defer(async () => {
      await lease[Symbol.asyncDispose]();
      await connection.close();
    });
    await lease.decidedOrTimedOut;
    return { lease, connection };
  };
  return { candidate, happened };
}

test('one of two candidates holds the lease, and the other gets it at once when it is released', async () => {
  const { candidate, happened } = await startHub();
  const one = await candidate('one');
  const two = await candidate('two');
  expect([one.lease.isHeld, two.lease.isHeld]).toEqual([true, false]);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect([one.lease.isHeld, two.lease.isHeld]).toEqual([true, false]);
  const began = performance.now();
  await one.lease[Symbol.asyncDispose]();
  await vi.waitFor(() => expect(two.lease.isHeld).toBe(true), { interval: 10 });
  expect(performance.now() - began).toBeLessThan(500);
  expect(happened.map((line) => line.replace(/ \d+/, ''))).toEqual([
    'one gained',
    'one lost',
    'two gained',
  ]);
  const [first, , second] = happened.map((line) => Number(line.split(' ')[2]));
  expect(second).toBeGreaterThan(first as number);
});

test('a disconnected holder stops before the other begins, and the two never hold the lease at once', async () => {
  const { candidate } = await startHub();
  const one = await candidate('one');
  const two = await candidate('two');
  const began = performance.now();
  let stoppedAt = 0;
  await one.connection.close();
  while (!two.lease.isHeld) {
    if (!one.lease.isHeld && stoppedAt === 0) stoppedAt = performance.now() - began;
    expect(performance.now() - began).toBeLessThan(3_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(one.lease.isHeld && two.lease.isHeld).toBe(false);
  }
  expect(stoppedAt).toBeGreaterThan(0);
  expect(performance.now() - began).toBeLessThan(2_000);
});

test('while a holder sleeps its lease ends, and the other candidate gets it', async () => {
  const { candidate, happened } = await startHub();
  let asleep: number | undefined;
  // While a machine sleeps, its clock and timers stand still.
  const one = await candidate('one', () => asleep ?? performance.now());
  const two = await candidate('two');
  asleep = performance.now() + 10_000;
  expect(one.lease.isHeld).toBe(false);
  await one.connection.close();
  await vi.waitFor(() => expect(two.lease.isHeld).toBe(true), { timeout: 3_000, interval: 10 });
  expect(happened.at(-1)).toMatch(/^two gained/);
});
