import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ComponentName } from '#bus-schemas';
import { setting } from '#bus-schemas/settings/settings.ts';
import { freePort } from '#network';
import type { SupervisedProcess } from '#provider';
import { startComponentProcess } from '../component-process.ts';
import { readStream } from '../read-stream.ts';
import { manySealed, startCustomer } from '../sealed/sealed-network.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';
import { startHaproxy, whyNoHaproxy } from './haproxy.ts';
import { SteadyLoad } from './steady-load.ts';

/** Few, so that a busy machine can serve them; DINF_UPGRADE_RATE=50 measures more. */
const PER_SECOND = setting('DINF_UPGRADE_RATE');
/** Shorter than the default, to save time, and longer than HAProxy takes to notice a 503. */
const NOTICE_MS = 3_000;
const TOKEN_MS = 10;
const PLAIN = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Hi.' }],
  max_tokens: 8,
};
const STREAM = { ...PLAIN, max_tokens: 40 };
/** An answer that takes longer than the notice of an ingress. */
const LONG_STREAM = { ...PLAIN, max_tokens: (1.5 * NOTICE_MS) / TOKEN_MS };
const LONG_EVERY = 2 * PER_SECOND;
/** Number of failures that a failed test prints. */
const MAX_SHOWN = 5;
const EXPECTED = new Map(
  [PLAIN, STREAM, LONG_STREAM].map((chat) => [chat, expectedText(chat.messages, chat.max_tokens)]),
);
/** Sealed sessions at the same time, few enough for the machines. */
const SEALED = 16;
const skipped = whyNoHaproxy();

describe.skipIf(skipped !== undefined)(
  `an upgrade under load${skipped === undefined ? '' : ` (skipped: ${skipped})`}`,
  () => {
    const stack = new AsyncDisposableStack();
    let network: TestNetwork;
    let haproxy: SupervisedProcess;
    let load: SteadyLoad;
    let target: { url: string; apiKey: string };
    const ingresses: { port: number; process: SupervisedProcess }[] = [];
    const report: string[] = [];

    const startIngress = (port: number) =>
      startComponentProcess(network, 'ingress', {
        DINF_HTTP_PORT: String(port),
        DINF_DRAIN_NOTICE_MS: String(NOTICE_MS),
        DINF_ACCOUNT_RPM: '0',
      });

    async function sendPlain(): Promise<number> {
      const startedAt = performance.now();
      const response = await fetch(`${target.url}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${target.apiKey}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(PLAIN),
      });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status} ${text}`);
      const content = JSON.parse(text).choices[0].message.content;
      if (content !== EXPECTED.get(PLAIN)) throw new Error(`a wrong answer: ${content}`);
      return performance.now() - startedAt;
    }

    async function sendStream(chat: typeof PLAIN): Promise<number> {
      let lastAt = performance.now();
      let longest = 0;
      const onContent = () => {
        longest = Math.max(longest, performance.now() - lastAt);
        lastAt = performance.now();
      };
      const { status, text, done, errors } = await readStream(target, chat, { onContent });
      if (status !== 200 || done !== 1 || errors.length > 0)
        throw new Error(`${status}, ${done} [DONE], ${JSON.stringify(errors)}`);
      if (text !== EXPECTED.get(chat)) throw new Error(`a wrong answer: ${text}`);
      return longest;
    }

    /** Runs a step of the upgrade, and expects that no request failed meanwhile. */
    async function underLoad(step: string, work: () => Promise<unknown>): Promise<void> {
      load.takeLongestPause();
      await work();
      report.push(`${step}: longest pause ${load.takeLongestPause()} ms`);
      expect(load.failures.slice(0, MAX_SHOWN)).toEqual([]);
    }

    /** Starts a copy of the component, then stops the one that runs in this process. */
    async function replace(component: ComponentName): Promise<void> {
      stack.use(await startComponentProcess(network, component));
      await network.apart.stop(component);
    }

    beforeAll(async () => {
      network = stack.use(
        await startTestNetwork({
          providers: 4,
          tokenMs: TOKEN_MS,
          apart: ['routing', 'settlement', 'telemetry'],
        }),
      );
      for (let count = 0; count < 2; count += 1) {
        const port = await freePort();
        ingresses.push({ port, process: await startIngress(port) });
      }
      stack.defer(async () => {
        for (const { process } of ingresses) await process.kill();
      });
      const folder = await mkdtemp(join(tmpdir(), 'dinf-haproxy-'));
      stack.defer(() => rm(folder, { recursive: true }));
      const port = await freePort();
      const [first, second] = ingresses.map((ingress) => ingress.port) as [number, number];
      haproxy = stack.use(await startHaproxy({ folder, port, ingressPorts: [first, second] }));
      target = { url: `http://127.0.0.1:${port}`, apiKey: network.apiKey };
      load = new SteadyLoad({
        perSecond: PER_SECOND,
        send: (index) => {
          if (index % LONG_EVERY === 0) return sendStream(LONG_STREAM);
          return index % 2 === 0 ? sendPlain() : sendStream(STREAM);
        },
      });
      stack.defer(async () => void (await load.stop()));
    });
    afterAll(async () => {
      console.log(report.join('\n'));
      await stack.disposeAsync();
    });

    test.each([0, 1])(
      'replaces ingress %d behind HAProxy without a failed request',
      async (index) => {
        const ingress = ingresses[index];
        if (ingress === undefined) throw new Error('the ingress was not started');
        const isUp = (line: string) => line.includes(`Server ingresses/ingress-${index + 1} is UP`);
        await underLoad(`ingress ${index + 1}`, async () => {
          expect(await ingress.process.stop()).toMatchObject({ code: 0 });
          ingress.process = await startIngress(ingress.port);
          await haproxy.whenLine(isUp, 30_000);
        });
      },
    );

    test.each(['routing', 'settlement', 'telemetry'] as const)(
      'replaces %s without a failed request',
      (component) => underLoad(component, () => replace(component)),
    );

    test('charges each request once', async () => {
      const requests = await load.stop();
      expect(load.failures.slice(0, MAX_SHOWN)).toEqual([]);
      const charges = await network.charges();
      expect(charges.filter(({ outcome }) => outcome === 'settled')).toHaveLength(requests);
      report.push(`${requests} requests, ${load.failures.length} failed`);
    });

    test('keeps the requests of a sealed session together behind HAProxy', async () => {
      await using customer = await startCustomer(target.url);
      const { texts, expected } = await manySealed(customer, network, SEALED);
      expect(texts).toEqual(expected);
    });
  },
);
