import { useEffect, useReducer } from 'preact/hooks';
import { ApiFailure } from '../api/failure.ts';
import {
  LOADING,
  type ResourceState,
  withAnswer,
  withFailure,
  withRetry,
} from './resource-state.ts';

interface Entry {
  state: ResourceState<unknown>;
  load: () => Promise<unknown>;
  /** Number of the newest call; the answers of older ones are dropped. */
  calls: number;
  readonly watchers: Set<() => void>;
}

/** Largest number of answers in memory. Beyond it, those that no part of the page shows are dropped. */
const MAX_ENTRIES = 200;
/** Answers of the API by name, for all parts of the page that show them. */
const entries = new Map<string, Entry>();

export interface Resource<T> {
  readonly state: ResourceState<T>;
  readonly reload: () => void;
}

/**
 * Reads an answer of the API and shows it in every component that names it. `everyMs` repeats the
 * call while the page is visible.
 */
export function useResource<T>(
  name: string,
  load: () => Promise<T>,
  everyMs?: number,
): Resource<T> {
  const [, render] = useReducer<number, void>((version) => version + 1, 0);
  const entry = entryOf(name, load);
  useEffect(() => {
    const watcher = () => render();
    const current = entryOf(name, load);
    current.watchers.add(watcher);
    if (current.watchers.size === 1) void refresh(current);
    render();
    return () => {
      current.watchers.delete(watcher);
    };
  }, [name]);
  useEffect(() => {
    if (everyMs === undefined) return;
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') void refresh(entryOf(name, load));
    }, everyMs);
    return () => clearInterval(timer);
  }, [name, everyMs]);
  return { state: entry.state as ResourceState<T>, reload: () => void refresh(entry) };
}

/** Reads the answers again whose names begin with one of these texts, if they are shown. */
export function invalidate(...beginnings: string[]): void {
  for (const [name, entry] of entries) {
    if (!beginnings.some((beginning) => name.startsWith(beginning))) continue;
    if (entry.watchers.size > 0) void refresh(entry);
    else entries.delete(name);
  }
}

/** Forgets all answers, when a person signs out. */
export function forgetResources(): void {
  entries.clear();
}

function entryOf(name: string, load: () => Promise<unknown>): Entry {
  const existing = entries.get(name);
  if (existing) {
    existing.load = load;
    return existing;
  }
  if (entries.size >= MAX_ENTRIES)
    for (const [old, { watchers }] of entries) if (watchers.size === 0) entries.delete(old);
  const entry: Entry = { state: LOADING, load, calls: 0, watchers: new Set() };
  entries.set(name, entry);
  return entry;
}

async function refresh(entry: Entry): Promise<void> {
  entry.calls += 1;
  const call = entry.calls;
  const show = (state: ResourceState<unknown>) => {
    if (call !== entry.calls) return;
    entry.state = state;
    for (const watcher of entry.watchers) watcher();
  };
  show(withRetry(entry.state));
  try {
    show(withAnswer(await entry.load(), Date.now()));
  } catch (error) {
    show(withFailure(entry.state, asFailure(error)));
  }
}

const asFailure = (error: unknown): ApiFailure =>
  error instanceof ApiFailure
    ? error
    : new ApiFailure('internal', error instanceof Error ? error.message : String(error));
