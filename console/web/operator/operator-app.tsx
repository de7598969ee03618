import { NotFoundPage } from '../pages/not-found.tsx';
import { Failed } from '../parts/loaded.tsx';
import { useNewPage } from '../parts/new-page.ts';
import { t } from '../texts.ts';
import { AuditPage } from './audit-page.tsx';
import { BreakersPage } from './breakers-page.tsx';
import { BusPage } from './bus-page.tsx';
import { CatalogPage } from './catalog-page.tsx';
import { FleetPage } from './fleet-page.tsx';
import { IncidentsPage } from './incidents-page.tsx';
import { MoneyPage } from './money-page.tsx';
import { OperatorFrame } from './operator-frame.tsx';
import { operatorSession } from './operator-session.ts';
import { OperatorSignIn } from './operator-sign-in.tsx';
import { PeoplePage } from './people-page.tsx';
import { type PlaceName, usePageName } from './places.ts';
import { RewardsPage } from './rewards-page.tsx';
import { RoutingPage } from './routing-page.tsx';
import { o } from './texts.ts';
import { TrustPage } from './trust-page.tsx';

/** The operators' pages, for people who signed in with an operator key. */
export function OperatorApp() {
  const state = operatorSession.use();
  const place = usePageName();
  switch (state.phase) {
    case 'checking':
      return <p class="visually-hidden">{t.states.loading}</p>;
    case 'unreachable':
      return (
        <main class="alone">
          <h1>{o.product}</h1>
          <Failed failure={state.failure} retry={() => void operatorSession.check()} />
        </main>
      );
    case 'signed-out':
      return <OperatorSignIn hasExpired={state.because === 'expired'} />;
    case 'signed-in':
      return <SignedIn place={place} operator={state.session.operator} />;
  }
}

function SignedIn({ place, operator }: { place: PlaceName | undefined; operator: string }) {
  const main = useNewPage(place === undefined ? t.notFound.title : o.nav[place]);
  return (
    <OperatorFrame place={place} operator={operator}>
      <main id="content" ref={main} tabIndex={-1} class="page page-operator">
        <Page place={place} />
      </main>
    </OperatorFrame>
  );
}

function Page({ place }: { place: PlaceName | undefined }) {
  switch (place) {
    case 'fleet':
      return <FleetPage />;
    case 'incidents':
      return <IncidentsPage />;
    case 'breakers':
      return <BreakersPage />;
    case 'routing':
      return <RoutingPage />;
    case 'money':
      return <MoneyPage />;
    case 'rewards':
      return <RewardsPage />;
    case 'people':
      return <PeoplePage />;
    case 'models':
      return <CatalogPage />;
    case 'trust':
      return <TrustPage />;
    case 'bus':
      return <BusPage />;
    case 'audit':
      return <AuditPage />;
    case undefined:
      return <NotFoundPage />;
  }
}
