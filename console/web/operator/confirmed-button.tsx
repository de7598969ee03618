import { useState } from 'preact/hooks';
import { Confirm } from '../parts/confirm.tsx';
import { TextField } from '../parts/text-field.tsx';

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
  const [typed, setTyped] = useState('');
  return (
    <Confirm
      title={title}
      text={text}
      action={label}
      isDanger={isDanger}
      isComplete={reason === undefined || typed.trim() !== ''}
      run={() => run(typed.trim())}
      close={close}
    >
      {reason && (
        <TextField label={reason.label} hint={reason.hint} typed={typed} type={setTyped} />
      )}
    </Confirm>
  );
}
