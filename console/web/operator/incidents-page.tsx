import { Markdown } from '../chat/markdown-view.tsx';
import { Ago, At, Status, type Tone } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { Together } from '../parts/together.tsx';
import { useResource } from '../state/resource.ts';
import { type IncidentRow, incidentSentence } from './incident-sentence.ts';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { RUNBOOKS } from './runbooks.ts';
import { o } from './texts.ts';

type Answer = OperatorRoutes['GET /admin/incidents']['answer'];

const EVERY_MS = 15_000;

/** The incidents of the network, for this page and for the summary on others. */
export const useIncidents = () =>
  useResource('incidents', () => operatorCall('GET /admin/incidents'), EVERY_MS);

/** What is wrong now with the steps to repair it, what was wrong, and the steps for every alert. */
export function IncidentsPage() {
  const incidents = useIncidents();
  return (
    <>
      <h1>{o.incidents.title}</h1>
      <Together of={[incidents]}>
        <Loaded of={incidents} lines={8}>
          {(known) => <IncidentsView known={known} />}
        </Loaded>
        <section>
          <h2>{o.incidents.runbooks}</h2>
          <p class="hint">{o.incidents.runbooksText}</p>
          <div class="card runbooks" lang="en">
            {[...RUNBOOKS].map(([alert, steps]) => (
              <details key={alert} id={alert} class="runbook">
                <summary>{alert}</summary>
                <Markdown text={steps} />
              </details>
            ))}
          </div>
        </section>
      </Together>
    </>
  );
}

function IncidentsView({ known: { watches_since, open, ended } }: { known: Answer }) {
  return (
    <>
      <p class="intro">
        {o.incidents.intro} {o.incidents.since} <At time={watches_since} />.
      </p>
      {open.length === 0 ? (
        <p class="banner banner-good">
          <Status tone="good" text={o.incidents.good} />
        </p>
      ) : (
        <ul class="incidents" aria-label={o.incidents.open}>
          {open.map((incident) => (
            <OpenIncident key={`${incident.alert} ${incident.subject}`} incident={incident} />
          ))}
        </ul>
      )}
      <section>
        <h2>{o.incidents.ended}</h2>
        {ended.length === 0 ? (
          <p class="hint">{o.incidents.endedEmpty}</p>
        ) : (
          <PagedTable
            caption={o.incidents.ended}
            rows={ended}
            columns={ENDED_COLUMNS}
            keyOf={({ alert, subject, since }) => `${alert} ${subject} ${since}`}
            textOf={(incident) =>
              `${incident.alert} ${incident.subject} ${incidentSentence(incident)}`
            }
          />
        )}
      </section>
    </>
  );
}

const TONES: Readonly<Record<IncidentRow['severity'], Tone>> = {
  critical: 'bad',
  warning: 'notice',
};

function OpenIncident({ incident }: { incident: IncidentRow }) {
  const { alert, severity, since } = incident;
  const steps = RUNBOOKS.get(alert);
  return (
    <li class={`card incident incident-${severity}`}>
      <div class="incident-head">
        <Status tone={TONES[severity]} text={o.incidents.titles[alert]} />
        <span class="hint">
          {o.incidents.began} <Ago at={since} />
        </span>
      </div>
      <p>{incidentSentence(incident)}</p>
      {steps !== undefined && (
        <details class="runbook">
          <summary>{o.incidents.steps}</summary>
          <div lang="en">
            <Markdown text={steps} />
          </div>
        </details>
      )}
    </li>
  );
}

const ENDED_COLUMNS: readonly Column<IncidentRow>[] = [
  {
    label: o.incidents.incident,
    cell: ({ alert }) => <span class="strong">{o.incidents.titles[alert]}</span>,
  },
  { label: o.incidents.detail, cell: incidentSentence },
  { label: o.incidents.begin, isRight: true, cell: ({ since }) => <At time={since} /> },
  {
    label: o.incidents.end,
    isRight: true,
    cell: ({ ended_at }) => (ended_at === null ? o.none : <At time={ended_at} />),
  },
];
