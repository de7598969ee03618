import type { Routes } from '../api/routes.ts';
import { money } from '../format/money.ts';
import { Amounts, Money } from '../parts/figures.tsx';
import { Empty, Loaded, Skeleton } from '../parts/loaded.tsx';
import { RequestTable } from '../parts/request-table.tsx';
import { RequiredActions } from '../parts/required-actions.tsx';
import { Together } from '../parts/together.tsx';
import { PATHS } from '../router.ts';
import {
  useAccount,
  useBalance,
  useKeys,
  useMachines,
  useRecentRequests,
} from '../state/answers.ts';
import { awaitsFirstAnswer, knownValue } from '../state/resource-state.ts';
import { useRequiredActions } from '../state/use-required-actions.ts';
import { t } from '../texts.ts';

const RECENT = 10;

export function OverviewPage() {
  const balance = useBalance();
  const account = useAccount();
  const keys = useKeys();
  const requests = useRecentRequests(RECENT);
  const machines = useMachines();
  const actions = useRequiredActions();
  if ([balance, keys, machines].some(({ state }) => awaitsFirstAnswer(state)))
    return (
      <>
        <h1>{t.overview.title}</h1>
        <Skeleton lines={12} />
      </>
    );
  return (
    <>
      <h1>{t.overview.title}</h1>
      <RequiredActions actions={actions} />
      <section class="cards" aria-label={t.overview.balance}>
        <div class="card card-main">
          <h2>{t.overview.balance}</h2>
          <Loaded of={balance} lines={2}>
            {(value) => <BalanceCard balance={value} />}
          </Loaded>
        </div>
        <div class="card card-wide">
          <Loaded of={account} lines={2}>
            {({ spent_micro_usd: spent }) => <SpendCard spent={spent} />}
          </Loaded>
        </div>
      </section>
      <section>
        <h2>{t.overview.recent}</h2>
        <Together of={[requests, keys]} lines={RECENT}>
          <Loaded of={requests}>
            {(rows) =>
              rows.length === 0 ? (
                <Empty title={t.overview.recentEmptyTitle} text={t.overview.recentEmpty}>
                  <p class="actions">
                    <a class="button primary" href={PATHS.chat}>
                      {t.overview.tryChat}
                    </a>
                    <a class="button" href={PATHS.quickStart}>
                      {t.overview.tryQuickStart}
                    </a>
                  </p>
                </Empty>
              ) : (
                <RequestTable
                  rows={rows}
                  keys={knownValue(keys.state)}
                  caption={t.overview.recent}
                />
              )
            }
          </Loaded>
        </Together>
      </section>
    </>
  );
}

function BalanceCard({ balance }: { balance: Routes['GET /v1/balance']['answer'] }) {
  const {
    available_micro_usd: available,
    held_micro_usd: held,
    promotional_micro_usd: promotional,
  } = balance;
  const notes = [
    ...(promotional > 0 ? [t.overview.promotional(money(promotional))] : []),
    ...(held > 0 ? [t.overview.held(money(held))] : []),
  ];
  return (
    <>
      <p class="figure">
        <Money micro={available} />
      </p>
      <p class="hint">{notes.length === 0 ? t.overview.balanceNote : `${notes.join('; ')}.`}</p>
    </>
  );
}

type Spent = Routes['GET /v1/me']['answer']['spent_micro_usd'];

function SpendCard({ spent }: { spent: Spent }) {
  const figures = [
    [t.overview.spentDay, spent.day],
    [t.overview.spentWeek, spent.week],
    [t.overview.spentMonth, spent.month],
  ] as const;
  return (
    <>
      <Amounts of={figures} />
      <p class="hint">{t.overview.spentNote}</p>
    </>
  );
}
