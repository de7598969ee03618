import { useState } from 'preact/hooks';
import type { Routes } from '../api/routes.ts';
import { money } from '../format/money.ts';
import { groupedDigits, megabytes } from '../format/numbers.ts';
import { dayInUtc, hoursAndMinutes } from '../format/time.ts';
import { ExportButton } from '../parts/export-button.tsx';
import { Money } from '../parts/figures.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Pager } from '../parts/pager.tsx';
import { RewardConditions } from '../parts/reward-conditions.tsx';
import { Table } from '../parts/table.tsx';
import { useMachines, usePromotions, useRewardPolicy, useRewards } from '../state/answers.ts';
import { knownValue } from '../state/resource-state.ts';
import { t } from '../texts.ts';

type Row = Routes['GET /v1/rewards']['answer']['data'][number];
type Promotion = Routes['GET /v1/rewards/promotions']['answer']['data'][number];
type Reason = Row['reasons'][number];

/** What the network pays to machines for being ready. Nothing, if it never paid and never will. */
export function Rewards() {
  const [before, setBefore] = useState<readonly string[]>([]);
  const policies = knownValue(useRewardPolicy().state);
  const rewards = useRewards(before.at(-1));
  const isEmpty = knownValue(rewards.state)?.data.length === 0 && before.length === 0;
  const promotions = knownValue(usePromotions().state) ?? [];
  const isOffered =
    promotions.length > 0 ||
    (policies !== undefined && (policies.policy ?? policies.next) !== null);
  if (!isOffered && (isEmpty || knownValue(rewards.state) === undefined)) return null;
  return (
    <section>
      <div class="page-head">
        <h2>{t.rewards.title}</h2>
        <ExportButton path="/v1/rewards" file="rewards.csv" />
      </div>
      {policies && <RewardConditions policies={policies} />}
      {promotions.map((promotion) => (
        <p key={promotion.promotion} class="hint">
          {promotionText(promotion)}
        </p>
      ))}
      <Loaded of={rewards} lines={4}>
        {({ data, next }) =>
          data.length === 0 ? (
            <Empty title={t.rewards.emptyTitle} text={t.rewards.empty} />
          ) : (
            <>
              <RewardTable rows={data} />
              <Pager next={next} before={before} go={setBefore} />
            </>
          )
        }
      </Loaded>
    </section>
  );
}

const promotionText = (promotion: Promotion): string =>
  t.rewards.promotion(
    promotion.promotion,
    money(promotion.micro_usd_per_million_tokens),
    promotion.models.join(', '),
    `${dayInUtc(promotion.starts_on)} – ${dayInUtc(promotion.ends_on)}`,
  );

function RewardTable({ rows }: { rows: readonly Row[] }) {
  const machines = knownValue(useMachines().state) ?? [];
  return (
    <Table
      caption={t.rewards.title}
      columns={[
        { title: t.rewards.day },
        { title: t.rewards.machine },
        { title: t.rewards.what },
        { title: t.earnings.jobs, isRight: true },
        { title: t.rewards.because },
        { title: t.rewards.amount, isRight: true },
      ]}
    >
      {rows.map((row) => (
        <tr key={`${row.day} ${row.provider}`}>
          <td data-label={t.rewards.day}>{dayInUtc(row.day)}</td>
          <td data-label={t.rewards.machine}>
            {machines.find(({ id }) => id === row.provider)?.name ?? row.provider.slice(0, 8)}
          </td>
          <td data-label={t.rewards.what}>
            {row.promotion === null
              ? t.rewards.ready(hoursAndMinutes(row.ready_minutes))
              : t.rewards.promoted(row.promotion, groupedDigits(row.tokens ?? 0))}
          </td>
          <td data-label={t.earnings.jobs} class="right number">
            {groupedDigits(row.requests)}
          </td>
          <td data-label={t.rewards.because}>{row.reasons.map(textOf).join(' ') || '–'}</td>
          <td data-label={t.rewards.amount} class="right">
            <Money micro={row.amount_micro_usd} />
            {row.amount_micro_usd > 0 && row.paid_at === null && (
              <span class="hint">{t.rewards.isDue}</span>
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** A reason of a newer network without a text here is shown by its name. */
function textOf({ reason, has, needs }: Reason): string {
  const format = formatOf(reason);
  return t.rewards.reasons[reason]?.(format(has ?? 0), format(needs ?? 0)) ?? reason;
}

function formatOf(reason: Reason['reason']): (value: number) => string {
  switch (reason) {
    case 'hours':
    case 'hardware_trust':
    case 'signed_trust':
      return hoursAndMinutes;
    case 'memory':
      return megabytes;
    default:
      return groupedDigits;
  }
}
