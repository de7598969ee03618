import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { readStream } from '../read-stream.ts';
import { ClusterNetwork, type OpenStreams } from './cluster-network.ts';
import { SteadyLoad } from './steady-load.ts';

/** `DINF_CHAOS=full` also freezes and isolates a hub, which takes two minutes more. */
const isFull = setting('DINF_CHAOS') === 'full';
const STREAMS = 100;
const TOKEN_MS = 20;
/** How long a hub is frozen or isolated, in milliseconds. */
const FAULT_MS = 20_000;
const TOKENS = 400;
/** The streams last longer than the fault. */
const MANY_TOKENS = (2 * FAULT_MS) / TOKEN_MS;

const REQUESTS_A_SECOND = 50;

let cluster: ClusterNetwork;
beforeAll(async () => {
  cluster = await ClusterNetwork.start({ providers: 6, maxConcurrency: 32, tokenMs: TOKEN_MS });
  await cluster.makeKnownToAllHubs();
  await cluster.allReplicasCurrent();
}, 120_000);
afterAll(() => cluster[Symbol.asyncDispose]());

const seconds = (ms: number) => `${(ms / 1_000).toFixed(2)} s`;

async function endsOf({ ends }: OpenStreams, fault: string): Promise<void> {
  const { whole, cut, refused } = await ends;
  console.log(`${fault}: ${whole} streams whole, ${cut} cut, ${refused} refused`);
  await cluster.expectNothingLost();
  const chat = { model: 'sim-llama-8b', messages: [{ role: 'user', content: 'Hello?' }] };
  const after = await readStream(cluster.network, { ...chat, max_tokens: 5 });
  expect(after).toMatchObject({ status: 200, done: 1, errors: [] });
}

describe('three hubs carry 100 streams', { timeout: 240_000 }, () => {
  test('one is killed: its machines move to other hubs, and no stream, hold or fact is lost', async () => {
    const streams = await cluster.openStreams(STREAMS, TOKENS);
    const dead = await cluster.busiestHub();
    await cluster.hub(dead).kill();
    console.log(
      `killed: every machine has another hub after ${seconds(await cluster.allMoved(dead))}`,
    );
    await endsOf(streams, 'killed');
    await cluster.hub(dead).restart();
    await cluster.allReplicasCurrent();
  });

  test.runIf(isFull)('one is frozen for 20 s: no stream, hold or fact is lost', async () => {
    const streams = await cluster.openStreams(STREAMS, MANY_TOKENS);
    const frozen = await cluster.busiestHub();
    cluster.signal(frozen, 'SIGSTOP');
    const thaw = delay(FAULT_MS).then(() => cluster.signal(frozen, 'SIGCONT'));
    const moved = await cluster.allMoved(frozen);
    console.log(`frozen: every machine has another hub after ${seconds(moved)}`);
    expect(moved).toBeLessThan(FAULT_MS);
    await thaw;
    await endsOf(streams, 'frozen');
    await cluster.allReplicasCurrent();
  });

  test.runIf(isFull)(
    'the routes of one carry nothing for 20 s: no stream, hold or fact is lost',
    async () => {
      const streams = await cluster.openStreams(STREAMS, MANY_TOKENS);
      cluster.routes.isolate(await cluster.busiestHub());
      await delay(FAULT_MS);
      cluster.routes.heal();
      await endsOf(streams, 'isolated');
      await cluster.allReplicasCurrent();
    },
  );

  test.runIf(isFull)('all cores are busy: no machine changes its hub', async () => {
    const before = await cluster.hubsOfLeaves();
    const busy = Array.from({ length: 2 * availableParallelism() }, () =>
      spawn(process.execPath, ['-e', 'for (;;);']),
    );
    try {
      await endsOf(await cluster.openStreams(STREAMS, MANY_TOKENS), 'busy');
      expect(await cluster.hubsOfLeaves()).toEqual(before);
    } finally {
      for (const process of busy) process.kill('SIGKILL');
    }
  });

  test.runIf(isFull)(
    'they are restarted one after the other under 50 requests a second: no request fails',
    async () => {
      const load = new SteadyLoad(cluster.network, REQUESTS_A_SECOND);
      for (let index = 0; index < 3; index += 1) {
        const restartedAt = performance.now();
        await cluster.restartInOrder(index);
        await cluster.allReplicasCurrent();
        console.log(
          `hub-${index} restarted in order after ${seconds(performance.now() - restartedAt)}`,
        );
      }
      const { requests, failures } = await load.end();
      console.log(`${requests} requests during the restarts, ${failures.length} failed`);
      expect(failures).toEqual([]);
      await cluster.expectNothingLost();
    },
  );
});
