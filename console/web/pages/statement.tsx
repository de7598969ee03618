import { useState } from 'preact/hooks';
import type { Routes } from '../api/routes.ts';
import { type Period, periodStart } from '../format/periods.ts';
import { ExportButton } from '../parts/export-button.tsx';
import { At, Money } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Pager } from '../parts/pager.tsx';
import { PeriodChoice } from '../parts/period-choice.tsx';
import { Table } from '../parts/table.tsx';
import { useStatement } from '../state/answers.ts';
import { t } from '../texts.ts';
import { PrintStatement } from './print-statement.tsx';

/** Every change of the balance in a period, with the ways to take it along. */
export function Statement() {
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
          <PrintStatement from={from} />
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

export type StatementRow = Routes['GET /v1/statement']['answer']['data'][number];

export function StatementTable({ rows }: { rows: readonly StatementRow[] }) {
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
          <td data-label={t.money.kind}>
            {t.money.kinds[row.kind] ?? row.kind}
            {row.note !== null && <span class="hint">{row.note}</span>}
          </td>
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
