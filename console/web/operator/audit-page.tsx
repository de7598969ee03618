import { Ago, Status, type Tone } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { useResource } from '../state/resource.ts';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { o } from './texts.ts';

type Change = OperatorRoutes['GET /admin/audit']['answer']['data'][number];

const EVERY_MS = 15_000;
const ROWS = 500;

/** The last changes, and how each ended. */
export function AuditPage() {
  const audit = useResource(
    'audit',
    async () => (await operatorCall('GET /admin/audit', { query: { limit: ROWS } })).data,
    EVERY_MS,
  );
  return (
    <>
      <h1>{o.audit.title}</h1>
      <p class="intro">{o.audit.intro}</p>
      <Loaded of={audit} lines={10}>
        {(rows) =>
          rows.length === 0 ? (
            <p class="hint">{o.audit.empty}</p>
          ) : (
            <PagedTable
              caption={o.audit.title}
              rows={rows}
              columns={COLUMNS}
              keyOf={({ id, outcome }) => `${id} ${outcome}`}
              textOf={({ operator, action, subject, detail }) =>
                `${operator} ${action} ${subject} ${detail}`
              }
            />
          )
        }
      </Loaded>
    </>
  );
}

/** A text of the log; a dash where the change has none. */
const Text = ({ of: text }: { of: string }) =>
  text === '' || text === '{}' ? <>–</> : <code class="break">{text}</code>;

const toneOf = (outcome: string): Tone =>
  outcome === 'done' ? 'good' : outcome === 'begun' ? 'notice' : 'bad';

const OUTCOMES: Readonly<Record<string, string>> = o.audit.outcomes;

const COLUMNS: readonly Column<Change>[] = [
  { label: o.audit.time, cell: ({ at }) => <Ago at={at} /> },
  { label: o.audit.who, cell: ({ operator }) => operator },
  { label: o.audit.action, cell: ({ action }) => <span class="strong">{action}</span> },
  { label: o.audit.subject, cell: ({ subject }) => <Text of={subject} /> },
  { label: o.audit.detail, cell: ({ detail }) => <Text of={detail} /> },
  {
    label: o.audit.outcome,
    cell: ({ outcome }) => <Status tone={toneOf(outcome)} text={OUTCOMES[outcome] ?? outcome} />,
  },
];
