import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { localClock } from './format/time.ts';
import { ActionFailure } from './parts/action-failure.tsx';
import { Confirm } from './parts/confirm.tsx';
import { Frame } from './parts/frame.tsx';
import { Icon } from './parts/icon.tsx';
import { LanguageChoice } from './parts/language-choice.tsx';
import { SessionList } from './parts/session-list.tsx';
import { ThemeChoice } from './parts/theme-choice.tsx';
import { PATHS, type PageName } from './router.ts';
import { useAction } from './state/action.ts';
import { type LiveState, useLiveEvents } from './state/live.ts';
import { type SignedInPerson, signOut } from './state/session.ts';
import { useRequiredActions } from './state/use-required-actions.ts';
import { t } from './texts.ts';

type NavPlace = Exclude<PageName, 'signIn' | 'link' | 'getStarted'>;

const GROUPS: readonly { readonly title: string; readonly places: readonly NavPlace[] }[] = [
  {
    title: t.nav.use,
    places: ['overview', 'chat', 'models', 'keys', 'quickStart', 'requests', 'money'],
  },
  { title: t.nav.serve, places: ['machines', 'setUp', 'earnings'] },
  { title: t.nav.network, places: ['status', 'log'] },
];

interface ShellProps {
  readonly place: PageName | undefined;
  readonly session: SignedInPerson;
  readonly children: ComponentChildren;
}

/** The frame of every page: navigation, account, and the state of the live updates. */
export function Shell({ place, session, children }: ShellProps) {
  const live = useLiveEvents();
  return (
    <Frame
      place={place}
      account={<Account session={session} />}
      navigation={GROUPS.map(({ title, places }) => (
        <section key={title}>
          <h2 class="nav-title">{title}</h2>
          <ul>
            {places.map((target) => (
              <NavLink key={target} target={target} isCurrent={target === place} />
            ))}
          </ul>
        </section>
      ))}
    >
      <LiveNotice live={live} />
      {children}
    </Frame>
  );
}

/** The number of things that need the person, beside the page that lists them. */
function NeededBadge() {
  const { length } = useRequiredActions();
  if (length === 0) return null;
  return (
    <span class="badge">
      <span aria-hidden="true">{length}</span>
      <span class="visually-hidden">{t.nav.needed(length)}</span>
    </span>
  );
}

function NavLink({ target, isCurrent }: { target: NavPlace; isCurrent: boolean }) {
  return (
    <li>
      <a href={PATHS[target]} class="nav-link" {...(isCurrent && { 'aria-current': 'page' })}>
        <Icon name={target} />
        {t.nav[target]}
        {target === 'overview' && <NeededBadge />}
      </a>
    </li>
  );
}

function Account({ session: { name, email, account } }: { session: SignedInPerson }) {
  const [asks, setAsks] = useState(false);
  const [isListed, setListed] = useState(false);
  const action = useAction();
  return (
    <section class="account" aria-label={t.account.menu}>
      <p class="account-name">{name}</p>
      <p class="account-id">{email === undefined || email === name ? account : email}</p>
      <ThemeChoice />
      <LanguageChoice />
      <div class="account-actions">
        <button type="button" class="link" onClick={() => action.run(() => signOut('here'))}>
          {t.account.signOut}
        </button>
        <button type="button" class="link" onClick={() => setListed(true)}>
          {t.account.sessions}
        </button>
        <button type="button" class="link" onClick={() => setAsks(true)}>
          {t.account.signOutEverywhere}
        </button>
      </div>
      <ActionFailure of={action} />
      {isListed && <SessionList close={() => setListed(false)} />}
      {asks && (
        <Confirm
          title={t.account.signOutEverywhere}
          text={t.account.everywhereText}
          action={t.account.signOutEverywhere}
          run={() => signOut('everywhere')}
          close={() => setAsks(false)}
        />
      )}
    </section>
  );
}

function LiveNotice({ live }: { live: LiveState }) {
  if (live.connected || live.since === undefined) return null;
  return (
    <p class="live-notice" role="status">
      {t.live.lost(localClock(live.since))}
    </p>
  );
}
