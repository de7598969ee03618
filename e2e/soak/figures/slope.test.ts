import { describe, expect, test } from 'vitest';
import { exceeds, type Point, secondHalf, slopeOf } from './slope.ts';

const points = (valueAt: (minute: number) => number): Point[] =>
  Array.from({ length: 120 }, (_, minute) => ({ minute, value: valueAt(minute) }));

describe('the slope of a series', () => {
  test('is the change in a minute, without an error on a straight line', () => {
    const { perMinute, error } = slopeOf(points((minute) => 100 + 2 * minute));
    expect(perMinute).toBeCloseTo(2);
    expect(error).toBeCloseTo(0);
  });

  test('is 0 for too few points', () => {
    expect(slopeOf([{ minute: 1, value: 5 }])).toEqual({ perMinute: 0, error: 0 });
  });

  test('exceeds a limit that a leak exceeds, and not one that only noise exceeds', () => {
    const sawtooth = (minute: number) => (minute % 7) * 10;
    expect(exceeds(slopeOf(points(sawtooth)), 0.2)).toBe(false);
    expect(exceeds(slopeOf(points((minute) => sawtooth(minute) + 1.5 * minute)), 1)).toBe(true);
  });

  test('of the second half does not have what grew in the first', () => {
    const filled = points((minute) => Math.min(minute, 50) * 10);
    expect(slopeOf(secondHalf(filled)).perMinute).toBeCloseTo(0);
    expect(slopeOf(filled).perMinute).toBeGreaterThan(1);
  });
});
