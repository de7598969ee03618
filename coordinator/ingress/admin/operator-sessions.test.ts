import { expect, test } from 'vitest';
import { OPERATOR_SESSION_MS, OperatorSessions } from './operator-sessions.ts';

const KEY = Uint8Array.of(1, 2, 3);

test('a session names its key until it is ended or its time is over', () => {
  let now = 0;
  const sessions = new OperatorSessions(() => now);
  const [first, second] = [sessions.start(KEY), sessions.start(KEY)];
  expect(sessions.keyHashOf(first)).toEqual(KEY);
  sessions.end(first);
  expect(sessions.keyHashOf(first)).toBe(undefined);
  now = OPERATOR_SESSION_MS - 1;
  expect(sessions.keyHashOf(second)).toEqual(KEY);
  now = OPERATOR_SESSION_MS;
  expect(sessions.keyHashOf(second)).toBe(undefined);
  expect(sessions.keyHashOf('os-db-another')).toBe(undefined);
});

test('a session beyond the maximum ends the one that was used least recently', () => {
  const sessions = new OperatorSessions(() => 0);
  const first = sessions.start(KEY);
  const others = Array.from({ length: 256 }, () => sessions.start(KEY));
  expect(sessions.keyHashOf(first)).toBe(undefined);
  expect(others.every((cookie) => sessions.keyHashOf(cookie) !== undefined)).toBe(true);
});
