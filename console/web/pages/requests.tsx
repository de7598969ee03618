import { useState } from 'preact/hooks';
import { type Period, periodStart } from '../format/periods.ts';
import { ExportButton } from '../parts/export-button.tsx';
import { Field } from '../parts/field.tsx';
import { Empty, Loaded } from '../parts/loaded.tsx';
import { Pager } from '../parts/pager.tsx';
import { PeriodChoice } from '../parts/period-choice.tsx';
import { RequestTable } from '../parts/request-table.tsx';
import { Together } from '../parts/together.tsx';
import { RequestDetails } from '../receipts/request-details.tsx';
import { usageQuery, useKeys, useModels, useUsage } from '../state/answers.ts';
import { knownValue } from '../state/resource-state.ts';
import { t } from '../texts.ts';

interface Filter {
  readonly period: Period;
  readonly model: string;
  readonly key: string;
}

export function RequestsPage() {
  const [filter, setFilter] = useState<Filter>({ period: 'week', model: '', key: '' });
  const [before, setBefore] = useState<readonly string[]>([]);
  const [opened, open] = useState<string>();
  const keys = useKeys();
  const from = periodStart(filter.period, Date.now());
  const asked = { model: filter.model, key: filter.key, from, after: before.at(-1) };
  const usage = useUsage(asked);
  const choose = (changes: Partial<Filter>) => {
    setFilter({ ...filter, ...changes });
    setBefore([]);
  };
  return (
    <>
      <div class="page-head">
        <h1>{t.requests.title}</h1>
        <ExportButton
          path="/v1/usage"
          query={usageQuery({ ...asked, after: undefined })}
          file="requests.csv"
        />
      </div>
      <Filters filter={filter} choose={choose} />
      <Together of={[usage, keys]}>
        <Loaded of={usage}>
          {({ data, next }) => (
            <>
              {data.length === 0 ? (
                <Empty title={t.requests.emptyTitle} text={t.requests.empty} />
              ) : (
                <RequestTable
                  rows={data}
                  keys={knownValue(keys.state)}
                  caption={t.requests.title}
                  open={open}
                />
              )}
              <Pager next={next} before={before} go={setBefore} />
            </>
          )}
        </Loaded>
      </Together>
      {opened !== undefined && <RequestDetails job={opened} close={() => open(undefined)} />}
    </>
  );
}

interface FiltersProps {
  readonly filter: Filter;
  readonly choose: (changes: Partial<Filter>) => void;
}

function Filters({ filter: { period, model, key }, choose }: FiltersProps) {
  const models = knownValue(useModels().state) ?? [];
  const keys = knownValue(useKeys().state) ?? [];
  const options = {
    model: models.map((each) => ({ value: each.model.id, label: each.model.id })),
    key: keys.map((each) => ({ value: each.id, label: each.name || each.label })),
  };
  const chosen = { model, key };
  return (
    <div class="filters">
      <PeriodChoice period={period} choose={(next) => choose({ period: next })} />
      {(['model', 'key'] as const).map((name) => (
        <Field key={name} label={t.requests[name]}>
          {(attributes) => (
            <select
              {...attributes}
              value={chosen[name]}
              onChange={({ currentTarget }) => choose({ [name]: currentTarget.value })}
            >
              <option value="">{t.requests.all[name]}</option>
              {options[name].map(({ value, label }) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
      ))}
    </div>
  );
}
