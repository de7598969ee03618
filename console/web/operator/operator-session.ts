import { useEffect, useState } from 'preact/hooks';
import { send, whenSignedOut } from '../api/call.ts';
import { ApiFailure } from '../api/failure.ts';
import { forgetResources } from '../state/resource.ts';

export type OperatorState =
  | { readonly phase: 'checking' }
  | { readonly phase: 'signed-in'; readonly operator: string }
  | { readonly phase: 'signed-out'; readonly hasExpired: boolean }
  | { readonly phase: 'unreachable'; readonly failure: ApiFailure };

const SESSION = '/operator/session';

let state: OperatorState = { phase: 'checking' };
const watchers = new Set<(state: OperatorState) => void>();

function set(next: OperatorState): void {
  state = next;
  for (const watcher of watchers) watcher(next);
}

export function useOperatorSession(): OperatorState {
  const [shown, show] = useState(state);
  useEffect(() => {
    watchers.add(show);
    show(state);
    return () => {
      watchers.delete(show);
    };
  }, []);
  return shown;
}

/** Asks the server which operator is signed in. */
export async function checkOperator(): Promise<void> {
  set({ phase: 'checking' });
  try {
    set(await signedIn(await send({ method: 'GET', path: SESSION })));
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    set(
      error.status === 401
        ? { phase: 'signed-out', hasExpired: false }
        : { phase: 'unreachable', failure: error },
    );
  }
}

export async function signInAsOperator(key: string): Promise<void> {
  set(await signedIn(await send({ method: 'POST', path: SESSION, body: { key } })));
}

export async function signOutOperator(): Promise<void> {
  await send({ method: 'DELETE', path: SESSION });
  forgetResources();
  set({ phase: 'signed-out', hasExpired: false });
}

whenSignedOut(() => {
  if (state.phase !== 'signed-in') return;
  forgetResources();
  set({ phase: 'signed-out', hasExpired: true });
});

const signedIn = async (response: Response): Promise<OperatorState> => ({
  phase: 'signed-in',
  operator: ((await response.json()) as { operator: string }).operator,
});
