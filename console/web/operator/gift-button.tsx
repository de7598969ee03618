import { useState } from 'preact/hooks';
import { parseMoney } from '../format/money.ts';
import { AmountField } from '../parts/amount-field.tsx';
import { ChoiceField } from '../parts/choice-field.tsx';
import { Confirm } from '../parts/confirm.tsx';
import { TextField } from '../parts/text-field.tsx';
import { operatorCall } from './operator-call.ts';
import { o } from './texts.ts';

const KINDS = ['credit', 'reward'] as const;
type Kind = (typeof KINDS)[number];

interface GiftButtonProps {
  readonly account: string;
  /** The name of the person. */
  readonly name: string;
}

/** Gives an account promotional credit or a reward, with a reason for operators and a note for the account. */
export function GiftButton(props: GiftButtonProps) {
  const [asks, setAsks] = useState(false);
  return (
    <>
      <button
        type="button"
        class="button small"
        aria-label={o.people.giveTo(props.name)}
        onClick={() => setAsks(true)}
      >
        {o.people.give}
      </button>
      {asks && <GiftDialog {...props} close={() => setAsks(false)} />}
    </>
  );
}

function GiftDialog({ account, name, close }: GiftButtonProps & { close: () => void }) {
  const [kind, setKind] = useState<Kind>('credit');
  const [amount, setAmount] = useState('');
  const [reason, setReason] = useState('');
  const [note, setNote] = useState('');
  // One name for all tries of this dialog: a repeated call gives the amount only once.
  const [operation] = useState(() => crypto.randomUUID());
  const micro = parseMoney(amount);
  const give = async () => {
    if (micro === undefined) return;
    const sentence = note.trim();
    const body = {
      amount_micro_usd: micro,
      operation,
      reason: reason.trim(),
      ...(sentence !== '' && { note: sentence }),
    };
    const path = { id: account };
    if (kind === 'credit') await operatorCall('POST /admin/accounts/{id}/credit', { path, body });
    else await operatorCall('POST /admin/accounts/{id}/reward', { path, body });
  };
  return (
    <Confirm
      title={o.people.giveTitle(name)}
      text={o.people.giveText}
      action={o.people.give}
      isDanger={false}
      isComplete={micro !== undefined && reason.trim() !== ''}
      run={give}
      close={close}
    >
      <ChoiceField
        label={o.people.kind}
        choices={KINDS}
        texts={o.people.kinds}
        hints={o.people.kindHints}
        chosen={kind}
        choose={setKind}
      />
      <AmountField typed={amount} type={setAmount} />
      <TextField
        label={o.people.reason}
        hint={o.people.reasonHint}
        typed={reason}
        type={setReason}
      />
      <TextField
        label={o.people.note}
        hint={o.people.noteHint}
        isRequired={false}
        typed={note}
        type={setNote}
      />
    </Confirm>
  );
}
