import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ActionFailure } from '../parts/action-failure.tsx';
import { Brand } from '../parts/brand.tsx';
import { Icon } from '../parts/icon.tsx';
import { ThemeChoice } from '../parts/theme-choice.tsx';
import { useAction } from '../state/action.ts';
import { t } from '../texts.ts';
import { signOutOperator } from './operator-session.ts';
import { PLACES, type PlaceName } from './places.ts';
import { o } from './texts.ts';

interface OperatorFrameProps {
  readonly place: PlaceName | undefined;
  readonly operator: string;
  readonly children: ComponentChildren;
}

/** The frame of the operators' pages: navigation, and who is signed in. */
export function OperatorFrame({ place, operator, children }: OperatorFrameProps) {
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
          <section>
            <h2 class="nav-title">{o.product}</h2>
            <ul>
              {(Object.keys(PLACES) as PlaceName[]).map((target) => (
                <li key={target}>
                  <a
                    href={PLACES[target]}
                    class="nav-link"
                    {...(target === place && { 'aria-current': 'page' })}
                  >
                    {o.nav[target]}
                  </a>
                </li>
              ))}
            </ul>
          </section>
        </nav>
        <Operator name={operator} />
      </div>
      <div class="body">{children}</div>
    </div>
  );
}

function Operator({ name }: { name: string }) {
  const action = useAction();
  return (
    <section class="account" aria-label={o.signedInAs}>
      <p class="account-name">{name}</p>
      <p class="account-id">{o.signedInAs}</p>
      <ThemeChoice />
      <div class="account-actions">
        <button type="button" class="link" onClick={() => action.run(signOutOperator)}>
          {o.signOut}
        </button>
      </div>
      <ActionFailure of={action} />
    </section>
  );
}
