import { expect, test } from 'vitest';
import { type Announcement, SUITE_ID } from '#bus-schemas';
import { Faults } from './faults.ts';
import { Fleet } from './fleet.ts';
import { announcement, idOf, slot } from './fleet-under-test.ts';
import { SlotPromises } from './reservations.ts';

const PROVIDER = idOf('B');
const FIRST = 's_000000000001';
const SECOND = 's_000000000002';
const word = (session: string, sequence: number, decodeTps = 50): Announcement =>
  announcement({ session, sequence }, [slot({ decodeTps })]);
const newFleet = () =>
  new Fleet(SUITE_ID, {
    promised: () => new SlotPromises(),
    unlist: () => undefined,
    fault: () => new Faults().record(PROVIDER),
    pace: () => ({ slowdown: 1 }),
    measured: () => ({ tokenMs: 0 }),
  });

test('a late message of this session, or any of the session before, is ignored', () => {
  const fleet = newFleet();
  fleet.announce(PROVIDER, word(FIRST, 9), 0);
  fleet.announce(PROVIDER, word(FIRST, 8), 10);
  expect(fleet.provider(PROVIDER)?.lastMessageAt).toBe(0);
  fleet.announce(PROVIDER, word(SECOND, 1), 20);
  fleet.announce(PROVIDER, word(FIRST, 10), 30);
  expect(fleet.provider(PROVIDER)).toMatchObject({
    session: SECOND,
    sequence: 1,
    lastMessageAt: 20,
  });
});

test('a message that was in flight does not bring back a revoked provider', () => {
  const fleet = newFleet();
  fleet.announce(PROVIDER, word(FIRST, 1), 0);
  expect(fleet.ban(PROVIDER, 10)).toBe('left');
  expect(fleet.announce(PROVIDER, word(FIRST, 2), 11)).toBeUndefined();
  expect(fleet.serving('sim').length).toBe(0);
});

test('the slots of a build are those of the last message', () => {
  const fleet = newFleet();
  fleet.announce(PROVIDER, word(FIRST, 1), 0);
  fleet.lost(PROVIDER);
  expect(fleet.serving('sim').map(({ closed }) => closed)).toEqual(['silent']);
  fleet.announce(PROVIDER, { ...word(FIRST, 2), slots: [] }, 1);
  expect(fleet.serving('sim').length).toBe(0);
});

test('one odd measurement changes a speed only a little, and a new session starts from its own claim', () => {
  const fleet = newFleet();
  const speed = () => fleet.provider(PROVIDER)?.slots.get('sim')?.decodeTps;
  fleet.announce(PROVIDER, word(FIRST, 1, 100), 0);
  fleet.announce(PROVIDER, word(FIRST, 2, 0), 1);
  expect(speed()).toBeCloseTo(70, 0);
  fleet.announce(PROVIDER, word(SECOND, 1, 20), 2);
  expect(speed()).toBe(20);
});
