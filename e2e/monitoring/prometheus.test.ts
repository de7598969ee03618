import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { DASHBOARDS, INTERVAL } from '#packaging/monitoring/dashboards.ts';
import { startSupervised } from '#provider';
import { startProviderProcess } from '../provider-process.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';
import { onPath } from './on-path.ts';

const FOLDER = join(import.meta.dirname, '../../packaging/monitoring');
const RANGE = '10s';
const SCRAPES = 4;

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

describe.skipIf(!onPath('prometheus'))("Debian's Prometheus reads a running network", () => {
  let started: AsyncDisposableStack;
  let url = '';
  const query = async (text: string): Promise<Answer> =>
    (await (await fetch(`${url}/api/v1/query?query=${encodeURIComponent(text)}`)).json()) as Answer;

  beforeAll(async () => {
    await using stack = new AsyncDisposableStack();
    const network: TestNetwork = stack.use(
      await startTestNetwork({
        providers: 1,
        tokenMs: 0,
        config: { metrics: { host: '127.0.0.1', port: 0 } },
      }),
    );
    let providerUrl = '';
    stack.use(
      await startProviderProcess(
        network,
        ['--engine', 'simulated', '--token', await network.network.enrolToken()],
        (line) => {
          providerUrl ||= /"url":"(http:[^"]+\/metrics)"/.exec(line)?.[1] ?? '';
        },
        { DINF_METRICS_PORT: '0' },
      ),
    );
    // Log and output are two streams, so the URL may arrive after the line that ends the start.
    await vi.waitFor(() => expect(providerUrl).not.toBe(''));
    for (const model of ['sim-llama-8b', 'no-such-model'])
      await network.ask('POST', '/v1/chat/completions', {
        token: network.apiKey,
        body: { model, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 },
      });
    const targets = [network.network.coordinator.metricsUrl ?? '', providerUrl].map(
      (each) => new URL(each).host,
    );
    const { home } = network.network;
    const config = (await readFile(join(FOLDER, 'prometheus.yml'), 'utf8'))
      .replaceAll(/(scrape|evaluation)_interval: 15s/g, '$1_interval: 1s')
      .replace(/targets: \[.*\]/, `targets: ${JSON.stringify(targets)}`)
      .replace('- alerts.yml', `- ${join(FOLDER, 'alerts.yml')}`);
    await writeFile(join(home, 'prometheus.yml'), config);
    stack.use(
      await startSupervised({
        name: 'prometheus',
        command: 'prometheus',
        args: [
          `--config.file=${join(home, 'prometheus.yml')}`,
          `--storage.tsdb.path=${join(home, 'prometheus')}`,
          '--web.listen-address=127.0.0.1:0',
        ],
        env: process.env,
        isReady: (line) => {
          const port = /msg="?Listening on"? address=127\.0\.0\.1:(\d+)/.exec(line)?.[1];
          if (port !== undefined) url = `http://127.0.0.1:${port}`;
          return /ready to receive web requests/.test(line);
        },
        readyTimeoutMs: 30_000,
      }),
    );
    await vi.waitFor(
      async () => {
        const { data } = await query(`count_over_time(up{job="dinf"}[${RANGE}])`);
        const counts = data.result.map(({ value }) => Number(value[1]));
        expect(counts.filter((count) => count >= SCRAPES)).toHaveLength(targets.length);
      },
      { timeout: 30_000, interval: 250 },
    );
    started = stack.move();
  }, 120_000);
  afterAll(() => started[Symbol.asyncDispose]());

  test('and can reach every process', async () => {
    const { data } = await query('sum(up{job="dinf"})');
    expect(data.result.map(({ value }) => value[1])).toEqual(['2']);
  });

  const panels = Object.entries(DASHBOARDS).flatMap(([name, { panels }]) =>
    panels.map((panel) => ({ name, ...panel })),
  );
  test.each(panels)(
    'so that the panel "$title" of $name has data',
    async ({ queries, isQuiet }) => {
      for (const text of Object.values(queries)) {
        const { status, error, data } = await query(text.replaceAll(INTERVAL, RANGE));
        expect([status, error]).toEqual(['success', undefined]);
        if (!isQuiet) expect([text, data.result.length > 0]).toEqual([text, true]);
      }
    },
  );

  test('and no alert fires', async () => {
    const { data } = await query('ALERTS{alertstate="firing"}');
    expect(data.result).toEqual([]);
  });
});
