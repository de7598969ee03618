import { Loaded } from '../parts/loaded.tsx';
import { invalidate, useResource } from '../state/resource.ts';
import { ConfirmedButton } from './confirmed-button.tsx';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { ShortId } from './short-id.tsx';
import { o } from './texts.ts';

type Names = OperatorRoutes['GET /admin/public-names']['answer'];
type Shown = Names['shown'][number];
type Withdrawn = Names['withdrawn'][number];

const MINUTE = 60_000;

/** The public names of machines, for the page that shows them and for the one that waits for it. */
export const usePublicNames = () =>
  useResource('public-names', () => operatorCall('GET /admin/public-names'), MINUTE);

/** The names on the public leaderboard, which an operator withdraws, and allows again. */
export function PublicNames() {
  const names = usePublicNames();
  return (
    <section>
      <h2>{o.names.title}</h2>
      <p class="hint">{o.names.intro}</p>
      <Loaded of={names} lines={3}>
        {({ shown, withdrawn }) => (
          <>
            {shown.length === 0 ? (
              <p class="hint">{o.names.empty}</p>
            ) : (
              <PagedTable
                caption={o.names.title}
                rows={shown}
                columns={SHOWN_COLUMNS}
                keyOf={({ provider }) => provider}
                textOf={({ name, provider }) => `${name} ${provider}`}
              />
            )}
            {withdrawn.length > 0 && (
              <>
                <h3>{o.names.withdrawn}</h3>
                <PagedTable
                  caption={o.names.withdrawn}
                  rows={withdrawn}
                  columns={WITHDRAWN_COLUMNS}
                  keyOf={({ provider }) => provider}
                  textOf={({ compared_as, provider }) => `${compared_as} ${provider}`}
                />
              </>
            )}
          </>
        )}
      </Loaded>
    </section>
  );
}

const SHOWN_COLUMNS: readonly Column<Shown>[] = [
  { label: o.names.name, cell: ({ name }) => <span class="strong">{name}</span> },
  { label: o.fleet.machine, cell: ({ provider }) => <ShortId id={provider} /> },
  {
    label: o.actions,
    hasActions: true,
    cell: ({ name }) => (
      <ConfirmedButton
        label={o.names.withdraw}
        name={o.names.withdrawName(name)}
        title={o.names.withdrawTitle(name)}
        text={o.names.withdrawText}
        isDanger
        reason={{ label: o.people.reason, hint: o.people.reasonHint }}
        run={async (reason) => {
          await operatorCall('POST /admin/public-names/withdraw', { body: { name, reason } });
          invalidate('public-names');
        }}
      />
    ),
  },
];

const WITHDRAWN_COLUMNS: readonly Column<Withdrawn>[] = [
  {
    label: o.names.comparedAs,
    cell: ({ compared_as }) => (compared_as === '' ? o.none : <code>{compared_as}</code>),
  },
  { label: o.fleet.machine, cell: ({ provider }) => <ShortId id={provider} /> },
  {
    label: o.actions,
    hasActions: true,
    cell: ({ provider }) => (
      <ConfirmedButton
        label={o.names.allow}
        name={`${o.names.allow} ${provider}`}
        title={o.names.allowTitle}
        text={o.names.allowText}
        run={async () => {
          await operatorCall('POST /admin/providers/{id}/allow-name', { path: { id: provider } });
          invalidate('public-names');
        }}
      />
    ),
  },
];
