import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { groupedDigits, tokens } from '../format/numbers.ts';
import { Loaded } from '../parts/loaded.tsx';
import { useResource } from '../state/resource.ts';
import { t } from '../texts.ts';

type Stats = Routes['GET /v1/stats']['answer'];

const MINUTE = 60_000;

/** Requests, tokens and machines of the whole network, and the demand for each model. */
export function NetworkNumbers() {
  const stats = useResource('public/stats', () => call('GET /v1/stats'), MINUTE);
  return (
    <>
      <section>
        <h2>{t.status.totalsTitle}</h2>
        <Loaded of={stats} lines={3}>
          {(known) => <Totals stats={known} />}
        </Loaded>
      </section>
      <section>
        <h2>{t.status.demandTitle}</h2>
        <Loaded of={stats} lines={4}>
          {({ models }) => <Demand models={models} />}
        </Loaded>
      </section>
    </>
  );
}

function Totals({ stats }: { stats: Stats }) {
  const count = (rows: Stats['machines']) => rows.reduce((sum, { machines }) => sum + machines, 0);
  const simulated = count(stats.machines.filter((row) => row.simulated));
  const figures = [
    [t.status.requestsDay, groupedDigits(stats.last_24_hours.requests)],
    [t.status.requestsMonth, groupedDigits(stats.last_30_days.requests)],
    [t.status.tokensMonth, tokens(stats.last_30_days.tokens)],
    [t.status.machines, groupedDigits(count(stats.machines))],
  ] as const;
  return (
    <>
      <dl class="card figures figures-four">
        {figures.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd class="figure">{value}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">
        {simulated > 0 && `${t.status.machinesSimulated(groupedDigits(simulated))} `}
        {t.status.rounded}
      </p>
    </>
  );
}

function Demand({ models }: { models: Stats['models'] }) {
  const shown = models.filter(({ last_30_days }) => last_30_days.requests > 0);
  if (shown.length === 0) return <p class="hint">{t.status.demandEmpty}</p>;
  const most = Math.max(1, ...shown.map(({ last_30_days }) => last_30_days.tokens));
  return (
    <div class="table-frame">
      <table class="table">
        <caption class="visually-hidden">{t.status.demandTitle}</caption>
        <thead>
          <tr>
            <th scope="col">{t.status.model}</th>
            <th scope="col">{t.status.share30}</th>
            <th scope="col" class="right">
              {t.status.requests}
            </th>
            <th scope="col" class="right">
              {t.status.tokens}
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <DemandRow key={row.model} row={row} most={most} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function DemandRow({
  row: { model, last_30_days: month, last_24_hours: day },
  most,
}: {
  row: Stats['models'][number];
  most: number;
}) {
  return (
    <tr>
      <td>{model}</td>
      <td data-label={t.status.share30}>
        <progress
          class="share"
          max={most}
          value={month.tokens}
          aria-label={`${t.status.share30}: ${model}`}
        />
      </td>
      <td class="right number" data-label={t.status.requests}>
        <span class="two-lines">
          {groupedDigits(month.requests)}
          <span class="hint">{t.status.perDay(groupedDigits(day.requests))}</span>
        </span>
      </td>
      <td class="right number" data-label={t.status.tokens}>
        <span class="two-lines">
          {tokens(month.tokens)}
          <span class="hint">{t.status.perDay(tokens(day.tokens))}</span>
        </span>
      </td>
    </tr>
  );
}
