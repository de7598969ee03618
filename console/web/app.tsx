import { useEffect, useRef } from 'preact/hooks';
import { ChatPage } from './pages/chat.tsx';
import { EarningsPage } from './pages/earnings.tsx';
import { KeysPage } from './pages/keys.tsx';
import { LinkPage } from './pages/link.tsx';
import { MachinesPage } from './pages/machines.tsx';
import { ModelsPage } from './pages/models.tsx';
import { MoneyPage } from './pages/money.tsx';
import { NotFoundPage } from './pages/not-found.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { QuickStartPage } from './pages/quick-start.tsx';
import { RequestsPage } from './pages/requests.tsx';
import { SetUpPage } from './pages/set-up.tsx';
import { SignInPage } from './pages/sign-in.tsx';
import { Failed } from './parts/loaded.tsx';
import { type PageName, replacePath, usePageName } from './router.ts';
import { Shell } from './shell.tsx';
import { checkSession, type SignedInPerson, useSession } from './state/session.ts';
import { t } from './texts.ts';

/** The whole console: the page of the address for people who are signed in, otherwise the sign-in. */
export function App() {
  const state = useSession();
  const place = usePageName();
  if (place === 'signIn' || state.phase === 'signed-out') return <SignInPage state={state} />;
  switch (state.phase) {
    case 'checking':
      return <p class="visually-hidden">{t.states.loading}</p>;
    case 'unreachable':
      return (
        <main class="alone">
          <h1>{t.product}</h1>
          <Failed failure={state.failure} retry={() => void checkSession()} />
        </main>
      );
    case 'signed-in':
      return <SignedIn place={place} session={state.session} />;
  }
}

function SignedIn({ place, session }: { place: PageName | undefined; session: SignedInPerson }) {
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  const title = titleOf(place);
  useEffect(() => {
    document.title = `${title} · ${t.product}`;
    scrollTo(0, 0);
    // The focus goes to the new page, so that screen readers read it. The first page keeps the
    // focus of the browser.
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
  }, [title]);
  useEffect(() => {
    if (place === 'signIn') replacePath('/');
  }, [place]);
  return (
    <Shell place={place} session={session}>
      <main id="content" ref={main} tabIndex={-1} class={`page page-${place ?? 'none'}`}>
        <Page place={place} session={session} />
      </main>
    </Shell>
  );
}

function Page({ place, session }: { place: PageName | undefined; session: SignedInPerson }) {
  switch (place) {
    case 'overview':
    case 'signIn':
      return <OverviewPage />;
    case 'chat':
      return <ChatPage account={session.account} />;
    case 'models':
      return <ModelsPage />;
    case 'keys':
      return <KeysPage />;
    case 'quickStart':
      return <QuickStartPage />;
    case 'requests':
      return <RequestsPage />;
    case 'money':
      return <MoneyPage />;
    case 'machines':
      return <MachinesPage />;
    case 'setUp':
      return <SetUpPage />;
    case 'earnings':
      return <EarningsPage />;
    case 'link':
      return <LinkPage />;
    case undefined:
      return <NotFoundPage />;
  }
}

const titleOf = (place: PageName | undefined): string =>
  place === undefined ? t.notFound.title : place === 'signIn' ? t.signIn.title : t.nav[place];
