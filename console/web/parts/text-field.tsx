import { Field } from './field.tsx';

interface TextFieldProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly isRequired?: boolean;
  readonly typed: string;
  readonly type: (typed: string) => void;
}

/** A field for a sentence: a reason or a note, of at most 200 characters. */
export function TextField({ label, hint, isRequired = true, typed, type }: TextFieldProps) {
  return (
    <Field label={label} hint={hint}>
      {(attributes) => (
        <input
          {...attributes}
          type="text"
          maxLength={200}
          required={isRequired}
          value={typed}
          onInput={({ currentTarget }) => type(currentTarget.value)}
        />
      )}
    </Field>
  );
}
