import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { money, parseMoney } from '../format/money.ts';
import { type Period, periodStart } from '../format/periods.ts';
import { ActionFailure } from '../parts/action-failure.tsx';
import { ExportButton } from '../parts/export-button.tsx';
import { Field } from '../parts/field.tsx';
import { Amounts, At, Money, Status } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Pager } from '../parts/pager.tsx';
import { PeriodChoice } from '../parts/period-choice.tsx';
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
  const parts = [
    [t.overview.balance, balance.available_micro_usd],
    [t.money.held, balance.held_micro_usd],
    [t.money.promotional, balance.promotional_micro_usd],
    [t.money.withdrawable, balance.withdrawable_micro_usd],
    ...(balance.owed_micro_usd > 0 ? [[t.money.owed, balance.owed_micro_usd] as const] : []),
  ] as const;
  return <Amounts of={parts} class="figures four" />;
}

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
      <Field
        label={t.money.amount}
        problem={amount === undefined ? t.keyForm.wrongAmount : undefined}
      >
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            inputMode="decimal"
            value={typed}
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
        )}
      </Field>
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
    <div class="table-frame">
      <table class="table">
        <caption class="visually-hidden">{t.money.statement}</caption>
        <thead>
          <tr>
            <th scope="col">{t.requests.time}</th>
            <th scope="col">{t.money.kind}</th>
            <th scope="col">{t.requests.model}</th>
            <th scope="col">{t.money.reference}</th>
            <th scope="col" class="right">
              {t.money.amount}
            </th>
          </tr>
        </thead>
        <tbody>
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
        </tbody>
      </table>
    </div>
  );
}
