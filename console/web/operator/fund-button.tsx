import { useState } from 'preact/hooks';
import { parseMoney } from '../format/money.ts';
import { AmountField } from '../parts/amount-field.tsx';
import { ChoiceField } from '../parts/choice-field.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { invalidate } from '../state/resource.ts';
import { operatorCall } from './operator-call.ts';
import { o } from './texts.ts';

const WAYS = ['in', 'back'] as const;
type Way = (typeof WAYS)[number];

/** Moves fees of the platform into the fund of the rewards, or back. */
export function FundButton() {
  const [asks, setAsks] = useState(false);
  return (
    <>
      <button type="button" class="button" onClick={() => setAsks(true)}>
        {o.rewards.move}
      </button>
      {asks && <FundDialog close={() => setAsks(false)} />}
    </>
  );
}

function FundDialog({ close }: { close: () => void }) {
  const [way, setWay] = useState<Way>('in');
  const [amount, setAmount] = useState('');
  // One name for all tries of this dialog: a repeated call moves the amount only once.
  const [operation] = useState(() => crypto.randomUUID());
  const micro = parseMoney(amount);
  const move = async () => {
    if (micro === undefined) return;
    await operatorCall('POST /admin/rewards/fund', {
      body: { amount_micro_usd: way === 'in' ? micro : -micro, operation },
    });
    invalidate('rewards', 'books');
  };
  return (
    <Confirm
      title={o.rewards.moveTitle}
      text={o.rewards.moveText}
      action={o.rewards.move}
      isDanger={false}
      isComplete={micro !== undefined}
      run={move}
      close={close}
    >
      <ChoiceField
        label={o.rewards.way}
        choices={WAYS}
        texts={o.rewards.ways}
        chosen={way}
        choose={setWay}
      />
      <AmountField typed={amount} type={setAmount} />
    </Confirm>
  );
}
