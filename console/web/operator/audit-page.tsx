import { browserName } from '../format/browser-name.ts';
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

/** The details of a change, which the log has as JSON: each name with its value. */
function Detail({ of: text }: { of: string }) {
  const fields = fieldsIn(text);
  if (fields === undefined) return <Text of={text} />;
  return (
    <span class="audit-detail" title={text}>
      {fields.map(([name, value], index) => (
        <span key={name}>
          {index > 0 && ' · '}
          <span class="quiet">{name}</span> {shown(name, value)}
        </span>
      ))}
    </span>
  );
}

/** Names and values of a JSON object; undefined if the text is none, or is empty. */
function fieldsIn(text: string): readonly (readonly [string, unknown])[] | undefined {
  if (!text.startsWith('{') || text === '{}') return undefined;
  try {
    return Object.entries(JSON.parse(text) as object);
  } catch {
    // A long detail was cut off when it was stored.
    return undefined;
  }
}

function shown(name: string, value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return (name === 'user_agent' ? browserName(value) : undefined) ?? value;
}

const toneOf = (outcome: string): Tone =>
  outcome === 'done' ? 'good' : outcome === 'begun' ? 'notice' : 'bad';

const OUTCOMES: Readonly<Record<string, string>> = o.audit.outcomes;

const COLUMNS: readonly Column<Change>[] = [
  { label: o.audit.time, cell: ({ at }) => <Ago at={at} /> },
  { label: o.audit.who, cell: ({ operator }) => operator },
  { label: o.audit.action, cell: ({ action }) => <span class="strong">{action}</span> },
  { label: o.audit.subject, cell: ({ subject }) => <Text of={subject} /> },
  { label: o.audit.detail, cell: ({ detail }) => <Detail of={detail} /> },
  {
    label: o.audit.outcome,
    cell: ({ outcome }) => <Status tone={toneOf(outcome)} text={OUTCOMES[outcome] ?? outcome} />,
  },
];
