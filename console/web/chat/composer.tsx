import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { t } from '../texts.ts';

interface ComposerProps {
  readonly isRunning: boolean;
  readonly canSend: boolean;
  readonly send: (text: string) => void;
  readonly stop: () => void;
}

/** The field for a message. Enter sends it; Stop takes the place of Send while an answer runs. */
export function Composer({ isRunning, canSend, send, stop }: ComposerProps) {
  const id = useId();
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const submit = () => {
    const question = text.trim();
    if (question === '' || isRunning || !canSend) return;
    setText('');
    send(question);
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <label class="visually-hidden" for={id}>
        {t.chat.message}
      </label>
      <textarea
        id={id}
        ref={field}
        rows={2}
        value={text}
        placeholder={t.chat.placeholder}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          submit();
        }}
      />
      {isRunning ? (
        <button type="button" class="button round" aria-label={t.chat.stop} onClick={stop}>
          <Icon name="stop" />
        </button>
      ) : (
        <button
          type="submit"
          class="button primary round"
          aria-label={t.chat.send}
          disabled={!canSend || text.trim() === ''}
        >
          <Icon name="send" />
        </button>
      )}
    </form>
  );
}
