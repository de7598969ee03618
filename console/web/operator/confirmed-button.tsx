import { useState } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { Field } from '../parts/field.tsx';
import { reasonOf } from '../parts/loaded.tsx';
import { useAction } from '../state/action.ts';
import { t } from '../texts.ts';

interface ConfirmedButtonProps {
  readonly label: string;
  /** The name of the button for screen readers, which also names the row. */
  readonly name: string;
  readonly title: string;
  readonly text: string;
  readonly isDanger?: boolean;
  /** Asks for a reason, which is given to `run`. */
  readonly reason?: { readonly label: string; readonly hint?: string };
  readonly run: (reason: string) => Promise<void>;
}

/** A button that changes something only after a second click. */
export function ConfirmedButton(props: ConfirmedButtonProps) {
  const [asks, setAsks] = useState(false);
  return (
    <>
      <button
        type="button"
        class={props.isDanger ? 'button small danger-text' : 'button small'}
        aria-label={props.name}
        onClick={() => setAsks(true)}
      >
        {props.label}
      </button>
      {asks && <Question {...props} close={() => setAsks(false)} />}
    </>
  );
}

function Question({
  label,
  title,
  text,
  isDanger = false,
  reason,
  run,
  close,
}: ConfirmedButtonProps & { close: () => void }) {
  const action = useAction();
  const [typed, setTyped] = useState('');
  const isComplete = reason === undefined || typed.trim() !== '';
  return (
    <Dialog title={title} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isComplete) return;
          action.run(async () => {
            await run(typed.trim());
            close();
          });
        }}
      >
        <p>{text}</p>
        {reason && (
          <Field label={reason.label} hint={reason.hint}>
            {(attributes) => (
              <input
                {...attributes}
                type="text"
                maxLength={200}
                required
                value={typed}
                onInput={({ currentTarget }) => setTyped(currentTarget.value)}
              />
            )}
          </Field>
        )}
        {action.failure && (
          <p class="problem" role="alert">
            {reasonOf(action.failure)}
          </p>
        )}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={close}>
            {t.dialog.cancel}
          </button>
          <button
            type="submit"
            class={isDanger ? 'button danger' : 'button primary'}
            disabled={action.isBusy || !isComplete}
          >
            {label}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
