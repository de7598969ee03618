import { expect, test } from 'vitest';
import { ailments } from './ailment.ts';
import { drawMacs } from './mix.ts';

const fleet = { count: 400, chip: undefined, seed: 1, ailment: ailments.hot, ailing: 0.25 };

test('the same seed gives the same fleet, and another seed gives another fleet', () => {
  const [one, same, other] = [drawMacs(fleet), drawMacs(fleet), drawMacs({ ...fleet, seed: 2 })];
  expect(same).toEqual(one);
  expect(other).not.toEqual(one);
});

test('a mixed fleet has many cheap Macs, few expensive ones, and the requested share of ailing ones', () => {
  const macs = drawMacs(fleet);
  const share = (isMeant: (mac: (typeof macs)[number]) => boolean) =>
    macs.filter(isMeant).length / macs.length;
  expect(share(({ chip }) => chip === 'm4')).toBeGreaterThan(0.15);
  expect(share(({ chip }) => chip === 'm3-ultra')).toBeLessThan(0.05);
  expect(share(({ ailment }) => ailment !== undefined)).toBeCloseTo(0.25, 1);
  expect(
    new Set(drawMacs({ ...fleet, chip: 'm1', ailing: 0 }).map((mac) => JSON.stringify(mac))),
  ).toEqual(new Set(['{"chip":"m1"}']));
});
