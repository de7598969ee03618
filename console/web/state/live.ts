import { useEffect, useState } from 'preact/hooks';
import { noteRefusal, send } from '../api/call.ts';
import { eventsOf } from '../api/event-stream.ts';
import { ApiFailure } from '../api/failure.ts';
import { invalidate } from './resource.ts';

const EVENTS = '/console/events';
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;

/** Answers of the API that each kind of event changes, by the beginning of their names. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  job: ['account', 'balance', 'usage', 'keys', 'statement'],
  earned: ['account', 'balance', 'machines', 'earnings', 'statement'],
  balance: ['account', 'balance', 'statement', 'withdrawals'],
  key: ['keys'],
  machine: ['machines'],
  // Events may be missing, so every answer is read again.
  reset: [''],
};

export type LiveState =
  | { readonly connected: true }
  | { readonly connected: false; readonly since: number | undefined };

/**
 * Keeps one stream of events open while the page is shown, and reads the answers again that an
 * event changes. After a break it continues behind the last event.
 */
export function useLiveEvents(): LiveState {
  const [state, setState] = useState<LiveState>({ connected: false, since: undefined });
  useEffect(() => {
    const closed = new AbortController();
    void listen(closed.signal, setState);
    return () => closed.abort();
  }, []);
  return state;
}

async function listen(signal: AbortSignal, show: (state: LiveState) => void): Promise<void> {
  let lastId: string | undefined;
  let pause = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      const response = await send({
        method: 'GET',
        path: EVENTS,
        signal,
        headers: { accept: 'text/event-stream', ...(lastId && { 'last-event-id': lastId }) },
      });
      pause = FIRST_PAUSE_MS;
      for await (const { id, name } of eventsOf(response)) {
        lastId = id ?? lastId;
        show(name === 'stale' ? { connected: false, since: Date.now() } : { connected: true });
        invalidate(...(CHANGES[name] ?? []));
      }
    } catch (error) {
      if (signal.aborted) return;
      // A network without this route is read again every minute, like everything else.
      if (error instanceof ApiFailure && error.status === 404) return;
      // The stream ends with its session, so this is how a page notices that it was signed out.
      if (error instanceof ApiFailure && error.status === 401) return noteRefusal(error);
      console.warn('the stream of events ended', error);
    }
    if (signal.aborted) return;
    show({ connected: false, since: Date.now() });
    await pauseFor(pause, signal);
    pause = Math.min(pause * 2, MAX_PAUSE_MS);
  }
}

const pauseFor = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
