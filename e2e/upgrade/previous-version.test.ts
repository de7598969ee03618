import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ComponentName, services } from '#bus-schemas';
import type { SupervisedProcess } from '#provider';
import { operatorSettings } from '../dinf-program.ts';
import { readStream } from '../read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';
import { PreviousVersion, whyNoPreviousVersion } from './previous-version.ts';

const CALL = { timeoutMs: 5_000 };
/** Everything but the ingress. */
const REST: readonly ComponentName[] = [
  'accounts',
  'catalog',
  'settlement',
  'telemetry',
  'trust',
  'routing',
];
/** Models with these are added when everything is upgraded (decision 0178). */
const NEW_TRAITS = ['embeddings', 'rerank'] as const;
const chat = {
  model: 'sim-llama-8b',
  messages: [{ role: 'user', content: 'Which version are you?' }],
  max_tokens: 8,
};
const content = expectedText(chat.messages, chat.max_tokens);
const skipped = whyNoPreviousVersion();

describe.skipIf(skipped !== undefined)(
  `the previous version beside this one, with the schema of this one${skipped === undefined ? '' : ` (skipped: ${skipped})`}`,
  () => {
    const stack = new AsyncDisposableStack();
    let network: TestNetwork;
    let previous: PreviousVersion;
    let previousRest: SupervisedProcess;
    let jobs = 0;

    const startPrevious = async (components: readonly string[]): Promise<SupervisedProcess> =>
      stack.use(
        await previous.start({
          args: ['coordinator', '--components', components.join(',')],
          env: { ...operatorSettings(network.network), DINF_HTTP_PORT: '0' },
          isReady: (line) => line.includes('the coordinator runs'),
        }),
      );
    /** Providers that routing has and that are not silent. */
    const providers = async () => {
      const { bus } = network.network.coordinator;
      const { providers: slots } = await bus.call(services.routing.fleet, {}, CALL);
      const here = slots.filter(({ state }) => state !== 'silent' && state !== 'draining');
      return new Set(here.map(({ provider }) => provider));
    };

    /** Sends a streamed and a plain request, and expects that both are answered and charged. */
    async function expectService(url: string): Promise<void> {
      const target = { url, apiKey: network.apiKey };
      expect(await readStream(target, chat)).toMatchObject({
        status: 200,
        text: content,
        done: 1,
        errors: [],
      });
      const plain = await network
        .openai({ baseURL: `${url}/v1` })
        .chat.completions.create(chat as never);
      expect(plain).toMatchObject({
        choices: [{ message: { content } }],
        usage: { completion_tokens: chat.max_tokens },
      });
      jobs += 2;
      const charges = await network.charges();
      expect(charges).toHaveLength(jobs);
      expect(
        charges.every(
          ({ outcome, completionTokens }) =>
            outcome === 'settled' && completionTokens === chat.max_tokens,
        ),
      ).toBe(true);
    }

    beforeAll(async () => {
      [network, previous] = await Promise.all([
        startTestNetwork({ providers: 1, tokenMs: 2, apart: REST, withoutTraits: NEW_TRAITS }),
        PreviousVersion.unpack(),
      ]);
      stack.use(network);
      stack.use(previous);
    });
    afterAll(() => stack.disposeAsync());

    test('an old ingress serves with new components and a new provider', async () => {
      const ingress = await startPrevious(['ingress']);
      const line = await ingress.whenLine((text) => text.includes('the API listens'), 10_000);
      await expectService(JSON.parse(line).url);
      await ingress.stop();
    });

    test('a new ingress serves with old components and a new provider', async () => {
      previousRest = await startPrevious(REST);
      for (const component of REST.toReversed()) await network.apart.stop(component);
      await expect.poll(providers).toHaveProperty('size', 1);
      await expectService(network.url);
    });

    test('an old provider serves with new components', async () => {
      const home = await mkdtemp(join(tmpdir(), 'dinf-previous-home-'));
      stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
      const startProvider = (env: NodeJS.ProcessEnv) =>
        previous.start({
          args: [
            'simulate',
            '--providers',
            '1',
            '--endless',
            '--token-ms',
            '2',
            '--coordinator',
            network.url,
          ],
          env: { DINF_HOME: home, ...env },
          isReady: (line) => line.endsWith('simulated providers are ready'),
        });
      // It enrols with old components, and comes back when they have been replaced.
      const enrolled = await startProvider({
        DINF_ENROL_TOKENS: await network.network.enrolToken(),
      });
      await expect.poll(providers).toHaveProperty('size', 2);
      await enrolled.stop();
      for (const component of REST) await network.apart.start(component);
      await previousRest.stop();
      await network.fleet[Symbol.asyncDispose]();
      stack.use(await startProvider({}));
      await expect.poll(providers).toHaveProperty('size', 1);
      await expectService(network.url);
    });
  },
);
