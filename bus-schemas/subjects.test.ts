import { expect, test } from 'vitest';
import { newIngressId, newJobId, randomToken } from './ids.ts';
import { core, parseFrameSubject, provider, providerOf } from './subjects.ts';

const P = `A${'B'.repeat(55)}`;

test('a subject in the account of a provider appears in CORE with the id of the provider in second place', () => {
  const job = newJobId();
  const ingress = newIngressId();
  const heard = provider.frames(ingress, job).replace(/^up\./, `up.${P}.`);
  expect(heard).toBe(core.frames(P, ingress, job));
  expect(parseFrameSubject(heard)).toEqual({ provider: P, job });
  const everyGroup = core.everyFrameGroupOf(ingress);
  expect(provider.frameGroup(ingress).replace(/^up\./, 'up.*.')).toBe(everyGroup);
  expect(providerOf(core.up(P, 'beat'))).toBe(P);
  expect(core.down(P, 'job').replace(`.${P}`, '')).toBe(provider.down('job'));
});

test('ids contain only characters that are allowed in subjects, all with the same probability', () => {
  const counts = new Map<string, number>();
  for (const character of randomToken(72_000))
    counts.set(character, (counts.get(character) ?? 0) + 1);
  expect(counts.size).toBe(36);
  for (const [character, count] of counts) {
    expect(character).toMatch(/[0-9a-z]/);
    // The expected number is 2,000; the limits are seven standard deviations away.
    expect(Math.abs(count - 2_000)).toBeLessThan(320);
  }
});

test('no two ids are the same', () => {
  const ids = new Set(Array.from({ length: 10_000 }, () => newJobId()));
  expect(ids.size).toBe(10_000);
});
