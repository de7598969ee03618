import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { type BalanceFigure, balanceFigures } from '../format/balance-figures.ts';
import { money, parseMoney } from '../format/money.ts';
import { type Period, periodStart } from '../format/periods.ts';
import { ActionFailure } from '../parts/action-failure.tsx';
import { AmountField } from '../parts/amount-field.tsx';
import { ExportButton } from '../parts/export-button.tsx';
import { Field } from '../parts/field.tsx';
import { Amounts, At, Money, Status } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Pager } from '../parts/pager.tsx';
import { PeriodChoice } from '../parts/period-choice.tsx';
import { Table } from '../parts/table.tsx';
import { PATHS } from '../router.ts';
import { useAction } from '../state/action.ts';
import { useBalance, useStatement } from '../state/answers.ts';
import { invalidate } from '../state/resource.ts';
import { t } from '../texts.ts';

export function MoneyPage() {
  const balance = useBalance();
  return (
    <>
      <h1>{t.money.title}</h1>
      {new URLSearchParams(location.search).has('paid') && (
        <p class="note" role="status">
          {t.money.paid}
        </p>
      )}
      <section class="card" aria-label={t.overview.balance}>
        <Loaded of={balance} lines={3}>
          {(value) => <BalanceParts balance={value} />}
        </Loaded>
      </section>
      <section class="pair">
        <AddCredit />
        <RedeemInvite />
      </section>
      <Statement />
    </>
  );
}

function BalanceParts({ balance }: { balance: Routes['GET /v1/balance']['answer'] }) {
  const figures = balanceFigures(balance).map(
    ([figure, micro]) => [LABELS[figure], micro] as const,
  );
  return <Amounts of={figures} class="figures four" />;
}

const LABELS: Readonly<Record<BalanceFigure, string>> = {
  available: t.overview.balance,
  held: t.money.held,
  promotional: t.money.promotional,
  withdrawable: t.money.withdrawable,
  owed: t.money.owed,
};

const AMOUNTS = [5_000_000, 20_000_000, 50_000_000, 100_000_000] as const;

/** Opens a payment page of Stripe, which comes back to this page. */
function AddCredit() {
  const [typed, setTyped] = useState('20');
  const action = useAction();
  const amount = parseMoney(typed);
  const pay = async () => {
    if (amount === undefined) return;
    const back = `${location.origin}${PATHS.money}`;
    const { url } = await call('POST /v1/billing/checkout', {
      body: { amount_micro_usd: amount, success_url: `${back}?paid=1`, cancel_url: back },
    });
    location.assign(url);
  };
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        action.run(pay);
      }}
    >
      <h2>{t.money.addTitle}</h2>
      <p class="hint">{t.money.addText}</p>
      <div class="amounts">
        {AMOUNTS.map((each) => (
          <button
            key={each}
            type="button"
            class={each === amount ? 'button chosen' : 'button'}
            aria-pressed={each === amount}
            onClick={() => setTyped(String(each / 1_000_000))}
          >
            {money(each).replace('.00', '')}
          </button>
        ))}
      </div>
      <AmountField
        typed={typed}
        type={setTyped}
        problem={amount === undefined ? t.keyForm.wrongAmount : undefined}
      />
      <ActionFailure of={action} />
      <button type="submit" class="button primary" disabled={action.isBusy || amount === undefined}>
        {amount === undefined ? t.money.add : t.money.addAmount(money(amount))}
      </button>
    </form>
  );
}

function RedeemInvite() {
  const [code, setCode] = useState('');
  const [credited, setCredited] = useState<number>();
  const action = useAction();
  const redeem = async () => {
    const answer = await call('POST /v1/invites/redeem', { body: { code: code.trim() } });
    setCredited(answer.credited_micro_usd);
    setCode('');
    invalidate('balance', 'account', 'statement');
  };
  return (
    <form
      class="panel"
      onSubmit={(event) => {
        event.preventDefault();
        action.run(redeem);
      }}
    >
      <h2>{t.money.inviteTitle}</h2>
      <p class="hint">{t.money.inviteText}</p>
      <Field label={t.money.inviteCode}>
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            autocomplete="off"
            value={code}
            onInput={({ currentTarget }) => setCode(currentTarget.value)}
          />
        )}
      </Field>
      <ActionFailure of={action} />
      {credited !== undefined && (
        <p role="status">
          <Status tone="good" text={t.money.credited(money(credited))} />
        </p>
      )}
      <button type="submit" class="button" disabled={action.isBusy || code.trim() === ''}>
        {t.money.redeem}
      </button>
    </form>
  );
}

function Statement() {
  const [period, setPeriod] = useState<Period>('week');
  const [before, setBefore] = useState<readonly string[]>([]);
  const from = periodStart(period, Date.now());
  const statement = useStatement(from, before.at(-1));
  const choose = (next: Period) => {
    setPeriod(next);
    setBefore([]);
  };
  return (
    <section>
      <div class="page-head">
        <h2>{t.money.statement}</h2>
        <div class="filters">
          <PeriodChoice period={period} choose={choose} />
          <ExportButton
            path="/v1/statement"
            query={{ from: new Date(from).toISOString() }}
            file="statement.csv"
          />
        </div>
      </div>
      <Loaded of={statement} lines={8}>
        {({ data, next }) =>
          data.length === 0 ? (
            <Empty title={t.money.emptyTitle} text={t.money.empty} />
          ) : (
            <>
              <StatementTable rows={data} />
              <Pager next={next} before={before} go={setBefore} />
            </>
          )
        }
      </Loaded>
    </section>
  );
}

type StatementRow = Routes['GET /v1/statement']['answer']['data'][number];

function StatementTable({ rows }: { rows: readonly StatementRow[] }) {
  return (
    <Table
      caption={t.money.statement}
      columns={[
        { title: t.requests.time },
        { title: t.money.kind },
        { title: t.requests.model },
        { title: t.money.reference },
        { title: t.money.amount, isRight: true },
      ]}
    >
      {rows.map((row) => (
        <tr key={`${row.at} ${row.reference} ${row.kind}`}>
          <td data-label={t.requests.time}>
            <At time={row.at} />
          </td>
          <td data-label={t.money.kind}>{t.money.kinds[row.kind] ?? row.kind}</td>
          <td data-label={t.requests.model}>{row.model ?? ''}</td>
          <td data-label={t.money.reference} class="reference">
            <code>{row.reference}</code>
          </td>
          <td data-label={t.money.amount} class="right">
            <Money micro={row.amount_micro_usd} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
