import { describe, expect, test } from 'vitest';
import { findingsOf } from '#provider/doctor/check.ts';
import type { NetworkFacts } from './network-facts.ts';
import { outsideChecks } from './outside-checks.ts';

const NOW = Date.UTC(2026, 10, 29);
const DAY_MS = 24 * 3_600_000;
const ANSWERED = {
  state: 'answered',
  isReady: true,
  missing: [],
  degraded: [],
  clockAheadMs: 40,
} as const;
const STREAMED = {
  state: 'streamed',
  model: 'llama',
  firstMs: 300,
  wholeMs: 900,
  arrivals: 12,
} as const;
const HEALTHY: NetworkFacts = {
  url: 'https://api.example.org',
  coordinator: ANSWERED,
  certificateExpiresAt: NOW + 60 * DAY_MS,
  hubs: [{ address: 'hub:7422', fault: undefined }],
  models: [{ model: 'llama', serves: true }],
  openRoutes: [],
  answer: STREAMED,
  now: NOW,
};

const finding = (name: string, changes: Partial<NetworkFacts>) =>
  findingsOf(outsideChecks, { ...HEALTHY, ...changes }).find((one) => one.name === name);

describe('a network seen from outside', () => {
  test('has no finding if it is healthy', () => {
    expect(findingsOf(outsideChecks, HEALTHY).filter(({ state }) => state !== 'ok')).toEqual([]);
  });

  test.each<[string, string, Partial<NetworkFacts>, RegExp]>([
    ['address', 'fault', { url: 'http://api.example.org' }, /no TLS/],
    [
      'coordinator',
      'fault',
      { coordinator: { state: 'unreachable', detail: 'connect ECONNREFUSED' } },
      /ECONNREFUSED/,
    ],
    [
      'coordinator',
      'fault',
      { coordinator: { state: 'certificate', detail: 'self-signed certificate' } },
      /not accepted/,
    ],
    ['certificate', 'advice', { certificateExpiresAt: NOW + 3 * DAY_MS }, /ends in 3 days/],
    ['certificate', 'fault', { certificateExpiresAt: NOW - 2 * DAY_MS }, /ended 2 days ago/],
    ['clock', 'advice', { coordinator: { ...ANSWERED, clockAheadMs: -60_000 } }, /60 s/],
    ['clock', 'fault', { coordinator: { ...ANSWERED, clockAheadMs: 180_000 } }, /180 s/],
    [
      'ready',
      'fault',
      { coordinator: { ...ANSWERED, isReady: false, missing: ['the hub', 'settlement'] } },
      /Missing: the hub; settlement/,
    ],
    [
      'degraded',
      'advice',
      { coordinator: { ...ANSWERED, degraded: ['the stream EVENTS stores nothing'] } },
      /stores nothing/,
    ],
    ['hubs', 'fault', { hubs: [{ address: 'hub:7422', fault: 'no answer' }] }, /1 of 1/],
    [
      'hubs',
      'advice',
      { hubs: [...HEALTHY.hubs, { address: 'hub-2:7422', fault: 'no answer' }] },
      /1 of 2 .*hub-2/,
    ],
    ['models', 'fault', { models: [] }, /No model/],
    ['models', 'fault', { models: [{ model: 'llama', serves: false }] }, /serves llama/],
    [
      'models',
      'advice',
      { models: [...(HEALTHY.models ?? []), { model: 'gemma', serves: false }] },
      /serves gemma/,
    ],
    ['operator_routes', 'fault', { openRoutes: ['/metrics'] }, /\/metrics/],
    [
      'answer',
      'fault',
      { answer: { state: 'refused', model: 'llama', detail: '402 no money' } },
      /402/,
    ],
    ['stream', 'fault', { answer: { ...STREAMED, arrivals: 1 } }, /all at once/],
  ])('%s: %s', (name, state, changes, text) => {
    expect(finding(name, changes)).toMatchObject({
      state,
      text: expect.stringMatching(text),
      fix: expect.any(String),
    });
  });

  test('a short answer that arrives at once proves nothing about the proxy', () => {
    const answer = { ...STREAMED, arrivals: 1, wholeMs: 50 };
    expect(finding('stream', { answer })).toMatchObject({ state: 'ok' });
  });

  test('without a key no answer is asked for, and the reason is named', () => {
    const found = finding('answer', { answer: undefined });
    expect(found).toMatchObject({
      state: 'unknown',
      text: expect.stringContaining('DINF_API_KEY'),
    });
  });
});
