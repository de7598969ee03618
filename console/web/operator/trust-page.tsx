import { localDay } from '../format/time.ts';
import { At, Status } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { LogHeadFacts } from '../parts/log-head-facts.tsx';
import { useResource } from '../state/resource.ts';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { ShortId } from './short-id.tsx';
import { o } from './texts.ts';

type Answer = OperatorRoutes['GET /admin/releases']['answer'];
type Release = Answer['releases'][number];

const MINUTE = 60_000;

/** The head of the transparency log, and the releases that machines may run. */
export function TrustPage() {
  const known = useResource('releases', () => operatorCall('GET /admin/releases'), MINUTE);
  return (
    <>
      <h1>{o.trust.title}</h1>
      <Loaded of={known} lines={8}>
        {({ log, releases }) => (
          <>
            <LogHead log={log} />
            <section>
              <h2>{o.trust.releases}</h2>
              <PagedTable
                caption={o.trust.releases}
                rows={releases}
                columns={COLUMNS}
                keyOf={({ code_hash }) => code_hash}
                textOf={({ version, code_hash }) => `${version} ${code_hash}`}
              />
              <p class="hint">{o.trust.how}</p>
            </section>
          </>
        )}
      </Loaded>
    </>
  );
}

function LogHead({ log: { entries, root, key, at } }: { log: Answer['log'] }) {
  return (
    <section>
      <h2>{o.trust.log}</h2>
      <LogHeadFacts
        labels={o.trust}
        entries={entries}
        at={at}
        digests={[
          [o.trust.root, root],
          [o.trust.key, key],
        ]}
      />
      <p class="hint">{o.trust.witnesses}</p>
    </section>
  );
}

const COLUMNS: readonly Column<Release>[] = [
  { label: o.trust.version, cell: ({ version }) => <span class="strong">{version}</span> },
  { label: o.trust.code, cell: ({ code_hash }) => <ShortId id={code_hash} /> },
  { label: o.trust.added, cell: ({ added_at }) => <At time={added_at} /> },
  {
    label: o.trust.state,
    cell: ({ withdrawn_at }) =>
      withdrawn_at === null ? (
        <Status tone="good" text={o.trust.active} />
      ) : (
        <Status tone="quiet" text={o.trust.withdrawn(localDay(Date.parse(withdrawn_at)))} />
      ),
  },
];
