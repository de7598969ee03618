import { expect, test } from 'vitest';
import { limitHeaders } from './limit-taker.ts';

const limits = { requests: 60, inputTokens: 1_000, outputTokens: 500 };
const room = (remaining: number, resetMs: number) => ({ remaining, resetMs });

test('clients get what is left of requests and of tokens, and the tightest limit of tokens', () => {
  const taken = {
    ok: true,
    retryAfterMs: 0,
    requests: room(59, 1_000),
    inputTokens: room(900, 6_001),
    outputTokens: room(100, 48_000),
  };
  expect(limitHeaders(taken, limits)).toEqual({
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '59',
    'x-ratelimit-reset-requests': '1s',
    'x-ratelimit-limit-input-tokens': '1000',
    'x-ratelimit-remaining-input-tokens': '900',
    'x-ratelimit-reset-input-tokens': '7s',
    'x-ratelimit-limit-output-tokens': '500',
    'x-ratelimit-remaining-output-tokens': '100',
    'x-ratelimit-reset-output-tokens': '48s',
    'x-ratelimit-limit-tokens': '500',
    'x-ratelimit-remaining-tokens': '100',
    'x-ratelimit-reset-tokens': '48s',
  });
});

test('a limit of requests has no headers about tokens', () => {
  const headers = limitHeaders(
    { ok: true, retryAfterMs: 0, requests: room(1, 0) },
    { requests: 2 },
  );
  expect(Object.keys(headers).filter((name) => name.includes('tokens'))).toEqual([]);
  expect(headers['x-ratelimit-remaining-requests']).toBe('1');
});
