import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parseArrival } from '#bus-schemas';
import { DINF, operatorSettings } from './dinf-program.ts';
import { readStream } from './read-stream.ts';
import { startTestNetwork, type TestNetwork } from './test-network.ts';

const run = promisify(execFile);
const messages = [{ role: 'user', content: 'What do operators see of this?' }];
const TOKENS = 6;
const REQUESTS = 5;

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 1 });
  for (let request = 0; request < REQUESTS; request += 1)
    await readStream(network, { model: 'sim-llama-8b', messages, max_tokens: TOKENS });
});
afterAll(() => network[Symbol.asyncDispose]());

async function dinf(...args: string[]): Promise<string> {
  const env = { ...process.env, ...operatorSettings(network.network), NO_COLOR: '1' };
  return (await run(process.execPath, [DINF, ...args], { env, timeout: 30_000 })).stdout;
}

test('dinf top shows models, machines and requests', async () => {
  const asking = setTimeout(
    () => void readStream(network, { model: 'sim-llama-8b', messages, max_tokens: TOKENS }),
    500,
  );
  const screen = await dinf('top', '--once');
  clearTimeout(asking);
  expect(screen).toMatch(/^sim-llama-8b-q4 +2 +2 +\d+ +\d+ +\d+$/m);
  expect(screen).toMatch(/^slots +10 open$/m);
  expect(screen).toMatch(/^queue +0 of 128$/m);
});

test('the requests of a network can be exported and replayed, and the export contains no prompt', async () => {
  const trace = await dinf('routing', 'trace');
  expect(trace).not.toContain('operators');
  const arrivals = trace.trim().split('\n').map(parseArrival);
  expect(arrivals.length).toBeGreaterThanOrEqual(REQUESTS);
  expect(arrivals[0]).toMatchObject({
    at: 0,
    account: network.account,
    model: 'sim-llama-8b',
    outputTokens: TOKENS,
  });
  const file = join(network.network.home, 'trace.jsonl');
  await writeFile(file, trace);
  const report = JSON.parse(await dinf('replay', '--trace', file, '--macs', '3', '--json'));
  expect(report).toMatchObject({ requests: arrivals.length, servedShare: 1, hung: 0 });
  await writeFile(file, '{"at": "soon"}\n');
  await expect(dinf('replay', '--trace', file)).rejects.toThrow(
    /line 1: this is not a request as dinf routing trace writes it/,
  );
});

test('the record of a machine shows the jobs of its life, and an unknown machine is an error', async () => {
  const machines = network.providers.map(({ id }) => id);
  // Records are written together every five seconds.
  await vi.waitFor(async () => {
    const records = JSON.parse(await dinf('routing', 'record', ...machines, '--json'));
    const served = records.map(
      (record: { lifetime?: { served: number } }) => record.lifetime?.served,
    );
    expect(served).toHaveLength(2);
    expect(served[0] + served[1]).toBeGreaterThanOrEqual(REQUESTS);
  });
  const text = await dinf('routing', 'record', ...machines);
  expect(text).toMatch(
    / \d+ jobs completed, 0 failed, 0 refused, 0 blamed on the client, \d+ tokens/,
  );
  expect(text).toContain('its router restored nothing');
  await expect(dinf('routing', 'record', `A${'B'.repeat(55)}`)).rejects.toThrow(
    /There is no record of the machine/,
  );
});
