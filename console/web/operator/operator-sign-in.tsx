import { useEffect, useState } from 'preact/hooks';
import { ActionFailure } from '../parts/action-failure.tsx';
import { Field } from '../parts/field.tsx';
import { useAction } from '../state/action.ts';
import { operatorSession } from './operator-session.ts';
import { o } from './texts.ts';

export function OperatorSignIn({ hasExpired }: { hasExpired: boolean }) {
  const action = useAction();
  const [key, setKey] = useState('');
  useEffect(() => {
    document.title = o.signIn.title;
  }, []);
  return (
    <main class="alone">
      <h1>{o.signIn.title}</h1>
      {hasExpired && <p role="status">{o.signIn.expired}</p>}
      <section class="panel">
        <p>{o.signIn.text}</p>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const typed = key.trim();
            if (typed !== '') action.run(() => operatorSession.signIn({ key: typed }));
          }}
        >
          <Field label={o.signIn.key}>
            {(attributes) => (
              <input
                {...attributes}
                type="password"
                autocomplete="off"
                spellcheck={false}
                value={key}
                onInput={({ currentTarget }) => setKey(currentTarget.value)}
              />
            )}
          </Field>
          <button type="submit" class="button primary" disabled={action.isBusy}>
            {o.signIn.submit}
          </button>
          <ActionFailure of={action} />
        </form>
      </section>
    </main>
  );
}
