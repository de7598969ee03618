import { useId, useState } from 'preact/hooks';
import { Dialog } from '../parts/dialog.tsx';
import { t } from '../texts.ts';
import { EXAMPLE_TOOLS, toolsIn } from './tools.ts';

interface ToolsDialogProps {
  readonly text: string;
  readonly save: (text: string) => void;
  readonly close: () => void;
}

/** The functions that the model may call in this chat, as JSON. */
export function ToolsDialog({ text, save, close }: ToolsDialogProps) {
  const id = useId();
  const [typed, setTyped] = useState(text);
  const tools = toolsIn(typed);
  return (
    <Dialog title={t.chat.toolsTitle} close={close}>
      <p>{t.chat.toolsText}</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (tools !== undefined) save(typed);
        }}
      >
        <label for={id}>{t.chat.toolsField}</label>
        <textarea
          id={id}
          class="code-field"
          rows={12}
          spellcheck={false}
          value={typed}
          aria-invalid={tools === undefined}
          onInput={({ currentTarget }) => setTyped(currentTarget.value)}
        />
        {tools === undefined && (
          <p class="problem" role="alert">
            {t.chat.toolsWrong}
          </p>
        )}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={() => setTyped(EXAMPLE_TOOLS)}>
            {t.chat.toolsExample}
          </button>
          <button type="submit" class="button primary" disabled={tools === undefined}>
            {t.chat.toolsSave}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
