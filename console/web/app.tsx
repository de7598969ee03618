import { useEffect } from 'preact/hooks';
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
import { useNewPage } from './parts/new-page.ts';
import { GetStartedPage } from './public-pages/get-started.tsx';
import { LogPage } from './public-pages/log.tsx';
import { PublicFrame } from './public-pages/public-frame.tsx';
import { StatusPage } from './public-pages/status.tsx';
import { isPublic, type PageName, type PublicPlace, replacePath, usePageName } from './router.ts';
import { Shell } from './shell.tsx';
import { checkSession, type SignedInPerson, useSession } from './state/session.ts';
import { t } from './texts.ts';

/** The whole console: the page of the address for people who are signed in, otherwise the sign-in. */
export function App() {
  const state = useSession();
  const place = usePageName();
  if (state.phase === 'signed-out' && isPublic(place)) return <PublicPage place={place} />;
  if (place === 'signIn' || state.phase === 'signed-out')
    return (
      <PublicFrame place={undefined}>
        <SignInPage state={state} />
      </PublicFrame>
    );
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

/** A page that everybody may read, for people who are not signed in. */
function PublicPage({ place }: { place: PublicPlace }) {
  const main = useNewPage(titleOf(place));
  return (
    <PublicFrame place={place}>
      <main id="content" ref={main} tabIndex={-1} class={`page page-${place}`}>
        {place === 'models' ? <ModelsPage canChat={false} /> : <OpenPage place={place} />}
      </main>
    </PublicFrame>
  );
}

function OpenPage({ place }: { place: Exclude<PublicPlace, 'models'> }) {
  switch (place) {
    case 'status':
      return <StatusPage />;
    case 'log':
      return <LogPage />;
    case 'getStarted':
      return <GetStartedPage />;
  }
}

function SignedIn({ place, session }: { place: PageName | undefined; session: SignedInPerson }) {
  const main = useNewPage(titleOf(place));
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
      return <ModelsPage canChat />;
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
    case 'status':
    case 'log':
    case 'getStarted':
      return <OpenPage place={place} />;
    case undefined:
      return <NotFoundPage />;
  }
}

const titleOf = (place: PageName | undefined): string =>
  place === undefined ? t.notFound.title : place === 'signIn' ? t.signIn.title : t.nav[place];
