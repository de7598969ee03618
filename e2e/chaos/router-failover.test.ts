import { afterEach, expect, test } from 'vitest';
import { events, JobAttempt, RoutingLed } from '#bus-schemas';
import type { SupervisedProcess } from '#provider';
import { startComponentProcess } from '../component-process.ts';
import { readStream } from '../read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

const messages = [{ role: 'user', content: 'Who decides?' }];
const model = 'sim-llama-8b';
const LONG = 400;
const SHORT = 5;
const PROVIDERS = 3;
const PLACES = 4;

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

/** Starts two router processes, of which one leads, and records each change of the leader. */
async function startRouters() {
  network = await startTestNetwork({
    providers: PROVIDERS,
    tokenMs: 10,
    maxConcurrency: PLACES,
    apart: ['routing'],
  });
  await network.apart.stop('routing');
  const { bus } = network.network.coordinator;
  const failures: string[] = [];
  bus.subscribe({
    subject: events.jobAttempt,
    kind: JobAttempt,
    handle: ({ failure, refusal }) => void failures.push(`${failure} ${refusal}`),
  });
  const led: { router: string; epoch: number; at: number }[] = [];
  bus.subscribe({
    subject: events.routingLed,
    kind: RoutingLed,
    handle: ({ router, epoch }) => void led.push({ router, epoch, at: performance.now() }),
  });
  const routers = [
    await startComponentProcess(network, 'routing'),
    await startComponentProcess(network, 'routing'),
  ];
  const leader = (): SupervisedProcess | undefined =>
    routers.find((process) =>
      process.logs().some((line) => line.includes(led.at(-1)?.router ?? 'nobody')),
    );
  await expect.poll(() => led.length, { timeout: 5_000 }).toBe(1);
  await expect.poll(() => leader() !== undefined).toBe(true);
  return { led, failures, routers, leader: () => leader() as SupervisedProcess };
}

/**
 * Sends requests one after the other until `until` is true. Returns status and duration of each.
 */
async function keepAsking(
  until: () => boolean,
  onAnswer: () => void,
): Promise<{ status: number; startedAt: number; ms: number }[]> {
  const asked: { status: number; startedAt: number; ms: number }[] = [];
  while (!until()) {
    const startedAt = performance.now();
    const { status } = await readStream(network, { model, messages, max_tokens: SHORT });
    asked.push({ status, startedAt, ms: performance.now() - startedAt });
    onAnswer();
  }
  return asked;
}

test('the leading router is killed under load: another leads within two seconds, no stream is disturbed, no slot is assigned twice', {
  timeout: 90_000,
}, async () => {
  const { led, failures, routers, leader } = await startRouters();
  // The first request waits until the router has received the announcements of the fleet.
  expect(await readStream(network, { model, messages, max_tokens: SHORT })).toMatchObject({
    status: 200,
    done: 1,
  });
  // One machine is full and another half full of streams that the next router has not placed
  // itself.
  const provider = { order: network.providers.slice(0, 2).map(({ id }) => id) };
  const streams = Array.from({ length: PLACES * 1.5 }, () =>
    readStream(network, { model, messages, max_tokens: LONG, provider }),
  );
  await expect.poll(() => network.runningSequences()).toBe(streams.length);
  let isOver = false;
  let answers = 0;
  const countAnswer = () => {
    answers += 1;
  };
  const asking = [0, 1, 2].map(() => keepAsking(() => isOver, countAnswer));
  await expect.poll(() => answers).toBeGreaterThanOrEqual(asking.length);
  const killedAt = performance.now();
  await leader().kill();
  await expect.poll(() => led.length, { timeout: 5_000, interval: 10 }).toBe(2);
  // Send as many requests at once as there are free places. A router that considered the taken
  // places free would send some of these requests to full machines.
  const rush = Array.from({ length: PROVIDERS * PLACES - streams.length - asking.length }, () =>
    readStream(network, { model, messages, max_tokens: 50, provider }),
  );
  expect((await Promise.all(rush)).map(({ status }) => status)).toEqual(rush.map(() => 200));
  isOver = true;
  const asked = (await Promise.all(asking)).flat();
  expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([200]));
  const after = asked.filter(({ startedAt, ms }) => startedAt + ms > killedAt);
  expect(Math.max(...after.map(({ ms }) => ms))).toBeLessThan(2_500);
  expect((led[1]?.at ?? Number.POSITIVE_INFINITY) - killedAt).toBeLessThan(2_000);
  expect(led[1]?.epoch).toBeGreaterThan(led[0]?.epoch ?? 0);
  for (const stream of await Promise.all(streams))
    expect(stream).toMatchObject({
      status: 200,
      done: 1,
      errors: [],
      text: expectedText(messages, LONG),
    });
  expect(failures).toEqual([]);
  for (const router of routers) await router.stop();
});

test('a leading router that is stopped and continued makes no more decisions', {
  timeout: 90_000,
}, async () => {
  const { led, routers, leader } = await startRouters();
  expect(await readStream(network, { model, messages, max_tokens: SHORT })).toMatchObject({
    status: 200,
  });
  const frozen = leader();
  process.kill(frozen.pid, 'SIGSTOP');
  await expect.poll(() => led.length, { timeout: 5_000, interval: 10 }).toBe(2);
  process.kill(frozen.pid, 'SIGCONT');
  await expect
    .poll(() => frozen.logs().some((line) => line.includes('this router has lost the lease')), {
      timeout: 5_000,
    })
    .toBe(true);
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => readStream(network, { model, messages, max_tokens: SHORT })),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(led).toHaveLength(2);
  for (const router of routers) await router.stop();
});
