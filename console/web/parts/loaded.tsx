import type { ComponentChildren } from 'preact';
import type { ApiFailure } from '../api/failure.ts';
import { localClock } from '../format/time.ts';
import type { Resource } from '../state/resource.ts';
import { failureText } from '../texts/failure-text.ts';
import { t } from '../texts.ts';

interface LoadedProps<T> {
  readonly of: Resource<T>;
  /** Lines of the grey shape that stands for the content while it loads. */
  readonly lines?: number;
  readonly children: (value: T) => ComponentChildren;
}

/** Shows an answer of the API, or that it loads, is stale, or failed. */
export function Loaded<T>({ of: { state, reload }, lines = 3, children }: LoadedProps<T>) {
  switch (state.phase) {
    case 'loading':
      return <Skeleton lines={lines} />;
    case 'failed':
      return <Failed failure={state.failure} retry={reload} />;
    case 'stale':
      return (
        <>
          <p class="stale" role="status">
            {t.states.staleSince(localClock(state.at))} {failureText(state.failure)}{' '}
            <button type="button" class="link" onClick={reload}>
              {t.states.retry}
            </button>
          </p>
          {children(state.value)}
        </>
      );
    case 'ready':
      return <>{children(state.value)}</>;
  }
}

/** Grey lines in the place of content that is being loaded. */
export function Skeleton({ lines }: { lines: number }) {
  return (
    <div class="skeleton" role="status">
      <span class="visually-hidden">{t.states.loading}</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="skeleton-line" aria-hidden="true" />
      ))}
    </div>
  );
}

export function Failed({ failure, retry }: { failure: ApiFailure; retry?: () => void }) {
  return (
    <div class="failed" role="alert">
      <p>{failureText(failure)}</p>
      {retry && (
        <button type="button" class="button" onClick={retry}>
          {t.states.retry}
        </button>
      )}
    </div>
  );
}

interface EmptyProps {
  readonly title: string;
  readonly text: string;
  readonly children?: ComponentChildren;
}

/** What a page shows instead of an empty list, with the next step. */
export function Empty({ title, text, children }: EmptyProps) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      <p>{text}</p>
      {children}
    </div>
  );
}
