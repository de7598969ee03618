import { expect, test } from 'vitest';
import { readable } from './log-view.ts';

test('a line of the log is readable', () => {
  const entry = {
    level: 40,
    time: 0,
    pid: 1,
    name: 'provider',
    because: 'no_link',
    msg: 'no link',
  };
  expect(readable(JSON.stringify(entry))).toBe('1970-01-01 00:00:00 warn  no link because=no_link');
  expect(readable('dinf: the disk is full')).toBe('dinf: the disk is full');
});
