import { expect, test } from 'vitest';
import { type Reserve, type Slot, SUITE_ID } from '#bus-schemas';
import { announcement, idOf, slot } from './fleet-under-test.ts';
import { choosePreferred } from './preferences.ts';
import { Router } from './router.ts';

const NOW = 10_000;

/** B begins soonest, C decodes fastest, and D is neither. */
function chosen(
  prefers: Reserve['prefers'],
  changes: Partial<Record<'B' | 'C' | 'D', Partial<Slot>>> = {},
  only?: string[],
): string {
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: 0,
    graceMs: 0,
    startedAt: 0,
    random: () => 0,
  });
  const slots: Record<string, Partial<Slot>> = {
    B: { prefillTps: 5_000, decodeTps: 20 },
    C: { prefillTps: 500, decodeTps: 100 },
    D: { prefillTps: 400, decodeTps: 15 },
  };
  for (const [letter, about] of Object.entries(slots))
    router.fleet.announce(
      idOf(letter),
      announcement({}, [slot({ ...about, ...changes[letter as 'B'] })]),
      NOW,
    );
  const ask = {
    job: 'job',
    builds: ['sim'],
    promptTokens: 500,
    maxOutputTokens: 100,
    exclude: [],
    ...(prefers && { prefers }),
    ...(only && { only }),
  };
  const { candidates } = choosePreferred(
    (build) => router.fleet.serving(build),
    ask,
    NOW,
    () => 0,
  );
  return candidates.map(({ provider }) => provider[1]).join('');
}
const full: Partial<Slot> = { running: 4 };

test.each<[string, string, Reserve['prefers'], Parameters<typeof chosen>[1]?, string[]?]>([
  ['without a preference, the earliest start first', 'BCD', undefined],
  ['with sort: throughput, the fastest first', 'CBD', { sort: 'throughput' }],
  ['the given order, then the others', 'DCB', { order: [idOf('D'), idOf('C')] }],
  [
    'of the given order, only those with free capacity',
    'CB',
    { order: [idOf('D'), idOf('C')] },
    { D: full },
  ],
  [
    'of the given order, only those that the request allows',
    'CB',
    { order: [idOf('D'), idOf('C')] },
    {},
    [idOf('B'), idOf('C')],
  ],
  ['only those that decode fast enough', 'C', { minTokensPerSecond: 50 }],
  ['only those that begin early enough', 'B', { maxFirstContentMs: 500 }],
  ['all of them, if none is fast enough', 'BCD', { minTokensPerSecond: 500 }],
  [
    'the machine that it is sealed for, if no other is much better',
    'DBC',
    { sealedFor: idOf('D') },
    { B: { prefillTps: 500 }, C: { prefillTps: 450 } },
  ],
  [
    'not the machine that it is sealed for, if that is much slower',
    'BCD',
    { sealedFor: idOf('D') },
  ],
  [
    'not the machine that it is sealed for, if that is full',
    'BC',
    { sealedFor: idOf('D') },
    { D: full },
  ],
  ['the others, if the fast one is full', 'BD', { minTokensPerSecond: 50 }, { C: full }],
])('%s', (_, expected, prefers, changes, only) => {
  expect(chosen(prefers, changes, only)).toBe(expected);
});
