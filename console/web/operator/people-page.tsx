import { useState } from 'preact/hooks';
import { Field } from '../parts/field.tsx';
import { Ago, At, Money, Status } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { invalidate, useResource } from '../state/resource.ts';
import { ConfirmedButton } from './confirmed-button.tsx';
import { GiftButton } from './gift-button.tsx';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { o } from './texts.ts';

type Account = OperatorRoutes['GET /admin/accounts/{id}']['answer'];
type Key = OperatorRoutes['GET /admin/accounts/{id}/keys']['answer']['data'][number];

/** Finds accounts, suspends and resumes them, and revokes their keys. */
export function PeoplePage() {
  const [typed, setTyped] = useState('');
  const [asked, setAsked] = useState('');
  return (
    <>
      <h1>{o.people.title}</h1>
      <p class="intro">{o.people.intro}</p>
      <form
        class="filter"
        onSubmit={(event) => {
          event.preventDefault();
          setAsked(typed.trim());
        }}
      >
        <Field label={o.people.search}>
          {(attributes) => (
            <input
              {...attributes}
              type="search"
              minLength={3}
              required
              value={typed}
              onInput={({ currentTarget }) => setTyped(currentTarget.value)}
            />
          )}
        </Field>
        <button type="submit" class="button primary">
          {o.people.submit}
        </button>
      </form>
      {asked === '' ? <p class="hint">{o.people.notYet}</p> : <Found asked={asked} />}
    </>
  );
}

function Found({ asked }: { asked: string }) {
  const [shown, show] = useState<Account>();
  const accounts = useResource(`accounts/${asked}`, () => findAccounts(asked));
  const columns: readonly Column<Account>[] = [
    ...ACCOUNT_COLUMNS,
    {
      label: o.actions,
      hasActions: true,
      cell: (account) => (
        <>
          <button
            type="button"
            class="button small"
            aria-label={o.people.keysOf(nameOf(account))}
            onClick={() => show(account)}
          >
            {o.people.show}
          </button>
          <GiftButton account={account.id} name={nameOf(account)} />
          <SuspendButton account={account} />
        </>
      ),
    },
  ];
  return (
    <>
      <Loaded of={accounts} lines={3}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title={o.people.emptyTitle} text={o.people.empty} />
          ) : (
            <PagedTable
              caption={o.people.title}
              rows={rows}
              columns={columns}
              keyOf={({ id }) => id}
            />
          )
        }
      </Loaded>
      {shown && <Keys key={shown.id} account={shown} />}
    </>
  );
}

/** Finds by the id of an account, by a whole address, or by the beginning of one. */
async function findAccounts(asked: string): Promise<Account[]> {
  if (asked.startsWith('acct_'))
    return [await operatorCall('GET /admin/accounts/{id}', { path: { id: asked } })];
  return (await operatorCall('GET /admin/accounts', { query: { email_prefix: asked } })).data;
}

const nameOf = ({ name, email, id }: Account): string => name || email || id;

const ACCOUNT_COLUMNS: readonly Column<Account>[] = [
  {
    label: o.people.account,
    cell: (account) => (
      <span class="two-lines">
        <span class="strong">{nameOf(account)}</span>
        <code class="quiet">{account.id}</code>
      </span>
    ),
  },
  { label: o.people.since, cell: ({ created_at }) => <At time={created_at} /> },
  {
    label: o.people.state,
    cell: ({ suspended }) => (
      <Status
        tone={suspended === null ? 'good' : 'bad'}
        text={suspended === null ? o.people.active : o.people.suspended(suspended.reason)}
      />
    ),
  },
  {
    label: o.people.spent,
    isRight: true,
    cell: ({ spent_today_micro_usd }) => <Money micro={spent_today_micro_usd} />,
  },
];

function SuspendButton({ account }: { account: Account }) {
  const path = { id: account.id };
  const name = nameOf(account);
  if (account.suspended !== null)
    return (
      <ConfirmedButton
        label={o.people.resume}
        name={`${o.people.resume} ${name}`}
        title={o.people.resumeTitle(name)}
        text={o.people.resumeText}
        run={async () => {
          await operatorCall('POST /admin/accounts/{id}/resume', { path });
          invalidate('accounts');
        }}
      />
    );
  return (
    <ConfirmedButton
      label={o.people.suspend}
      name={`${o.people.suspend} ${name}`}
      title={o.people.suspendTitle(name)}
      text={o.people.suspendText}
      isDanger
      reason={{ label: o.people.reason, hint: o.people.reasonHint }}
      run={async (reason) => {
        await operatorCall('POST /admin/accounts/{id}/suspend', { path, body: { reason } });
        invalidate('accounts');
      }}
    />
  );
}

function Keys({ account }: { account: Account }) {
  const keys = useResource(
    `account-keys/${account.id}`,
    async () =>
      (await operatorCall('GET /admin/accounts/{id}/keys', { path: { id: account.id } })).data,
  );
  const title = o.people.keysOf(nameOf(account));
  return (
    <section>
      <h2>{title}</h2>
      <Loaded of={keys} lines={3}>
        {(rows) =>
          rows.length === 0 ? (
            <p class="hint">{o.people.keysEmpty}</p>
          ) : (
            <PagedTable
              caption={title}
              rows={rows}
              columns={KEY_COLUMNS}
              keyOf={({ id }) => id}
              textOf={({ id, name, label }) => `${id} ${name} ${label}`}
            />
          )
        }
      </Loaded>
    </section>
  );
}

const KEY_COLUMNS: readonly Column<Key>[] = [
  {
    label: o.people.key,
    cell: ({ name, label, disabled }) => (
      <span class="two-lines">
        <span class="strong">
          {name || o.people.unnamed} {disabled && <span class="tag">{o.people.paused}</span>}
        </span>
        <code class="quiet">{label}</code>
      </span>
    ),
  },
  { label: o.people.since, cell: ({ created_at }) => <At time={created_at} /> },
  {
    label: o.people.lastUsed,
    cell: ({ last_used_at }) =>
      last_used_at === null ? o.people.never : <Ago at={last_used_at} />,
  },
  {
    label: o.actions,
    hasActions: true,
    cell: ({ id, name, label }) => (
      <ConfirmedButton
        label={o.people.revoke}
        name={`${o.people.revoke} ${name || label}`}
        title={o.people.revokeTitle(name || label)}
        text={o.people.revokeText}
        isDanger
        run={async () => {
          await operatorCall('DELETE /admin/keys/{id}', { path: { id } });
          invalidate('account-keys');
        }}
      />
    ),
  },
];
