import { expect, test } from 'vitest';
import { ApiFailure } from '../api/failure.ts';
import {
  LOADING,
  type ResourceState,
  withAnswer,
  withFailure,
  withRetry,
} from './resource-state.ts';

const failure = new ApiFailure('unreachable', '');

test('a first call that fails has no value', () => {
  expect(withFailure<number>(LOADING, failure)).toEqual({ phase: 'failed', failure });
});

test('a refresh that fails keeps the value and its time', () => {
  const stale = withFailure(withAnswer(5, 1_000), failure);
  expect(stale).toEqual({ phase: 'stale', value: 5, at: 1_000, failure });
  expect(withFailure(stale, failure)).toEqual(stale);
});

test('another try shows that the page loads again only if there is no value', () => {
  expect(withRetry<number>({ phase: 'failed', failure })).toEqual(LOADING);
  const ready: ResourceState<number> = withAnswer(5, 1_000);
  expect(withRetry(ready)).toBe(ready);
});
