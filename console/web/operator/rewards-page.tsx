import { money } from '../format/money.ts';
import { groupedDigits } from '../format/numbers.ts';
import { dayInUtc } from '../format/time.ts';
import { Amounts, Money } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { RewardConditions } from '../parts/reward-conditions.tsx';
import { Together } from '../parts/together.tsx';
import { invalidate, useResource } from '../state/resource.ts';
import { ConfirmedButton } from './confirmed-button.tsx';
import { FundButton } from './fund-button.tsx';
import { operatorCall } from './operator-call.ts';
import { type Column, PagedTable } from './paged-table.tsx';
import type { OperatorRoutes } from './routes.ts';
import { o } from './texts.ts';

type Rewards = OperatorRoutes['GET /admin/rewards']['answer'];
type Day = Rewards['days'][number];
type Promotion = OperatorRoutes['GET /admin/rewards/promotions']['answer']['data'][number];

const MINUTE = 60_000;
/** Commands are the same in each language. */
const SET_COMMAND = 'dinf rewards set';
const PROMOTE_COMMAND = 'dinf rewards promote';

/** What the network pays to machines beside their answers, and the fund that it is paid from. */
export function RewardsPage() {
  const rewards = useResource('rewards', () => operatorCall('GET /admin/rewards'), MINUTE);
  const promotions = useResource(
    'promotions',
    async () => (await operatorCall('GET /admin/rewards/promotions')).data,
    MINUTE,
  );
  return (
    <>
      <h1>{o.rewards.title}</h1>
      <Together of={[rewards, promotions]}>
        <Loaded of={rewards} lines={8}>
          {(answer) => <BaseRewards rewards={answer} />}
        </Loaded>
        <section>
          <h2>{o.rewards.promotions}</h2>
          <Loaded of={promotions} lines={3}>
            {(rows) => <Promotions rows={rows} />}
          </Loaded>
        </section>
      </Together>
    </>
  );
}

function BaseRewards({ rewards }: { rewards: Rewards }) {
  const { policy, next, days, fund_micro_usd: fund, due_micro_usd: due } = rewards;
  const goesOn = (next === null ? policy : next.policy) !== null;
  return (
    <>
      <section>
        <div class="page-head">
          <h2>{o.rewards.fund}</h2>
          <FundButton />
        </div>
        <p class="hint">{o.rewards.fundText}</p>
        <Amounts
          class="card figures"
          of={[
            [o.rewards.has, fund],
            [o.rewards.due, due],
          ]}
        />
      </section>
      <section>
        <div class="page-head">
          <h2>{o.rewards.base}</h2>
          {goesOn && <EndButton />}
        </div>
        {policy === null && next === null ? (
          <p>{o.rewards.none}</p>
        ) : (
          <RewardConditions policies={{ policy, next }} />
        )}
        <p class="hint">
          {o.rewards.howToSet} <code>{SET_COMMAND}</code>
        </p>
        {days.length > 0 && (
          <PagedTable
            caption={o.rewards.days}
            rows={days}
            columns={DAY_COLUMNS}
            keyOf={({ day }) => day}
          />
        )}
      </section>
    </>
  );
}

const EndButton = () => (
  <ConfirmedButton
    label={o.rewards.end}
    name={o.rewards.end}
    title={o.rewards.endTitle}
    text={o.rewards.endText}
    isDanger
    run={async () => {
      await operatorCall('DELETE /admin/rewards/policy');
      invalidate('rewards');
    }}
  />
);

function Promotions({ rows }: { rows: readonly Promotion[] }) {
  return (
    <>
      {rows.length === 0 ? (
        <p>{o.rewards.noPromotion}</p>
      ) : (
        <PagedTable
          caption={o.rewards.promotions}
          rows={rows}
          columns={PROMOTION_COLUMNS}
          keyOf={({ promotion }) => promotion}
          textOf={({ promotion, models }) => `${promotion} ${models.join(' ')}`}
        />
      )}
      <p class="hint">
        {o.rewards.howToPromote} <code>{PROMOTE_COMMAND}</code>
      </p>
    </>
  );
}

const DAY_COLUMNS: readonly Column<Day>[] = [
  { label: o.rewards.day, cell: ({ day }) => dayInUtc(day) },
  { label: o.rewards.machines, isRight: true, cell: ({ machines }) => groupedDigits(machines) },
  { label: o.rewards.rewarded, isRight: true, cell: ({ rewarded }) => groupedDigits(rewarded) },
  {
    label: o.rewards.amount,
    isRight: true,
    cell: ({ amount_micro_usd }) => <Money micro={amount_micro_usd} />,
  },
];

const PROMOTION_COLUMNS: readonly Column<Promotion>[] = [
  {
    label: o.rewards.promotion,
    cell: ({ promotion, models }) => (
      <span class="two-lines">
        <span class="strong">{promotion}</span>
        <span class="hint">{models.join(', ')}</span>
      </span>
    ),
  },
  {
    label: o.rewards.period,
    cell: ({ starts_on, ends_on }) => `${dayInUtc(starts_on)} – ${dayInUtc(ends_on)}`,
  },
  {
    label: o.rewards.perMillion,
    isRight: true,
    cell: ({ micro_usd_per_million_tokens: amount }) => <Money micro={amount} />,
  },
  {
    label: o.rewards.paid,
    isRight: true,
    cell: ({ spent_micro_usd: spent, cap_micro_usd: cap }) =>
      o.rewards.paidOf(money(spent), money(cap)),
  },
  {
    label: o.actions,
    hasActions: true,
    cell: ({ promotion }) => (
      <ConfirmedButton
        label={o.rewards.stop}
        name={o.rewards.stopName(promotion)}
        title={o.rewards.stopTitle(promotion)}
        text={o.rewards.stopText}
        isDanger
        run={async () => {
          await operatorCall('DELETE /admin/rewards/promotions/{name}', {
            path: { name: promotion },
          });
          invalidate('promotions');
        }}
      />
    ),
  },
];
