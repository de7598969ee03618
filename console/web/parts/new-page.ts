import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../texts.ts';

/** Sets the title of each new page, and the focus on the element that the reference names. */
export function useNewPage(title: string): RefObject<HTMLElement | null> {
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${title} · ${t.product}`;
    scrollTo(0, 0);
    // The focus goes to the new page, so that screen readers read it. The first page keeps the
    // focus of the browser.
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
  }, [title]);
  return main;
}
