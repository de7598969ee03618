import { useState } from 'preact/hooks';
import { call, send } from '../api/call.ts';
import { ActionFailure } from '../parts/action-failure.tsx';
import { Field } from '../parts/field.tsx';
import { PATHS } from '../router.ts';
import { useAction } from '../state/action.ts';
import type { OwnMachine } from '../state/answers.ts';
import { invalidate } from '../state/resource.ts';
import { t } from '../texts.ts';

/** The switch that shows the machine on the public leaderboard, and its name there. */
export function PublicName({ machine: { id, name, public_name } }: { machine: OwnMachine }) {
  const [isOpen, setOpen] = useState(false);
  const [typed, setTyped] = useState(public_name ?? suggestion(name));
  const action = useAction();
  const isShown = public_name !== null;
  const changed = async () => {
    invalidate('machines');
    // The browser may have the answer from before the change.
    await send({ method: 'GET', path: '/v1/leaderboard', isReload: true });
    invalidate('public/leaderboard');
  };
  const show = async () => {
    const body = { name: typed.trim() };
    await call('PUT /v1/me/providers/{id}/public-name', { path: { id }, body });
    await changed();
  };
  const hide = async () => {
    await call('DELETE /v1/me/providers/{id}/public-name', { path: { id } });
    setOpen(false);
    await changed();
  };
  return (
    <section>
      <h3>{t.machines.leaderboard}</h3>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          action.run(show);
        }}
      >
        <label class="check">
          <input
            type="checkbox"
            checked={isShown || isOpen}
            disabled={action.isBusy}
            onChange={() => (isShown ? action.run(hide) : setOpen(!isOpen))}
          />
          <span>
            {isShown ? t.machines.shownAs(public_name) : t.machines.showPublicly}
            <span class="hint">
              {t.machines.showPubliclyHint} <a href={PATHS.status}>{t.machines.toLeaderboard}</a>
            </span>
          </span>
        </label>
        {(isOpen || isShown) && (
          <>
            <NameField typed={typed} type={setTyped} />
            <button
              type="submit"
              class="button"
              disabled={action.isBusy || typed.trim() === public_name}
            >
              {isShown ? t.machines.changePublicName : t.machines.showUnderName}
            </button>
          </>
        )}
        <ActionFailure of={action} />
      </form>
    </section>
  );
}

function NameField({ typed, type }: { typed: string; type: (name: string) => void }) {
  return (
    <Field label={t.machines.publicName} hint={t.machines.publicNameHint}>
      {(attributes) => (
        <input
          {...attributes}
          value={typed}
          required
          minLength={2}
          maxLength={40}
          pattern="[A-Za-z0-9]+([ ._\-][A-Za-z0-9]+)*"
          title={t.machines.publicNameHint}
          autocomplete="off"
          onInput={({ currentTarget }) => type(currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** The machine's own name, as far as it can be public. */
const suggestion = (name: string): string =>
  name
    .split(/[^A-Za-z0-9]+/)
    .filter((part) => part !== '')
    .join(' ')
    .slice(0, 40)
    .trim();
