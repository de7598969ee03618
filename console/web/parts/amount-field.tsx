import { t } from '../texts.ts';
import { Field } from './field.tsx';

interface AmountFieldProps {
  readonly typed: string;
  readonly type: (typed: string) => void;
  readonly problem?: string | undefined;
  readonly hint?: string | undefined;
}

/** A field for an amount of money in US dollars. */
export function AmountField({ typed, type, problem, hint }: AmountFieldProps) {
  return (
    <Field label={t.money.amount} problem={problem} hint={hint}>
      {(attributes) => (
        <input
          {...attributes}
          type="text"
          inputMode="decimal"
          value={typed}
          onInput={({ currentTarget }) => type(currentTarget.value)}
        />
      )}
    </Field>
  );
}
