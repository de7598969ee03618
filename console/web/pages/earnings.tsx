import { useRef, useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { money, parseMoney } from '../format/money.ts';
import { groupedDigits } from '../format/numbers.ts';
import { type Period, periodStart } from '../format/periods.ts';
import { ActionFailure } from '../parts/action-failure.tsx';
import { AmountField } from '../parts/amount-field.tsx';
import { At, Money, Status } from '../parts/figures.tsx';
import { Empty, Loaded, Skeleton } from '../parts/loaded.tsx';
import { PeriodChoice } from '../parts/period-choice.tsx';
import { Table } from '../parts/table.tsx';
import { PATHS } from '../router.ts';
import { useAction } from '../state/action.ts';
import {
  useBalance,
  useDemand,
  useEarnings,
  useMachines,
  useModels,
  usePromotions,
  useRewardPolicy,
  useRewards,
  useWithdrawals,
} from '../state/answers.ts';
import { chipKinds } from '../state/comparable-earnings.ts';
import { invalidate } from '../state/resource.ts';
import { awaitsFirstAnswer, knownValue } from '../state/resource-state.ts';
import { t } from '../texts.ts';
import { ComparableEarnings } from './comparable-earnings.tsx';
import { Connection } from './connection.tsx';
import { Quote } from './quote.tsx';
import { Rewards } from './rewards.tsx';

export function EarningsPage() {
  const [period, setPeriod] = useState<Period>('week');
  const earnings = useEarnings(periodStart(period, Date.now()));
  const balance = useBalance();
  const withdrawals = useWithdrawals();
  const policy = useRewardPolicy();
  const promotions = usePromotions();
  const rewards = useRewards(undefined);
  const demand = useDemand();
  const models = useModels();
  const machines = useMachines();
  // The parts appear together, so that none moves another. Another period replaces only its table.
  const isShown = useRef(false);
  isShown.current ||= ![
    earnings,
    balance,
    withdrawals,
    policy,
    promotions,
    rewards,
    demand,
    models,
    machines,
  ].some(({ state }) => awaitsFirstAnswer(state));
  if (!isShown.current)
    return (
      <>
        <h1>{t.earnings.title}</h1>
        <Skeleton lines={12} />
      </>
    );
  return (
    <>
      <h1>{t.earnings.title}</h1>
      <p class="intro">{t.earnings.intro}</p>
      <section class="pair">
        <div class="card">
          <Loaded of={balance} lines={3}>
            {(value) => <Withdrawable balance={value} />}
          </Loaded>
        </div>
        <Withdraw />
      </section>
      <section>
        <div class="page-head">
          <h2>{t.earnings.bySource}</h2>
          <PeriodChoice period={period} choose={setPeriod} />
        </div>
        <Loaded of={earnings} lines={4}>
          {({ data }) =>
            data.length === 0 ? (
              <Empty title={t.earnings.emptyTitle} text={t.earnings.empty} />
            ) : (
              <SourceTable rows={data} />
            )
          }
        </Loaded>
      </section>
      <section>
        <h2>{t.comparable.title}</h2>
        <ComparableEarnings chips={chipKinds(knownValue(machines.state) ?? [])} />
      </section>
      <Rewards />
      <Withdrawals />
      <Connection />
    </>
  );
}

function Withdrawable({ balance }: { balance: Routes['GET /v1/balance']['answer'] }) {
  return (
    <>
      <dl>
        <dt>{t.money.withdrawable}</dt>
        <dd class="figure">
          <Money micro={balance.withdrawable_micro_usd} />
        </dd>
      </dl>
      {balance.maturing.length > 0 && (
        <>
          <h3 class="hint">{t.earnings.maturing}</h3>
          <ul class="plain">
            {balance.maturing.map(({ at, amount_micro_usd: micro }) => (
              <li key={at}>
                <Money micro={micro} /> · <At time={at} />
              </li>
            ))}
          </ul>
        </>
      )}
      <p class="hint">
        {t.earnings.spend} <a href={PATHS.chat}>{t.overview.tryChat}</a>
      </p>
    </>
  );
}

type SourceRow = Routes['GET /v1/earnings']['answer']['data'][number];

function SourceTable({ rows }: { rows: readonly SourceRow[] }) {
  const machines = knownValue(useMachines().state) ?? [];
  const nameOf = (source: string) =>
    machines.find(({ id }) => id === source)?.name ?? t.earnings.sources[source] ?? source;
  return (
    <Table
      caption={t.earnings.bySource}
      columns={[
        { title: t.earnings.source },
        { title: t.earnings.jobs, isRight: true },
        { title: t.requests.tokens, isRight: true },
        { title: t.earnings.earned, isRight: true },
      ]}
    >
      {rows.map((row) => (
        <tr key={row.source}>
          <td data-label={t.earnings.source}>{nameOf(row.source)}</td>
          <td data-label={t.earnings.jobs} class="right number">
            {groupedDigits(row.jobs)}
          </td>
          <td data-label={t.requests.tokens} class="right number">
            {groupedDigits(row.prompt_tokens)} → {groupedDigits(row.completion_tokens)}
          </td>
          <td data-label={t.earnings.earned} class="right">
            <Money micro={row.amount_micro_usd} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** Sends earned money to the owner's bank; before the first time, Stripe asks where that is. */
function Withdraw() {
  const withdrawals = useWithdrawals();
  return (
    <div class="panel">
      <h2>{t.earnings.withdraw}</h2>
      <Loaded of={withdrawals} lines={3}>
        {({ onboarded }) => (onboarded ? <WithdrawForm /> : <Onboard />)}
      </Loaded>
    </div>
  );
}

function Onboard() {
  const action = useAction();
  const begin = async () => {
    const back = `${location.origin}${PATHS.earnings}`;
    const { url } = await call('POST /v1/billing/onboard', {
      body: { return_url: back, refresh_url: back },
    });
    location.assign(url);
  };
  return (
    <>
      <p>{t.earnings.onboardText}</p>
      <ActionFailure of={action} />
      <p class="actions">
        <button
          type="button"
          class="button"
          disabled={action.isBusy}
          onClick={() => action.run(begin)}
        >
          {t.earnings.onboard}
        </button>
      </p>
    </>
  );
}

function WithdrawForm() {
  const [typed, setTyped] = useState('');
  const [isInstant, setInstant] = useState(false);
  // The same operation is sent again if the answer was lost, so that money is never sent twice.
  const [operation, setOperation] = useState(() => crypto.randomUUID());
  const action = useAction();
  const amount = parseMoney(typed);
  const withdraw = async () => {
    if (amount === undefined) return;
    await call('POST /v1/billing/withdrawals', {
      body: { amount_micro_usd: amount, instant: isInstant, operation },
    });
    setOperation(crypto.randomUUID());
    setTyped('');
    invalidate('balance', 'withdrawals', 'account', 'statement');
  };
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        action.run(withdraw);
      }}
    >
      <AmountField typed={typed} type={setTyped} />
      <label class="check">
        <input
          type="checkbox"
          checked={isInstant}
          onChange={({ currentTarget }) => setInstant(currentTarget.checked)}
        />
        <span>
          {t.earnings.instant}
          <span class="hint">{t.earnings.instantHint}</span>
        </span>
      </label>
      {amount !== undefined && <Quote amount={amount} isInstant={isInstant} />}
      <ActionFailure of={action} />
      <button type="submit" class="button" disabled={action.isBusy || amount === undefined}>
        {amount === undefined ? t.earnings.withdraw : t.earnings.withdrawAmount(money(amount))}
      </button>
    </form>
  );
}

function Withdrawals() {
  const withdrawals = knownValue(useWithdrawals().state)?.data ?? [];
  if (withdrawals.length === 0) return null;
  return (
    <section>
      <h2>{t.earnings.withdrawals}</h2>
      <Table
        caption={t.earnings.withdrawals}
        columns={[
          { title: t.requests.time },
          { title: t.keys.status },
          { title: t.earnings.fee, isRight: true },
          { title: t.money.amount, isRight: true },
        ]}
      >
        {withdrawals.map(({ id, at, state, returned, fee_micro_usd, amount_micro_usd }) => (
          <tr key={id}>
            <td data-label={t.requests.time}>
              <At time={at} />
            </td>
            <td data-label={t.keys.status}>
              <Status
                tone={returned ? 'bad' : state === 'paid' ? 'good' : 'notice'}
                text={returned ? t.earnings.returned : (t.earnings.states[state] ?? state)}
              />
            </td>
            <td data-label={t.earnings.fee} class="right">
              <Money micro={fee_micro_usd} />
            </td>
            <td data-label={t.money.amount} class="right">
              <Money micro={amount_micro_usd} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}
