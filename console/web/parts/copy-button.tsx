import { useState } from 'preact/hooks';
import { t } from '../texts.ts';

const SHOWN_MS = 2_000;

/** Copies a text, and says for two seconds that it did. */
export function CopyButton({ text, label = t.copy.copy }: { text: string; label?: string }) {
  const [shown, show] = useState(label);
  const copy = async () => {
    const done = await navigator.clipboard.writeText(text).then(
      () => t.copy.copied,
      () => t.copy.failed,
    );
    show(done);
    setTimeout(() => show(label), SHOWN_MS);
  };
  return (
    <button type="button" class="button small" onClick={() => void copy()}>
      <span aria-live="polite">{shown}</span>
    </button>
  );
}
