import { send, whenSignedOut } from '../api/call.ts';
import { ApiFailure } from '../api/failure.ts';
import { eraseChats } from '../chat/history.ts';
import { forgetResources } from './resource.ts';
import { SharedState } from './shared-state.ts';

/** The person who is signed in, as the server describes the session. */
export interface SignedInPerson {
  readonly account: string;
  readonly name: string;
  readonly email?: string;
  readonly roles: readonly string[];
  readonly expires_at: string;
}

export type SessionState =
  | { readonly phase: 'checking' }
  | { readonly phase: 'signed-in'; readonly session: SignedInPerson }
  | { readonly phase: 'signed-out'; readonly because: 'none' | 'expired' | 'left' }
  | { readonly phase: 'unreachable'; readonly failure: ApiFailure };

const SESSION = '/console/session';

const state = new SharedState<SessionState>({ phase: 'checking' });

export const useSession = (): SessionState => state.use();

/** Asks the server who is signed in. */
export async function checkSession(): Promise<void> {
  state.set({ phase: 'checking' });
  try {
    state.set(await signedIn(await send({ method: 'GET', path: SESSION })));
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error;
    state.set(
      error.status === 401
        ? { phase: 'signed-out', because: 'none' }
        : { phase: 'unreachable', failure: error },
    );
  }
}

/** Signs in with the code of a link; throws ApiFailure if the code is wrong or was used. */
export async function signInWith(code: string): Promise<void> {
  state.set(await signedIn(await send({ method: 'POST', path: SESSION, body: { code } })));
}

/** Ends this session, or every session of the person. */
export async function signOut(where: 'here' | 'everywhere'): Promise<void> {
  await send({ method: 'DELETE', path: where === 'here' ? SESSION : '/console/sessions' });
  eraseChats();
  forgetResources();
  state.set({ phase: 'signed-out', because: 'left' });
}

whenSignedOut(() => {
  if (state.value.phase !== 'signed-in') return;
  forgetResources();
  state.set({ phase: 'signed-out', because: 'expired' });
});

const signedIn = async (response: Response): Promise<SessionState> => ({
  phase: 'signed-in',
  session: (await response.json()) as SignedInPerson,
});
