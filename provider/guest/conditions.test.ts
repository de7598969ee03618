import { expect, test } from 'vitest';
import { conditionsOf, type Readings } from './conditions.ts';

const unknown: Readings = {
  thermal: undefined,
  power: undefined,
  pressure: undefined,
  freeBytes: undefined,
  cpuLoad: undefined,
};

test('what the system does not report is left out', () => {
  expect(conditionsOf(unknown)).toEqual({});
  expect(conditionsOf({ ...unknown, power: { isOnBattery: false, percent: undefined } })).toEqual({
    onBattery: false,
  });
});

test('readings are announced in the units of the network', () => {
  expect(
    conditionsOf({
      thermal: 'fair',
      power: { isOnBattery: true, percent: 50, savesPower: true },
      pressure: 'high',
      freeBytes: 5.5e9,
      cpuLoad: 0.123_4,
    }),
  ).toEqual({
    thermal: 'fair',
    onBattery: true,
    lowPower: true,
    memoryPressure: 0.5,
    freeMemoryMb: 5_500,
    cpuLoad: 0.12,
  });
  expect(conditionsOf({ ...unknown, pressure: 'normal', freeBytes: -1 })).toEqual({
    memoryPressure: 0,
    freeMemoryMb: 0,
  });
});
