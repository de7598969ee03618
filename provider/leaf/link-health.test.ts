import { expect, test } from 'vitest';
import { judgeLink, type LinkHealth, type LinkObservation } from './link-health.ts';

const LIMIT_MS = 30_000;
const STEP_MS = 5_000;
const LINKED: LinkObservation = { links: 1, isHubReachable: true };
const NO_LINK: LinkObservation = { links: 0, isHubReachable: true };
const AWAY: LinkObservation = { links: 0, isHubReachable: false };
const SILENT: LinkObservation = { links: undefined, isHubReachable: true };

/** Times of the restarts, in seconds, for one observation every five seconds. */
function restartsOf(observe: (seconds: number) => LinkObservation, untilSeconds: number): number[] {
  let health: LinkHealth = { fault: undefined, since: 0, restarts: 0 };
  const restarts: number[] = [];
  for (let now = 0; now <= untilSeconds * 1_000; now += STEP_MS) {
    const decision = judgeLink(health, observe(now / 1_000), { now, limitMs: LIMIT_MS });
    health = decision.health;
    if (decision.mustRestart) restarts.push(now / 1_000);
  }
  return restarts;
}

test('a leaf without a link is restarted after 30 s, and then after pauses that double up to 16 min', () => {
  const restarts = restartsOf(() => NO_LINK, 7_200);
  expect(restarts).toEqual([30, 90, 210, 450, 930, 1_890, 2_850, 3_810, 4_770, 5_730, 6_690]);
});

test('a leaf is not restarted while no hub accepts connections, and that time does not count', () => {
  expect(restartsOf(() => AWAY, 86_400)).toEqual([]);
  expect(restartsOf((seconds) => (seconds < 600 ? AWAY : NO_LINK), 660)).toEqual([630]);
  // Hubs that come and go, as behind a bad network.
  expect(restartsOf((seconds) => (seconds % 20 === 0 ? AWAY : NO_LINK), 3_600)).toEqual([]);
});

test('a leaf that does not answer is restarted too', () => {
  expect(restartsOf(() => SILENT, 60)).toEqual([30]);
});

test('after a link the pause is 30 s again', () => {
  const observe = (seconds: number) => (seconds === 500 ? LINKED : NO_LINK);
  expect(restartsOf(observe, 560)).toEqual([30, 90, 210, 450, 535]);
});

test('a leaf with a link is never restarted', () => {
  expect(restartsOf(() => LINKED, 86_400)).toEqual([]);
});
