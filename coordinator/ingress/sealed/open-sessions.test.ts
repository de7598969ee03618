import { expect, test } from 'vitest';
import { OpenSessions, type SessionTurn } from './open-sessions.ts';

const KEY = 'key_0000';
const allOf = (sessions: OpenSessions): SessionTurn[] => {
  const turns: SessionTurn[] = [];
  for (let turn = sessions.tryTake(KEY); turn !== undefined; turn = sessions.tryTake(KEY))
    turns.push(turn);
  return turns;
};
const wasteAll = (sessions: OpenSessions) => {
  for (const turn of allOf(sessions)) turn.wasted();
};

test('a key has four unordered sessions, fewer with each that it wastes, and four again a minute later', () => {
  let now = 0;
  const sessions = new OpenSessions(() => now);
  const four = allOf(sessions);
  expect(four).toHaveLength(4);
  expect(sessions.tryTake('key_of_another')).toBeDefined();
  four[0]?.wasted();
  four[0]?.wasted();
  for (const turn of four) turn.ended();
  expect(allOf(sessions).map((turn) => turn.ended())).toHaveLength(2);
  wasteAll(sessions);
  expect(allOf(sessions).map((turn) => turn.ended())).toHaveLength(1);
  now = 59_999;
  expect(allOf(sessions).map((turn) => turn.ended())).toHaveLength(1);
  now = 60_000;
  expect(allOf(sessions)).toHaveLength(4);
});

test('a client that orders at once can open hundreds of sessions concurrently, each in its turn', async () => {
  const sessions = new OpenSessions(() => 0);
  let waiting = 0;
  const open = async () => {
    const turn = await sessions.take(KEY);
    waiting += 1;
    await new Promise(setImmediate);
    waiting -= 1;
    turn.ordered();
  };
  for (let round = 0; round < 10; round += 1) await Promise.all(Array.from({ length: 64 }, open));
  expect(waiting).toBe(0);
  expect(allOf(sessions)).toHaveLength(32);
});

test('of many sessions without an order, four open, sixty-four wait, and all others are refused at once', async () => {
  const sessions = new OpenSessions(() => 0);
  const taken = await Promise.allSettled(Array.from({ length: 100 }, () => sessions.take(KEY)));
  const refused = taken.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  expect(refused).toHaveLength(96);
  expect(new Set(refused.map(({ reason }) => reason.code))).toEqual(
    new Set(['rate_limit_exceeded']),
  );
});

test('keys without an open session are removed if there are too many', () => {
  const sessions = new OpenSessions(() => 0);
  for (let key = 0; key < 20_000; key += 1) sessions.tryTake(`key_${key}`)?.ordered();
  expect(sessions.keys).toBe(10_000);
});
