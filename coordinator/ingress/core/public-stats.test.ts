import { expect, test } from 'vitest';
import { publicStats } from './public-stats.ts';

const HOUR_MS = 3_600_000;
const NOW = 40 * 24 * HOUR_MS;
const hour = (hoursAgo: number, requests: number, tokens: number) => ({
  at: NOW - hoursAgo * HOUR_MS,
  requests,
  completed: requests,
  tokens,
});
const model = (name: string, requests: number, tokens: number) => ({
  model: name,
  dayRequests: requests,
  dayTokens: tokens,
  monthRequests: requests,
  monthTokens: tokens,
  tokensPerSecond: 41.37,
});
const look = (
  hours: ReturnType<typeof hour>[],
  models: Parameters<typeof publicStats>[0]['models'] = [],
  inCatalog = ['public'],
) => publicStats({ hours, models }, { now: NOW, inCatalog: new Set(inCatalog) });

test('counts are rounded to two digits, so that one request more is not visible', () => {
  const { hours, last24Hours } = look([hour(1, 1_234, 567_890)]);
  expect(hours).toEqual([{ at: NOW - HOUR_MS, requests: 1_200, tokens: 570_000 }]);
  expect(last24Hours).toEqual({ requests: 1_200, tokens: 570_000 });
  expect(look([hour(1, 1_235, 567_999)])).toEqual(look([hour(1, 1_234, 567_890)]));
});

test('an hour with fewer than ten requests shows none, but its requests count in the totals', () => {
  const { hours, last30Days } = look([hour(30, 9, 4_000), hour(1, 6, 1_000)]);
  expect(hours.map(({ requests, tokens }) => [requests, tokens])).toEqual([
    [0, 0],
    [0, 0],
  ]);
  expect(last30Days).toEqual({ requests: 15, tokens: 5_000 });
});

test('the last 24 hours leave out older hours', () => {
  expect(look([hour(25, 500, 500), hour(2, 20, 40)]).last24Hours).toEqual({
    requests: 20,
    tokens: 40,
  });
});

test('a model is shown if it is in the catalog and has at least ten requests', () => {
  const models = [model('public', 30, 900), model('quiet', 9, 900), model('own-build', 99, 900)];
  expect(look([], models, ['public', 'quiet']).models).toEqual([
    {
      model: 'public',
      requests: 30,
      tokens: 900,
      last30Days: { requests: 30, tokens: 900 },
      tokensPerSecond: 41,
    },
  ]);
});

test('the speeds of a day are rounded, and shown only for at least ten answers', () => {
  const spread = { p50: 1_234, p95: 98.76 };
  const lastDay = (answers: number) => ({
    answers,
    firstContentMs: spread,
    tokensPerSecond: spread,
  });
  const speedsOf = (answers: number) =>
    look([], [{ ...model('public', 30, 900), lastDay: lastDay(answers) }]).models[0]?.lastDay;
  const rounded = { p50: 1_200, p95: 99 };
  expect(speedsOf(10)).toEqual({ firstContentMs: rounded, tokensPerSecond: rounded });
  expect(speedsOf(9)).toBeUndefined();
});
