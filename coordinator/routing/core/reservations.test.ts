import { expect, test } from 'vitest';
import { idOf } from './fleet-under-test.ts';
import { Reservations } from './reservations.ts';

const place = { account: 'acct_0000', provider: idOf('B'), build: 'sim', tokens: 10, promptMs: 0 };

test('a slot whose machine has ended its job is free a while later, although no end was reported', () => {
  const reservations = new Reservations();
  for (const job of ['ended', 'running', 'unreported']) reservations.take({ ...place, job, at: 0 });
  const promises = reservations.promised(place.provider, place.build);
  promises.reported(['ended', 'running']);
  promises.reported(['running']);
  const left = (now: number) => {
    reservations.dropVanished(now);
    return ['ended', 'running', 'unreported'].filter((job) => reservations.of(job) !== undefined);
  };
  expect(left(1_000)).toEqual(['ended', 'running', 'unreported']);
  expect(left(15_999)).toEqual(['ended', 'running', 'unreported']);
  expect(left(16_000)).toEqual(['running', 'unreported']);
});

test('a job that its machine reports again keeps its slot', () => {
  const reservations = new Reservations();
  reservations.take({ ...place, job: 'job', at: 0 });
  const promises = reservations.promised(place.provider, place.build);
  promises.reported(['job']);
  promises.reported([]);
  reservations.dropVanished(0);
  promises.reported(['job']);
  reservations.dropVanished(10_000);
  promises.reported([]);
  reservations.dropVanished(20_000);
  expect(reservations.of('job')).toBeDefined();
});

test('a slot of a machine that was removed is free a while later: its ingress was killed too', () => {
  const reservations = new Reservations();
  reservations.take({ ...place, job: 'job', at: 0 });
  reservations.promised(place.provider, place.build).reported(['job']);
  reservations.dropVanished(1_000);
  reservations.unlist(place.provider, place.build);
  reservations.dropVanished(2_000);
  reservations.dropVanished(16_999);
  expect(reservations.of('job')).toBeDefined();
  reservations.dropVanished(17_000);
  expect(reservations.of('job')).toBeUndefined();
  expect(reservations.slotsKept).toBe(0);
});

test('a slot whose job never came to its machine is free after a minute: its ingress was killed', () => {
  const reservations = new Reservations();
  for (const job of ['unordered', 'running']) reservations.take({ ...place, job, at: 0 });
  const promises = reservations.promised(place.provider, place.build);
  promises.reported(['running']);
  reservations.dropVanished(59_999);
  expect(promises.count).toBe(2);
  reservations.dropVanished(60_000);
  expect(reservations.of('unordered')).toBeUndefined();
  expect(reservations.of('running')).toBeDefined();
});
