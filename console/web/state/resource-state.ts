import type { ApiFailure } from '../api/failure.ts';

/**
 * What a page knows of one answer of the API. A value whose refresh failed is stale and stays
 * visible with its time, so that no page shows zero for something that it could not read.
 */
export type ResourceState<T> =
  | { readonly phase: 'loading' }
  | { readonly phase: 'ready'; readonly value: T; readonly at: number }
  | {
      readonly phase: 'stale';
      readonly value: T;
      /** Time of the value, in milliseconds since 1970. */
      readonly at: number;
      readonly failure: ApiFailure;
    }
  | { readonly phase: 'failed'; readonly failure: ApiFailure };

export const LOADING = { phase: 'loading' } as const;

export const withAnswer = <T>(value: T, at: number): ResourceState<T> => ({
  phase: 'ready',
  value,
  at,
});

export function withFailure<T>(before: ResourceState<T>, failure: ApiFailure): ResourceState<T> {
  return before.phase === 'ready' || before.phase === 'stale'
    ? { phase: 'stale', value: before.value, at: before.at, failure }
    : { phase: 'failed', failure };
}

/** The state when the page tries again: an old value stays, a failure gives way to "loading". */
export const withRetry = <T>(before: ResourceState<T>): ResourceState<T> =>
  before.phase === 'failed' ? LOADING : before;

/** Whether the first answer is still awaited. What depends on it would move the page later. */
export const awaitsFirstAnswer = ({ phase }: ResourceState<unknown>): boolean =>
  phase === 'loading';

/** The value, fresh or stale; undefined while there is none. */
export const knownValue = <T>(state: ResourceState<T>): T | undefined =>
  state.phase === 'ready' || state.phase === 'stale' ? state.value : undefined;
