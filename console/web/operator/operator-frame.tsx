import type { ComponentChildren } from 'preact';
import { ActionFailure } from '../parts/action-failure.tsx';
import { Frame } from '../parts/frame.tsx';
import { LanguageChoice } from '../parts/language-choice.tsx';
import { ThemeChoice } from '../parts/theme-choice.tsx';
import { useAction } from '../state/action.ts';
import { operatorSession } from './operator-session.ts';
import { PLACES, type PlaceName } from './places.ts';
import { o } from './texts.ts';

interface OperatorFrameProps {
  readonly place: PlaceName | undefined;
  readonly operator: string;
  readonly children: ComponentChildren;
}

/** The frame of the operators' pages: navigation, and who is signed in. */
export function OperatorFrame({ place, operator, children }: OperatorFrameProps) {
  return (
    <Frame
      place={place}
      account={<Operator name={operator} />}
      navigation={
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
      }
    >
      {children}
    </Frame>
  );
}

function Operator({ name }: { name: string }) {
  const action = useAction();
  return (
    <section class="account" aria-label={o.signedInAs}>
      <p class="account-name">{name}</p>
      <p class="account-id">{o.signedInAs}</p>
      <ThemeChoice />
      <LanguageChoice />
      <div class="account-actions">
        <button
          type="button"
          class="link"
          onClick={() => action.run(() => operatorSession.signOut())}
        >
          {o.signOut}
        </button>
      </div>
      <ActionFailure of={action} />
    </section>
  );
}
