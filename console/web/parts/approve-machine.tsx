import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import { PATHS } from '../router.ts';
import { useAction } from '../state/action.ts';
import { invalidate } from '../state/resource.ts';
import { t } from '../texts.ts';
import { ActionFailure } from './action-failure.tsx';
import { Field } from './field.tsx';
import { Status } from './figures.tsx';

/** Letters of a code, however a person typed them: "wdjb mjht" is "WDJB-MJHT". */
export function asUserCode(text: string): string {
  const letters = text.toUpperCase().replaceAll(/[^A-Z]/g, '');
  return letters.length === 8 ? `${letters.slice(0, 4)}-${letters.slice(4)}` : letters;
}

/** Approves or denies the machine that shows a code. */
export function ApproveMachine({ code: given }: { code: string }) {
  const [code, setCode] = useState(() => asUserCode(given));
  const [done, setDone] = useState<'approved' | 'denied'>();
  const action = useAction();
  const decide = (approve: boolean) =>
    action.run(async () => {
      await call('POST /v1/device/approve', { body: { user_code: asUserCode(code), approve } });
      invalidate('machines');
      setDone(approve ? 'approved' : 'denied');
    });
  if (done)
    return (
      <div class="panel" role="status">
        <Status tone={done === 'approved' ? 'good' : 'notice'} text={t.link[done]} />
        {done === 'approved' && <a href={PATHS.machines}>{t.link.toMachines}</a>}
      </div>
    );
  const isComplete = /^[A-Z]{4}-[A-Z]{4}$/.test(asUserCode(code));
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        decide(true);
      }}
    >
      <Field label={t.link.code} hint={t.link.codeHint}>
        {(attributes) => (
          <input
            {...attributes}
            class="user-code"
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={code}
            onInput={({ currentTarget }) => setCode(currentTarget.value)}
          />
        )}
      </Field>
      <ActionFailure of={action} />
      <p class="actions">
        <button type="submit" class="button primary" disabled={action.isBusy || !isComplete}>
          {t.link.approve}
        </button>
        <button
          type="button"
          class="button"
          disabled={action.isBusy || !isComplete}
          onClick={() => decide(false)}
        >
          {t.link.deny}
        </button>
      </p>
    </form>
  );
}
