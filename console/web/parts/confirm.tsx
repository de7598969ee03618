import type { ComponentChildren } from 'preact';
import { useAction } from '../state/action.ts';
import { t } from '../texts.ts';
import { ActionFailure } from './action-failure.tsx';
import { Dialog } from './dialog.tsx';

interface ConfirmProps {
  readonly title: string;
  readonly text: string;
  /** Label of the button that runs the action. */
  readonly action: string;
  /** Whether the action takes something away that does not come back. */
  readonly isDanger?: boolean;
  /** False while a field is missing. */
  readonly isComplete?: boolean;
  /** Fields that the action needs. */
  readonly children?: ComponentChildren;
  /** Runs the action. The dialog shows why it failed, and is closed if it succeeds. */
  readonly run: () => Promise<void>;
  readonly close: () => void;
}

/** Asks before an action. */
export function Confirm({
  title,
  text,
  action: label,
  isDanger = true,
  isComplete = true,
  children,
  run,
  close,
}: ConfirmProps) {
  const action = useAction();
  return (
    <Dialog title={title} close={close}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isComplete) return;
          action.run(async () => {
            await run();
            close();
          });
        }}
      >
        <p>{text}</p>
        {children}
        <ActionFailure of={action} />
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
