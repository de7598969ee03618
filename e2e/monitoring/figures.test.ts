import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { METRICS } from '#observability/metric-table.ts';
import { nodeMetrics } from '#observability/metrics-page.ts';
import { startProviderProcess } from '../provider-process.ts';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';
import { type Sample, samplesIn, sumOf } from './samples.ts';

const SOON = { timeout: 20_000, interval: 100 };
const ANY_PORT = { host: '127.0.0.1', port: 0 };
let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork({ providers: 2, tokenMs: 0, config: { metrics: ANY_PORT } });
});
afterAll(() => network[Symbol.asyncDispose]());

const read = async (url = network.network.coordinator.metricsUrl ?? ''): Promise<Sample[]> =>
  samplesIn(await (await fetch(url)).text());
const chat = (body: object = {}) =>
  network.ask('POST', '/v1/chat/completions', {
    token: network.apiKey,
    body: {
      model: 'sim-llama-8b',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 3,
      ...body,
    },
  });

describe('the figures of a running network', () => {
  test('show components, machines, connections and streams', async () => {
    const samples = await read();
    for (const component of ['ingress', 'routing', 'settlement', 'telemetry', 'trust'])
      expect(sumOf(samples, 'dinf_component_running', { component })).toBe(1);
    expect(sumOf(samples, 'dinf_routing_providers')).toBe(2);
    expect(sumOf(samples, 'dinf_routing_leading')).toBe(1);
    expect(sumOf(samples, 'dinf_trust_machines', { standing: 'verified' })).toBe(2);
    expect(sumOf(samples, 'dinf_bus_connected')).toBe(1);
    expect(sumOf(samples, 'dinf_bus_messages_total', { direction: 'in' })).toBeGreaterThan(0);
    expect(sumOf(samples, 'dinf_postgres_connections')).toBeGreaterThan(0);
    expect(sumOf(samples, 'dinf_stream_max_bytes', { stream: 'JOBS' })).toBe(1024 ** 3);
    expect(sumOf(samples, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(sumOf(samples, 'dinf_metrics_failures_total')).toBeUndefined();
  });

  test('count an answer, its tokens and its charge, and no hold stays open', async () => {
    expect((await chat()).status).toBe(200);
    await network.expectMoneyBalances();
    await vi.waitFor(async () => {
      const samples = await read();
      const model = 'sim-llama-8b';
      expect(sumOf(samples, 'dinf_jobs_total', { model, result: 'completed' })).toBe(1);
      expect(sumOf(samples, 'dinf_delivered_tokens_total', { model })).toBe(3);
      expect(sumOf(samples, 'dinf_settlement_ended_total', { outcome: 'settled' })).toBe(1);
      expect(sumOf(samples, 'dinf_settlement_holds_open')).toBe(0);
      expect(sumOf(samples, 'dinf_consumer_waiting', { consumer: 'settlement' })).toBe(0);
      expect(sumOf(samples, 'dinf_routing_decisions_total', { outcome: 'placed' })).toBe(1);
    });
  });

  test('count each rejected request once under its code, from every route and surface', async () => {
    await chat({ model: 'no-such-model' });
    await chat({ messages: [] });
    await network.ask('POST', '/v1/messages', { token: 'sk-db-wrong', body: {} });
    await network.ask('GET', '/no/such/path');
    const poor = await network.createKey({ creditMicroUsd: 0 });
    await network.ask('POST', '/v1/completions', {
      token: poor.apiKey,
      body: { model: 'sim-llama-8b', prompt: 'Hi' },
    });
    const samples = await read();
    for (const code of ['model_not_found', 'invalid_api_key', 'not_found', 'insufficient_quota'])
      expect([code, sumOf(samples, 'dinf_http_rejected_total', { code })]).toEqual([code, 1]);
  });

  test('have no name that is not in the table, and no label names a person, key, machine or job', async () => {
    const names = new Set([...Object.keys(METRICS), ...nodeMetrics()]);
    const samples = await read();
    const unknown = samples.filter(
      ({ name }) => !names.has(name) && !names.has(name.replace(/_(bucket|sum|count)$/, '')),
    );
    expect(unknown).toEqual([]);
    const labels = samples.flatMap((sample) => Object.values(sample.labels)).join('\n');
    expect(labels).not.toMatch(/\b(acct|key|job|in|router|req)_|\bA[A-Z2-7]{55}\b|sk-db/);
    expect(samples.length).toBeLessThan(600);
  });
});

test('a provider offers its slots and the link of its leaf', { timeout: 60_000 }, async () => {
  let url = '';
  await using _provider = await startProviderProcess(
    network,
    ['--engine', 'simulated', '--token', await network.network.enrolToken()],
    (line) => {
      url ||= /"url":"(http:[^"]+\/metrics)"/.exec(line)?.[1] ?? '';
    },
    { DINF_METRICS_PORT: '0' },
  );
  // The address arrives with the log, which another pipe carries than the line that shows readiness.
  await vi.waitFor(async () => {
    const samples = await read(url);
    expect(sumOf(samples, 'dinf_machine_providers')).toBe(1);
    expect(sumOf(samples, 'dinf_machine_slots')).toBeGreaterThan(0);
    expect(sumOf(samples, 'dinf_leaf_links')).toBe(1);
    expect(sumOf(samples, 'dinf_leaf_messages_total', { direction: 'out' })).toBeGreaterThan(0);
    expect(sumOf(samples, 'dinf_leaf_round_trip_seconds')).toBeGreaterThan(0);
  }, SOON);
});
