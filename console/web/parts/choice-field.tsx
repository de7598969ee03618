interface ChoiceFieldProps<Choice extends string> {
  readonly label: string;
  readonly choices: readonly Choice[];
  readonly texts: Readonly<Record<Choice, string>>;
  readonly hints?: Readonly<Record<Choice, string>>;
  readonly chosen: Choice;
  readonly choose: (choice: Choice) => void;
}

/** A field for one of a few choices, all of which are shown. */
export function ChoiceField<Choice extends string>({
  label,
  choices,
  texts,
  hints,
  chosen,
  choose,
}: ChoiceFieldProps<Choice>) {
  return (
    <fieldset class="field">
      <legend>{label}</legend>
      {choices.map((each) => (
        <label key={each} class="check">
          <input
            type="radio"
            name={label}
            checked={each === chosen}
            onChange={() => choose(each)}
          />
          <span>
            {texts[each]}
            {hints && <span class="hint">{hints[each]}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}
