import { groupedDigits } from '../format/numbers.ts';
import { Ago, Money, Status } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { Together } from '../parts/together.tsx';
import { useNow } from '../state/now.ts';
import { invalidate, useResource } from '../state/resource.ts';
import { ConfirmedButton } from './confirmed-button.tsx';
import { Counts } from './counts.tsx';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { ShortId } from './short-id.tsx';
import { o } from './texts.ts';

type Books = OperatorRoutes['GET /admin/books']['answer'];
type Payout = OperatorRoutes['GET /admin/payouts']['answer']['data'][number];
type Parked = OperatorRoutes['GET /admin/parked']['answer']['data'][number];

const MINUTE = 60_000;
/** After this time settlement raises the alert DinfPayoutStuck, in milliseconds. */
const STUCK_MS = 48 * 3_600_000;

/** The proof of the ledger, facts that the bus refused, and withdrawals that are not finished. */
export function MoneyPage() {
  const books = useResource('books', () => operatorCall('GET /admin/books'));
  const parked = useResource(
    'parked',
    async () => (await operatorCall('GET /admin/parked')).data,
    MINUTE,
  );
  const payouts = useResource(
    'payouts',
    async () => (await operatorCall('GET /admin/payouts')).data,
    MINUTE,
  );
  return (
    <>
      <h1>{o.money.title}</h1>
      <Together of={[books, parked, payouts]}>
        <section>
          <div class="page-head">
            <h2>{o.money.proof}</h2>
            <button type="button" class="button" onClick={books.reload}>
              {o.money.again}
            </button>
          </div>
          <Loaded of={books} lines={5}>
            {(proof) => <Proof proof={proof} />}
          </Loaded>
        </section>
        <section>
          <h2>{o.money.parked}</h2>
          <Loaded of={parked} lines={2}>
            {(rows) => <ParkedFacts rows={rows} />}
          </Loaded>
        </section>
        <section>
          <h2>{o.money.payouts}</h2>
          <Loaded of={payouts} lines={2}>
            {(rows) =>
              rows.length === 0 ? (
                <p class="hint">{o.money.payoutsEmpty}</p>
              ) : (
                <PagedTable
                  caption={o.money.payouts}
                  rows={rows}
                  columns={PAYOUT_COLUMNS}
                  keyOf={({ id }) => id}
                  textOf={({ id, account }) => `${id} ${account}`}
                />
              )
            }
          </Loaded>
        </section>
      </Together>
    </>
  );
}

type CountName = keyof typeof o.money.counts;
const COUNTS = Object.keys(o.money.counts) as CountName[];

function Proof({ proof }: { proof: Books }) {
  const { ok, new_entries, stripe_drift_micro_usd: drift } = proof;
  return (
    <>
      <p class={`banner banner-${ok ? 'good' : 'bad'}`} role="status">
        <Status
          tone={ok ? 'good' : 'bad'}
          text={ok ? o.money.proved(groupedDigits(new_entries)) : o.money.broken}
        />
      </p>
      <Counts of={COUNTS.map((name) => [o.money.counts[name], groupedDigits(proof[name])])} />
      <p>
        {drift === null ? (
          <span class="quiet">{o.money.noStripe}</span>
        ) : (
          <>
            {o.money.stripe}: <Money micro={drift} />
          </>
        )}
      </p>
    </>
  );
}

function ParkedFacts({ rows }: { rows: readonly Parked[] }) {
  if (rows.length === 0) return <p class="hint">{o.money.parkedEmpty}</p>;
  return (
    <>
      <PagedTable
        caption={o.money.parked}
        rows={rows}
        columns={PARKED_COLUMNS}
        keyOf={({ id }) => id}
        textOf={({ subject, reason }) => `${subject} ${reason}`}
      />
      <div>
        <ConfirmedButton
          label={o.money.replay}
          name={o.money.replay}
          title={o.money.replayTitle}
          text={o.money.replayText}
          run={async () => {
            await operatorCall('POST /admin/parked/replay', {
              body: { ids: rows.map(({ id }) => id) },
            });
            invalidate('parked', 'books');
          }}
        />
      </div>
    </>
  );
}

const PARKED_COLUMNS: readonly Column<Parked>[] = [
  { label: o.money.subject, cell: ({ subject }) => <code>{subject}</code> },
  { label: o.money.reason, cell: ({ reason }) => reason },
  { label: o.money.messages, isRight: true, cell: ({ messages }) => groupedDigits(messages) },
  { label: o.money.since, isRight: true, cell: ({ parked_at }) => <Ago at={parked_at} /> },
];

const PAYOUT_COLUMNS: readonly Column<Payout>[] = [
  { label: o.money.account, cell: ({ account }) => <ShortId id={account} /> },
  { label: o.money.state, cell: (payout) => <PayoutState payout={payout} /> },
  { label: o.money.since, cell: ({ at }) => <Ago at={at} /> },
  {
    label: o.money.amount,
    isRight: true,
    cell: ({ amount_micro_usd }) => <Money micro={amount_micro_usd} />,
  },
];

const STATES: Readonly<Record<string, string>> = o.money.states;

function PayoutState({ payout: { state, at } }: { payout: Payout }) {
  const isStuck = useNow() - Date.parse(at) > STUCK_MS;
  return (
    <span class="two-lines">
      <Status tone={isStuck ? 'bad' : 'quiet'} text={STATES[state] ?? state} />
      {isStuck && <span class="hint">{o.money.stuck}</span>}
    </span>
  );
}
