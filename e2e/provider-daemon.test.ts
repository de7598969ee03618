import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { services } from '#bus-schemas';
import { ownEarnings } from '#provider/own-earnings.ts';
import { startProviderProcess } from './provider-process.ts';
import { readStream } from './read-stream.ts';
import { addRewards, dayBefore, REWARD } from './reward-history.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const chat = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Hello?' }],
  max_tokens: 5,
};

let network: TestNetwork;
afterEach(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

const startProvider = (args: readonly string[] = [], onLine?: (line: string) => void) =>
  startProviderProcess(network, ['--engine', 'simulated', ...args], onLine);

async function states(): Promise<string[]> {
  const { providers } = await network.network.coordinator.bus.call(
    services.routing.fleet,
    {},
    { timeoutMs: 5_000 },
  );
  return [...new Set(providers.map(({ provider, state }) => `${provider} ${state}`))];
}
const idIn = (lines: readonly string[]) =>
  lines.map((line) => /provider (A\S+) serves/.exec(line)?.[1]).find((id) => id !== undefined);

test('a provider enrols once, serves, drains when stopped and returns with the same id; after a SIGKILL it is missed at once', {
  timeout: 60_000,
}, async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 2 });
  const first = await startProvider(['--token', await network.network.enrolToken()]);
  const id = idIn(first.logs());
  await vi.waitFor(async () => expect(await states()).toEqual([`${id} resident`]), {
    timeout: 5_000,
  });
  const begun = Promise.withResolvers<void>();
  const streaming = readStream(
    network,
    { ...chat, max_tokens: 200 },
    { onContent: () => begun.resolve() },
  );
  await begun.promise;
  // The running answer is completed before the provider ends.
  expect(await first.stop()).toEqual({ code: 0, signal: null });
  expect(await streaming).toMatchObject({ status: 200, done: 1, errors: [] });

  const second = await startProvider();
  expect(idIn(second.logs())).toBe(id);
  await vi.waitFor(
    async () => expect(await readStream(network, chat)).toMatchObject({ status: 200, done: 1 }),
    { timeout: 10_000, interval: 100 },
  );
  const killedAt = performance.now();
  await second.kill();
  await vi.waitFor(async () => expect(await states()).toEqual([`${id} silent`]), {
    timeout: 5_000,
    interval: 20,
  });
  expect(performance.now() - killedAt).toBeLessThan(2_000);
  expect((await readStream(network, chat)).status).toBe(503);
});

test('a machine that was enrolled by the operator refuses to be linked, instead of serving for another account', {
  timeout: 60_000,
}, async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 2 });
  const enrolled = await startProvider(['--token', await network.network.enrolToken()]);
  const id = idIn(enrolled.logs());
  await enrolled.stop();
  await expect(startProvider(['--link'])).rejects.toThrow(
    new RegExp(`holds the machine ${id}, which was enrolled with a token of the operator`),
  );
  const again = await startProvider();
  expect(idIn(again.logs())).toBe(id);
  await expect(startProvider()).rejects.toThrow(
    /Another "dinf provider" \(process \d+\) already uses .*give this one another folder with --home/,
  );
  await again.stop();
});

test('a machine is linked with the code that it shows, and its owner gets its earnings', {
  timeout: 60_000,
}, async () => {
  network = await startTestNetwork({ providers: 0, tokenMs: 2 });
  const owner = await network.person('owner');
  const approved = Promise.withResolvers<void>();
  const provider = await startProvider(['--link'], (line) => {
    const code = /enter (\S{4}-\S{4})/.exec(line)?.[1];
    if (code !== undefined)
      void owner
        .ask('POST', '/v1/device/approve', { user_code: code })
        .then(() => approved.resolve());
  });
  await approved.promise;
  const id = idIn(provider.logs());
  await vi.waitFor(
    async () =>
      expect((await owner.ask('GET', '/v1/me/providers')).json.data).toMatchObject([
        { id, online: true },
      ]),
    5_000,
  );
  expect((await readStream(network, { ...chat, max_tokens: 200 })).status).toBe(200);
  await network.expectMoneyBalances();
  const earned = await vi.waitFor(async () => {
    const { json } = await owner.ask('GET', '/v1/earnings');
    expect(json.lifetime_micro_usd).toBeGreaterThan(0);
    return json;
  }, 5_000);
  expect(earned.data).toMatchObject([{ source: id }]);
  if (id === undefined) throw new Error('the machine has no id');
  await addRewards(network.network, { account: owner.account, provider: id });
  expect(await ownEarnings(join(network.network.home, 'elsewhere', 'provider'))).toMatchObject({
    jobs: [{ model: chat.model }],
    rewards: [
      { day: dayBefore(2), amount_micro_usd: REWARD, is_paid: true, because: null },
      { day: dayBefore(3), amount_micro_usd: 0, because: expect.stringContaining('3 h') },
      { day: dayBefore(4) },
      { day: dayBefore(4), promotion: 'spring' },
    ],
  });
  await provider.stop();
});
