import { expect, test } from 'vitest';
import { type SlotState, SUITE_ID } from '#bus-schemas';
import { announcement, idOf, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';
import { WarmPool } from './warm-pool.ts';

/**
 * Simulates one minute: machines with four slots each, and a number of requests per second that
 * take two seconds each.
 */
function setUp(states: readonly SlotState[], perSecond: number) {
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: 0,
    graceMs: 0,
    startedAt: 0,
    random: () => 0,
  });
  const pool = new WarmPool();
  const say = (index: number, state: SlotState, loadMs = 5_000) =>
    router.fleet.announce(
      idOf(String.fromCharCode(66 + index)),
      announcement({ sequence: Date.now() }, [slot({ state, loadMs })]),
      0,
    );
  for (const [index, state] of states.entries()) say(index, state, 5_000 + index);
  for (let at = 0; at < 60_000; at += 1_000 / perSecond) {
    pool.arrived('sim', at);
    pool.served('sim', 2_000);
  }
  const orders = (now = 60_000) => pool.orders((build) => router.fleet.serving(build), now);
  return { orders, say };
}

test('the number of warm slots is one and a half times the number of requests that run at once', () => {
  // One request per second of two seconds each: two run at once, three slots are wanted, four are
  // there.
  expect(setUp(['resident', 'cold'], 1).orders()).toEqual([]);
  // Three requests per second: nine slots are wanted.
  expect(setUp(['resident', 'cold', 'cold'], 3).orders()).toEqual([
    { provider: idOf('C'), build: 'sim' },
  ]);
});

test('orders one machine at a time, counts a loading slot as warm, and repeats an ignored order elsewhere', () => {
  const { orders, say } = setUp(['resident', 'cold', 'cold'], 5);
  expect(orders()).toHaveLength(1);
  expect(orders(61_000)).toEqual([]);
  say(1, 'loading');
  expect(orders(62_000)).toEqual([{ provider: idOf('D'), build: 'sim' }]);
  expect(orders(63_000)).toEqual([]);
  expect(orders(73_000)).toEqual([{ provider: idOf('D'), build: 'sim' }]);
});

test('nothing is loaded without requests, or if no machine has the build', () => {
  const { orders } = setUp(['cold'], 3);
  expect(orders(60_000 + 30 * 60_000)).toEqual([]);
  expect(setUp(['resident'], 10).orders()).toEqual([]);
});
