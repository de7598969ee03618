import { expect, test } from 'vitest';
import type { OwnMachine } from './answers.ts';
import { machineState, stepsOf } from './machine-state.ts';

const slot = {
  build: 'tiny-q4',
  running: 0,
  serves: true,
  because: 'It is ready.',
  gate: null,
  in_memory: true,
  memory_bytes: 700_000_000,
};
const machine: OwnMachine = {
  id: 'P1',
  name: 'studio',
  enrolled_at: '2026-01-01T00:00:00Z',
  revoked_at: null,
  online: true,
  public_name: null,
  chip: 'Apple M4',
  memory_bytes: 16_000_000_000,
  trust: { standing: 'verified', level: 'hardware', fault: null, because: null },
  record: null,
  slots: [slot],
};
const busy = { ...slot, running: 2 };
const closed = { ...slot, serves: false, because: 'Its owner works on it.' };

test.each<[string, OwnMachine, string, string]>([
  ['idle', machine, 'good', 'Ready: 1 model'],
  ['busy', { ...machine, slots: [busy, slot] }, 'good', 'Answers 2 requests'],
  ['closed', { ...machine, slots: [closed] }, 'notice', 'Its owner works on it.'],
  ['without models', { ...machine, slots: [] }, 'notice', 'It offers no model'],
  ['away', { ...machine, online: false }, 'bad', 'Not connected'],
  ['removed', { ...machine, revoked_at: '2026-02-01T00:00:00Z' }, 'quiet', 'Removed'],
])(
  'a machine that is %s says so, and idle ones are never called earning',
  (_, each, tone, text) => {
    const state = machineState(each);
    expect(state.tone).toBe(tone);
    expect(state.text).toContain(text);
  },
);

test('a machine that is not trusted gives the reason before anything else', () => {
  const trust = {
    standing: 'untrusted',
    level: 'none',
    fault: 'unknown_code',
    because: 'Update it.',
  } as const;
  expect(machineState({ ...machine, trust, online: false }).text).toBe('Update it.');
});

test('the steps of the set-up are those that the machine has reached', () => {
  const none = { linked: false, online: false, verified: false, serves: false };
  expect(stepsOf(undefined)).toEqual(none);
  expect(stepsOf({ ...machine, slots: [closed] })).toEqual({
    linked: true,
    online: true,
    verified: true,
    serves: false,
  });
});
