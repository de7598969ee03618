import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import type { Routes } from '../api/routes.ts';
import { type BalanceFigure, balanceFigures } from '../format/balance-figures.ts';
import { money, parseMoney } from '../format/money.ts';
import { ActionFailure } from '../parts/action-failure.tsx';
import { AmountField } from '../parts/amount-field.tsx';
import { Field } from '../parts/field.tsx';
import { Amounts, Status } from '../parts/figures.tsx';
import { Loaded, Skeleton } from '../parts/loaded.tsx';
import { RequiredActions } from '../parts/required-actions.tsx';
import { PATHS } from '../router.ts';
import { useAction } from '../state/action.ts';
import { useBalance, useKeys } from '../state/answers.ts';
import { limitsReached, moneyActions } from '../state/required-actions.ts';
import { invalidate } from '../state/resource.ts';
import { awaitsFirstAnswer, knownValue } from '../state/resource-state.ts';
import { t } from '../texts.ts';
import { Deposits } from './deposits.tsx';
import { Statement } from './statement.tsx';

export function MoneyPage() {
  const balance = useBalance();
  const keys = useKeys();
  if (awaitsFirstAnswer(balance.state) || awaitsFirstAnswer(keys.state))
    return (
      <>
        <h1>{t.money.title}</h1>
        <Skeleton lines={12} />
      </>
    );
  return (
    <>
      <h1>{t.money.title}</h1>
      {new URLSearchParams(location.search).has('paid') && (
        <p class="note" role="status">
          {t.money.paid}
        </p>
      )}
      <Warnings />
      <section class="card" aria-label={t.overview.balance}>
        <Loaded of={balance} lines={3}>
          {(value) => <BalanceParts balance={value} />}
        </Loaded>
      </section>
      <section class="pair">
        <AddCredit />
        <RedeemInvite />
      </section>
      <Deposits />
      <Statement />
    </>
  );
}

/** What about money needs the person: a debt, a low balance, and keys near or at their limit. */
function Warnings() {
  const balance = knownValue(useBalance().state);
  const keys = knownValue(useKeys().state);
  return (
    <RequiredActions
      actions={[...(balance ? moneyActions(balance) : []), ...(keys ? limitsReached(keys) : [])]}
    />
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
            {money(each).replace(/[.,]00/, '')}
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
