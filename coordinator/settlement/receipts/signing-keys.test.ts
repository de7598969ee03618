import { pino } from 'pino';
import { expect, test } from 'vitest';
import { BusError } from '#coordinator/bus.ts';
import { SigningKeys } from './signing-keys.ts';

const [first, second] = [new Uint8Array(65).fill(1), new Uint8Array(65).fill(2)];

function keysOf(shown: { key: Uint8Array | undefined; isAway: boolean }) {
  const time = { now: 0 };
  const asked: string[] = [];
  const ask = async (provider: string) => {
    asked.push(provider);
    if (shown.isAway) throw new BusError('unavailable', 'trust does not answer');
    return shown.key;
  };
  return {
    keys: new SigningKeys({ requestKey: ask, log: pino({ level: 'silent' }), now: () => time.now }),
    asked,
    time,
  };
}

test('a key that trust has seen is requested once a minute, and a new one at once', async () => {
  const shown = { key: first as Uint8Array | undefined, isAway: false };
  const { keys, asked, time } = keysOf(shown);
  expect([await keys.proofOf('P', first), await keys.proofOf('P', first), asked.length]).toEqual([
    'signed',
    'signed',
    1,
  ]);
  time.now = 60_000;
  expect([await keys.proofOf('P', first), asked.length]).toEqual(['signed', 2]);
  shown.key = second;
  expect([await keys.proofOf('P', second), await keys.proofOf('P', first)]).toEqual([
    'signed',
    'unsigned',
  ]);
});

test('while trust does not answer, a cached key is accepted and any other key stays undecided', async () => {
  const shown = { key: first as Uint8Array | undefined, isAway: false };
  const { keys, time } = keysOf(shown);
  await keys.proofOf('P', first);
  shown.isAway = true;
  time.now = 600_000;
  expect(await keys.proofOf('P', first)).toBe('signed');
  expect(await keys.proofOf('P', second)).toBe('unknown');
  expect(await keys.proofOf('Q', first)).toBe('unknown');
  expect(await keys.proofOf('P', undefined)).toBe('unsigned');
});
