import { describe, expect, test } from 'vitest';
import { ApiError } from './errors.ts';
import { queueWaitMs, retryAfterHeader } from './retry-after.ts';

const headerFor = (retryAfterMs?: number) =>
  retryAfterHeader(
    new ApiError('saturated', undefined, retryAfterMs === undefined ? {} : { retryAfterMs }),
  );

describe('Retry-After', () => {
  test.each([
    [undefined, '2'],
    [0, '1'],
    [1_000, '1'],
    [1_001, '2'],
    [59_999, '60'],
    [600_000, '60'],
  ])('a wait of %s ms becomes %s s', (ms, seconds) => {
    expect(headerFor(ms)).toEqual({ 'retry-after': seconds });
  });

  test('an error that no repetition can cure has no header, even with a wait', () => {
    const error = new ApiError('invalid_request', undefined, { retryAfterMs: 5_000 });
    expect(retryAfterHeader(error)).toEqual({});
  });

  test.each([
    [undefined, 2_000],
    [10, 2_000],
    [7_000.4, 7_000],
    [3_600_000, 30_000],
  ])('a queue that is served in %s ms demands a wait of %s ms', (estimate, ms) => {
    expect(queueWaitMs(estimate)).toBe(ms);
  });
});
