import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../texts.ts';
import { Brand } from './brand.tsx';
import { Icon } from './icon.tsx';

interface FrameProps {
  /** The page that is shown. Another one closes the menu of a narrow window. */
  readonly place: string | undefined;
  readonly navigation: ComponentChildren;
  readonly account: ComponentChildren;
  readonly children: ComponentChildren;
}

/** The frame of a page for somebody who is signed in: navigation, account and the page itself. */
export function Frame({ place, navigation, account, children }: FrameProps) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setOpen(false), [place]);
  return (
    <div class="shell">
      <a class="skip-link" href="#content">
        {t.skipToContent}
      </a>
      <header class="top-bar">
        <Brand />
        <button
          type="button"
          class="icon-button"
          aria-expanded={isOpen}
          aria-controls="side"
          aria-label={isOpen ? t.nav.close : t.nav.open}
          onClick={() => setOpen(!isOpen)}
        >
          <Icon name={isOpen ? 'close' : 'menu'} />
        </button>
      </header>
      <div id="side" class={isOpen ? 'side open' : 'side'}>
        <nav aria-label={t.nav.label}>
          <Brand />
          {navigation}
        </nav>
        {account}
      </div>
      <div class="body">{children}</div>
    </div>
  );
}
