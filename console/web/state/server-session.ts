import { send, whenSignedOut } from '../api/call.ts';
import { ApiFailure } from '../api/failure.ts';
import { forgetResources } from './resource.ts';
import { SharedState } from './shared-state.ts';

export type ServerSessionState<Person> =
  | { readonly phase: 'checking' }
  | { readonly phase: 'signed-in'; readonly session: Person }
  | { readonly phase: 'signed-out'; readonly because: 'none' | 'expired' | 'left' }
  | { readonly phase: 'unreachable'; readonly failure: ApiFailure };

/** The session of a person, which the server keeps under a cookie and describes at one path. */
export class ServerSession<Person> {
  readonly #path: string;
  readonly #state = new SharedState<ServerSessionState<Person>>({ phase: 'checking' });

  constructor(path: string) {
    this.#path = path;
    whenSignedOut(() => {
      if (this.#state.value.phase === 'signed-in') this.#leave('expired');
    });
  }

  /** A hook that returns the present state. */
  use(): ServerSessionState<Person> {
    return this.#state.use();
  }

  /** Asks the server who is signed in. */
  async check(): Promise<void> {
    this.#state.set({ phase: 'checking' });
    try {
      await this.#enter(await send({ method: 'GET', path: this.#path }));
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      this.#state.set(
        error.status === 401
          ? { phase: 'signed-out', because: 'none' }
          : { phase: 'unreachable', failure: error },
      );
    }
  }

  /** Throws ApiFailure if the server does not accept the secret. */
  async signIn(secret: { readonly code: string } | { readonly key: string }): Promise<void> {
    await this.#enter(await send({ method: 'POST', path: this.#path, body: secret }));
  }

  /** Ends this session, or all that another path stands for. `erase` removes what the browser keeps of the person. */
  async signOut({ path = this.#path, erase = () => {} } = {}): Promise<void> {
    await send({ method: 'DELETE', path });
    erase();
    this.#leave('left');
  }

  async #enter(response: Response): Promise<void> {
    this.#state.set({ phase: 'signed-in', session: (await response.json()) as Person });
  }

  #leave(because: 'expired' | 'left'): void {
    forgetResources();
    this.#state.set({ phase: 'signed-out', because });
  }
}
