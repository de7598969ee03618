import { useEffect, useState } from 'preact/hooks';
import { send } from '../api/call.ts';
import { CopyButton } from '../parts/copy-button.tsx';
import { Field } from '../parts/field.tsx';
import { PATHS, replacePath } from '../router.ts';
import { useAction } from '../state/action.ts';
import { useResource } from '../state/resource.ts';
import { knownValue } from '../state/resource-state.ts';
import { type SessionState, signInWith } from '../state/session.ts';
import { failureText } from '../texts/failure-text.ts';
import { t } from '../texts.ts';

/** The code of a sign-in link. It stands behind `#`, so that no server and no log gets it. */
const codeIn = (hash: string): string | undefined =>
  new URLSearchParams(hash.slice(1)).get('code') ?? undefined;

/** The code of the error with which the issuer of identities sent the browser back. */
const inFragment = (name: string): string | undefined =>
  new URLSearchParams(location.hash.slice(1)).get(name) ?? undefined;

/** The way to the issuer, on networks that have one. It returns to the page that was asked for. */
function IssuerLink() {
  const issuer = useResource('issuer', async () => {
    const response = await send({ method: 'GET', path: '/console/oidc' });
    return ((await response.json()) as { is_configured: boolean }).is_configured;
  });
  if (knownValue(issuer.state) !== true) return null;
  const { pathname, search } = location;
  const back = pathname === PATHS.signIn ? PATHS.overview : pathname + search;
  return (
    <a class="button primary" href={`/console/oidc/start?return=${encodeURIComponent(back)}`}>
      {t.signIn.withAccount}
    </a>
  );
}

export function SignInPage({ state }: { state: SessionState }) {
  const action = useAction();
  const [linkCode] = useState(() => codeIn(location.hash));
  const [typed, setTyped] = useState('');
  const signIn = (code: string) =>
    action.run(async () => {
      await signInWith(code);
      leaveSignIn();
    });
  useEffect(() => {
    document.title = `${t.signIn.title} · ${t.product}`;
    if (linkCode === undefined) return;
    // The code leaves the address bar and the history before it is used.
    history.replaceState(null, '', location.pathname);
    signIn(linkCode);
  }, []);
  useEffect(() => {
    if (linkCode === undefined && state.phase === 'signed-in') leaveSignIn();
  }, [state.phase]);
  const [refusal] = useState(() => inFragment('error'));
  const problem = action.failure
    ? failureText(action.failure)
    : refusal && t.signIn.refused(refusal);
  return (
    <main id="content" tabIndex={-1} class="alone">
      <h1>{t.signIn.title}</h1>
      <p role="status">{action.isBusy ? t.signIn.working : noteOf(state)}</p>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <IssuerLink />
      <section class="panel">
        <h2>{t.signIn.howTitle}</h2>
        <p>{t.signIn.how}</p>
        <div class="secret">
          <code>{t.signIn.command}</code>
          <CopyButton text={t.signIn.command} />
        </div>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (typed.trim() !== '') signIn(codeIn(`#${typed.split('#').at(-1)}`) ?? typed.trim());
          }}
        >
          <Field label={t.signIn.code} hint={t.signIn.codeHint}>
            {(attributes) => (
              <input
                {...attributes}
                type="text"
                autocomplete="one-time-code"
                spellcheck={false}
                value={typed}
                onInput={({ currentTarget }) => setTyped(currentTarget.value)}
              />
            )}
          </Field>
          <button type="submit" class="button primary" disabled={action.isBusy}>
            {t.signIn.submit}
          </button>
        </form>
      </section>
    </main>
  );
}

/** The sign-in stands at every address for strangers; only its own one has nothing behind it. */
function leaveSignIn(): void {
  if (location.pathname === PATHS.signIn) replacePath(PATHS.overview);
}

const noteOf = (state: SessionState): string =>
  state.phase === 'signed-out' && state.because !== 'none' ? t.signIn[state.because] : '';
