import { expect, test } from 'vitest';
import { SUITE_ID } from '#bus-schemas';
import { announcement } from './core/fleet-under-test.ts';
import { MachineHours } from './core/machine-hours.ts';
import { Router } from './core/router.ts';
import { DemandSender } from './demand-sender.ts';

const MINUTE_MS = 60_000;

/** A sender for a router of `machines` machines, and the subjects to which it has published. */
function senderOf(machines: number) {
  const options = { suite: SUITE_ID, queueDepth: 4, graceMs: 0, startedAt: 0, random: () => 0 };
  const router = new Router(options);
  for (let place = 0; place < machines; place += 1)
    router.fleet.announce(`A${String(place).padStart(55, 'A')}`, announcement(), 0);
  const published: string[] = [];
  const state = { now: 0, isLeading: true };
  const hours = new MachineHours();
  const sender = new DemandSender({
    bus: { publish: (subject) => void published.push(subject) },
    router,
    clock: () => state.now,
    isLeading: () => state.isLeading,
    now: () => state.now,
    hours,
  });
  return { sender, published, state, router, hours };
}

test('every machine gets one report a minute, and no tick sends them all', () => {
  const { sender, published, state } = senderOf(250);
  sender.tick();
  expect(published).toEqual([]);
  state.now = MINUTE_MS;
  const sent = [1, 2, 3, 4].map(() => {
    sender.tick();
    return published.length;
  });
  expect(sent).toEqual([100, 200, 250, 250]);
  expect(new Set(published).size).toBe(250);
  expect(published[0]).toMatch(/^down\.A\S+\.demand$/);
  state.now = 2 * MINUTE_MS - 1;
  sender.tick();
  expect(published).toHaveLength(250);
  state.now = 2 * MINUTE_MS;
  sender.tick();
  expect(published).toHaveLength(350);
});

test('a router that does not lead its cell, and silent machines, are left out', () => {
  const { sender, published, state, router } = senderOf(2);
  router.fleet.sweep(10, { silentMs: 5, forgetMs: 1e9 });
  state.now = MINUTE_MS;
  sender.tick();
  expect(published).toEqual([]);
  const standby = senderOf(2);
  standby.state.isLeading = false;
  standby.state.now = MINUTE_MS;
  standby.sender.tick();
  expect(standby.published).toEqual([]);
});

test('the day of each machine has a minute for each report', () => {
  const { sender, state, hours } = senderOf(1);
  for (const minute of [1, 2, 3]) {
    state.now = minute * MINUTE_MS;
    sender.tick();
  }
  expect(hours.of(`A${'A'.repeat(54)}0`, state.now)).toEqual([
    { at: 0, servingMinutes: 0, idleMinutes: 3, blockedMinutes: 0 },
  ]);
});
