import { send, whenSignedOut } from '../api/call.ts';
import { ApiFailure } from '../api/failure.ts';
import { forgetResources } from '../state/resource.ts';
import { SharedState } from '../state/shared-state.ts';

export type OperatorState =
  | { readonly phase: 'checking' }
  | { readonly phase: 'signed-in'; readonly operator: string }
  | { readonly phase: 'signed-out'; readonly hasExpired: boolean }
  | { readonly phase: 'unreachable'; readonly failure: ApiFailure };

const SESSION = '/operator/session';

const state = new SharedState<OperatorState>({ phase: 'checking' });

export const useOperatorSession = (): OperatorState => state.use();

/** Asks the server which operator is signed in. */
export async function checkOperator(): Promise<void> {
  state.set({ phase: 'checking' });
  try {
    state.set(await signedIn(await send({ method: 'GET', path: SESSION })));
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    state.set(
      error.status === 401
        ? { phase: 'signed-out', hasExpired: false }
        : { phase: 'unreachable', failure: error },
    );
  }
}

export async function signInAsOperator(key: string): Promise<void> {
  state.set(await signedIn(await send({ method: 'POST', path: SESSION, body: { key } })));
}

export async function signOutOperator(): Promise<void> {
  await send({ method: 'DELETE', path: SESSION });
  forgetResources();
  state.set({ phase: 'signed-out', hasExpired: false });
}

whenSignedOut(() => {
  if (state.value.phase !== 'signed-in') return;
  forgetResources();
  state.set({ phase: 'signed-out', hasExpired: true });
});

const signedIn = async (response: Response): Promise<OperatorState> => ({
  phase: 'signed-in',
  operator: ((await response.json()) as { operator: string }).operator,
});
