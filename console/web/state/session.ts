import { eraseChats } from '../chat/history.ts';
import { ServerSession, type ServerSessionState } from './server-session.ts';

/** The person who is signed in, as the server describes the session. */
export interface SignedInPerson {
  readonly account: string;
  readonly name: string;
  readonly email?: string;
  readonly roles: readonly string[];
  readonly expires_at: string;
}

export type SessionState = ServerSessionState<SignedInPerson>;

const session = new ServerSession<SignedInPerson>('/console/session');

export const useSession = (): SessionState => session.use();

export const checkSession = (): Promise<void> => session.check();

/** Signs in with the code of a link; throws ApiFailure if the code is wrong or was used. */
export const signInWith = (code: string): Promise<void> => session.signIn({ code });

/** Ends this session, or every session of the person. */
export const signOut = (where: 'here' | 'everywhere'): Promise<void> =>
  session.signOut({
    erase: eraseChats,
    ...(where === 'everywhere' && { path: '/console/sessions' }),
  });
