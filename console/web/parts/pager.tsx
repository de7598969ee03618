import { t } from '../texts.ts';

interface PagerProps {
  readonly next: string | null;
  /** The rows after which the pages up to this one begin; empty on the first page. */
  readonly before: readonly string[];
  readonly go: (before: readonly string[]) => void;
}

/** Goes to the next and the previous page of a list whose pages begin after a row. */
export function Pager({ next, before, go }: PagerProps) {
  if (next === null && before.length === 0) return null;
  return (
    <nav class="pager" aria-label={t.pager.label}>
      <button
        type="button"
        class="button"
        disabled={before.length === 0}
        onClick={() => go(before.slice(0, -1))}
      >
        {t.pager.previous}
      </button>
      <button
        type="button"
        class="button"
        disabled={next === null}
        onClick={() => next !== null && go([...before, next])}
      >
        {t.pager.next}
      </button>
    </nav>
  );
}
