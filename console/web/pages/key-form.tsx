import { useState } from 'preact/hooks';
import { call } from '../api/call.ts';
import { ActionFailure } from '../parts/action-failure.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { Field } from '../parts/field.tsx';
import { useAction } from '../state/action.ts';
import { type ApiKey, useModels } from '../state/answers.ts';
import {
  changesFrom,
  type Expiry,
  fieldsOf,
  type KeyFields,
  NEW_FIELDS,
  type Problems,
  RATE_FIELDS,
  SPENDING_FIELDS,
} from '../state/key-fields.ts';
import { invalidate } from '../state/resource.ts';
import { knownValue } from '../state/resource-state.ts';
import { t } from '../texts.ts';

interface KeyFormProps {
  /** The key to change; a new one is created when left out. */
  readonly edited?: ApiKey;
  readonly created?: (secret: string) => void;
  readonly close: () => void;
}

export function KeyForm({ edited, created, close }: KeyFormProps) {
  const [fields, setFields] = useState(edited ? fieldsOf(edited) : NEW_FIELDS);
  const [problems, setProblems] = useState<Problems>({});
  const action = useAction();
  const change = (changes: Partial<KeyFields>) => setFields({ ...fields, ...changes });
  const submit = () => {
    const answer = changesFrom(fields, Date.now());
    setProblems('problems' in answer ? answer.problems : {});
    if ('problems' in answer) return;
    action.run(async () => {
      if (edited) {
        await call('PATCH /v1/keys/{id}', { path: { id: edited.id }, body: answer.changes });
        invalidate('keys');
        close();
      } else {
        const { key } = await call('POST /v1/keys', { body: answer.changes });
        invalidate('keys');
        created?.(key);
      }
    });
  };
  const title = edited ? t.keyForm.editTitle(edited.name || t.keys.unnamed) : t.keyForm.createTitle;
  return (
    <Dialog title={title} close={close}>
      <form
        class="form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <NameAndExpiry fields={fields} change={change} isNew={edited === undefined} />
        <ModelChoice fields={fields} change={change} />
        <NumberFields
          title={t.keyForm.spending}
          hint={t.keyForm.spendingHint}
          names={SPENDING_FIELDS}
          labels={t.keyForm.perWindow}
          {...{ fields, problems, change }}
        />
        <NumberFields
          title={t.keyForm.rates}
          names={RATE_FIELDS}
          labels={t.keyForm}
          {...{ fields, problems, change }}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={fields.onlyOwn}
            onChange={({ currentTarget }) => change({ onlyOwn: currentTarget.checked })}
          />
          <span>
            {t.keyForm.onlyOwn}
            <span class="hint">{t.keyForm.onlyOwnHint}</span>
          </span>
        </label>
        {edited && (
          <label class="check">
            <input
              type="checkbox"
              checked={fields.paused}
              onChange={({ currentTarget }) => change({ paused: currentTarget.checked })}
            />
            <span>
              {t.keyForm.paused}
              <span class="hint">{t.keyForm.pausedHint}</span>
            </span>
          </label>
        )}
        <ActionFailure of={action} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={close}>
            {t.dialog.cancel}
          </button>
          <button type="submit" class="button primary" disabled={action.isBusy}>
            {edited ? t.keyForm.save : t.keyForm.create}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface PartProps {
  readonly fields: KeyFields;
  readonly change: (changes: Partial<KeyFields>) => void;
}

const EXPIRIES: readonly Expiry[] = ['never', 'day', 'week', 'month', 'quarter'];

function NameAndExpiry({ fields, change, isNew }: PartProps & { isNew: boolean }) {
  return (
    <div class="field-row">
      <Field label={t.keyForm.name} hint={t.keyForm.nameHint}>
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            maxLength={100}
            autocomplete="off"
            value={fields.name}
            onInput={({ currentTarget }) => change({ name: currentTarget.value })}
          />
        )}
      </Field>
      <Field label={t.keyForm.expiry}>
        {(attributes) => (
          <select
            {...attributes}
            value={fields.expiry}
            onChange={({ currentTarget }) => change({ expiry: currentTarget.value as Expiry })}
          >
            {[...(isNew ? [] : ['keep' as const]), ...EXPIRIES].map((option) => (
              <option key={option} value={option}>
                {t.keyForm.expiryOptions[option]}
              </option>
            ))}
          </select>
        )}
      </Field>
    </div>
  );
}

function ModelChoice({ fields: { models: chosen }, change }: PartProps) {
  const { state } = useModels();
  const offered = knownValue(state) ?? [];
  // A key may allow a model that has left the catalog.
  const names = [...new Set([...chosen, ...offered.map(({ model }) => model.id)])];
  const toggle = (name: string, isChosen: boolean) =>
    change({ models: isChosen ? [...chosen, name] : chosen.filter((each) => each !== name) });
  return (
    <fieldset class="field">
      <legend>{t.keyForm.models}</legend>
      <p class="hint">{t.keyForm.modelsHint}</p>
      <div class="check-list">
        {names.map((name) => (
          <label key={name} class="check">
            <input
              type="checkbox"
              checked={chosen.includes(name)}
              onChange={({ currentTarget }) => toggle(name, currentTarget.checked)}
            />
            {name}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

type NumberName = (typeof SPENDING_FIELDS)[number] | (typeof RATE_FIELDS)[number];

interface NumberFieldsProps<Name extends NumberName> extends PartProps {
  readonly title: string;
  readonly hint?: string;
  readonly names: readonly Name[];
  readonly labels: Readonly<Record<Name, string>>;
  readonly problems: Problems;
}

function NumberFields<Name extends NumberName>({
  title,
  hint,
  names,
  labels,
  problems,
  fields,
  change,
}: NumberFieldsProps<Name>) {
  return (
    <fieldset class="field">
      <legend>{title}</legend>
      {hint && <p class="hint">{hint}</p>}
      <div class="field-row">
        {names.map((name) => (
          <Field key={name} label={labels[name]} problem={problems[name]}>
            {(attributes) => (
              <input
                {...attributes}
                type="text"
                inputMode="decimal"
                autocomplete="off"
                value={fields[name]}
                onInput={({ currentTarget }) =>
                  change({ [name]: currentTarget.value } as Partial<KeyFields>)
                }
              />
            )}
          </Field>
        ))}
      </div>
    </fieldset>
  );
}
