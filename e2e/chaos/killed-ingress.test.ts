import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Flow } from '#bus-schemas';
import { setting } from '#bus-schemas/settings/settings.ts';
import { startComponentProcess } from '../component-process.ts';
import { readStream } from '../read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

const KILLS = setting('DINF_CHAOS_INGRESS_KILLS');
const STREAMS = setting('DINF_CHAOS_STREAMS');
const TOKEN_MS = 40;
const MAX_TOKENS = 4_000;
/** All streams belong to one account, which asks for more tokens at once than it may by default. */
const NO_LIMITS = { DINF_ACCOUNT_RPM: '0', DINF_ACCOUNT_ITPM: '0', DINF_ACCOUNT_OTPM: '0' };
/** Longest time until the ingress is killed, once all streams have content, in milliseconds. */
const LATEST_MS = 2_000;
/** A provider ends a job after 15 s without its ingress, and its receipt follows. */
const SETTLED_MS = 60_000;

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 4, tokenMs: TOKEN_MS, maxConcurrency: STREAMS });
}, 90_000);
afterAll(async () => {
  await network.expectMoneyBalances();
  await network[Symbol.asyncDispose]();
});

interface Received {
  readonly prompt: string;
  text: string;
}

const messagesOf = (prompt: string) => [{ role: 'user', content: prompt }];

/** Number of tokens of the simulated answer that a client has received completely. */
function tokensIn({ prompt, text }: Received): number {
  let [least, most] = [0, MAX_TOKENS];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (expectedText(messagesOf(prompt), middle).length <= text.length) least = middle;
    else most = middle - 1;
  }
  return least;
}

/** Notes the delivered tokens that the ingresses state to the machines, by job. */
function listenToReports(): ReadonlyMap<string, number> {
  const stated = new Map<string, number>();
  network.network.coordinator.bus.connection.subscribe('down.*.flow', {
    callback: (_error, { data }) => {
      for (const { job, delivered } of Flow.decode(data).jobs)
        if (delivered) stated.set(job, Math.max(stated.get(job) ?? 0, delivered.tokens));
    },
  });
  return stated;
}

async function streamUntilKilled(kill: number): Promise<Received[]> {
  const child = await startComponentProcess(network, 'ingress', NO_LIMITS);
  const listening = child.logs().find((line) => line.includes('the API listens')) ?? '{}';
  const { url } = JSON.parse(listening) as { url: string };
  const underWay = Promise.withResolvers<void>();
  const received = Array.from(
    { length: STREAMS },
    (_, index): Received => ({
      prompt: `Story ${index} before kill ${kill}`,
      text: '',
    }),
  );
  const reading = received.map((stream) =>
    readStream(
      { url, apiKey: network.apiKey },
      { model: 'sim-llama-8b', messages: messagesOf(stream.prompt), max_tokens: MAX_TOKENS },
      {
        onContent: (text) => {
          stream.text = text;
          if (received.every(({ text: each }) => each !== '')) underWay.resolve();
        },
      },
    ).then(
      ({ status, errors }) =>
        underWay.reject(
          new Error(`a stream ended before all had content: ${status} ${JSON.stringify(errors)}`),
        ),
      // The kill cuts the connection.
      () => undefined,
    ),
  );
  await underWay.promise;
  await delay(Math.random() * LATEST_MS);
  await child.kill();
  await Promise.all(reading);
  return received;
}

test(`an ingress is killed ${KILLS} times under ${STREAMS} streams: each is charged for what its client acknowledged, and has a row`, {
  timeout: 120_000 + KILLS * 120_000,
}, async () => {
  const stated = listenToReports();
  const checked = new Set<string>();
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const received = await streamUntilKilled(kill);
    await expect
      .poll(
        async () => (await network.chargesNow()).filter(({ outcome }) => outcome !== 'held').length,
        { timeout: SETTLED_MS, interval: 500 },
      )
      .toBe(kill * STREAMS);
    const charges = (await network.chargesNow()).filter(({ job }) => !checked.has(job));
    expect(charges).toHaveLength(STREAMS);
    for (const { job, completionTokens } of charges) {
      checked.add(job);
      expect([job, completionTokens]).toEqual([job, stated.get(job) ?? 0]);
      const { status, json } = await network.ask('GET', `/v1/generation?id=${job}`, {
        token: network.apiKey,
      });
      expect([status, json?.data?.tokens_completion]).toEqual([200, completionTokens]);
    }
    // Which stream had which job is not known, so the two are compared in the order of their size.
    const inOrder = (numbers: readonly number[]) => numbers.toSorted((one, other) => one - other);
    const tokens = inOrder(received.map(tokensIn));
    const charged = inOrder(charges.map(({ completionTokens }) => completionTokens));
    for (const [index, most] of tokens.entries()) expect(charged[index]).toBeLessThanOrEqual(most);
  }
});
