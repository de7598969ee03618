import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type NetworkStats, services } from '#bus-schemas';
import { DINF, operatorSettings } from '../dinf-program.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

const REQUESTS = 12;
const TOKENS = 3;
const MODEL = 'sim-llama-8b';
const run = promisify(execFile);

let network: TestNetwork;
const exact = (): Promise<NetworkStats> =>
  network.network.coordinator.bus.call(services.telemetry.stats, {}, { timeoutMs: 5_000 });
const ask = async () => {
  const { status } = await network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: { model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: TOKENS },
  });
  expect(status).toBe(200);
};

beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 0 });
  for (let request = 0; request < REQUESTS; request += 1) await ask();
  await vi.waitFor(async () => expect((await exact()).models[0]?.dayRequests).toBe(REQUESTS));
}, 60_000);
afterAll(() => network[Symbol.asyncDispose]());

test('everyone sees requests, tokens, models and machines, and a proxy may keep the answer for a minute', async () => {
  const { status, json, headers } = await network.ask('GET', '/v1/stats');
  expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=60']);
  const volume = { requests: REQUESTS, tokens: REQUESTS * TOKENS };
  expect(json).toMatchObject({ last_24_hours: volume, last_30_days: volume });
  expect(json.models).toMatchObject([
    { model: MODEL, last_24_hours: volume, tokens_per_second: expect.any(Number) },
  ]);
  expect(json.machines).toEqual([
    { chip: 'Apple M3 Ultra', simulated: true, state: 'ready', machines: 2 },
  ]);
});

test('owners see what the network wants, and no earnings of two machines of one owner', async () => {
  const { status, json, headers } = await network.ask('GET', '/v1/models/demand');
  expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=600']);
  expect(json).toMatchObject({ object: 'demand', wanted: [], earned: [] });
  expect(Date.parse(json.updated_at) - Date.parse(json.since)).toBeGreaterThan(6 * 86_400_000);
});

test('an answer is computed once a minute, however many callers ask', async () => {
  // A further ingress has no answer yet.
  await using second = await network.secondIngress();
  const asked = await Promise.all(
    Array.from({ length: 20 }, async () => (await fetch(`${second.url}/v1/stats`)).json()),
  );
  await ask();
  const later = await (await fetch(`${second.url}/v1/stats`)).json();
  const times = [...asked, later].map((answer) => (answer as { updated_at: string }).updated_at);
  expect(new Set(times).size).toBe(1);
});

test('dinf stats shows the exact numbers', async () => {
  const { stdout } = await run(process.execPath, [DINF, 'stats', '--hours'], {
    env: { ...process.env, ...operatorSettings(network.network), NO_COLOR: '1' },
    timeout: 30_000,
  });
  expect(stdout).toMatch(/last 24 hours +\d+ +\d+ +\d+/);
  expect(stdout).toMatch(/sim-llama-8b +1[23] /);
  expect(stdout).toContain('Apple M3 Ultra (simulated)');
  expect(stdout).toMatch(/\d{4}-\d\d-\d\dT\d\d:00:00\.000Z/);
});
