import { PERIODS, type Period, periodName } from '../format/periods.ts';
import { t } from '../texts.ts';
import { Field } from './field.tsx';

export function PeriodChoice({ period, choose }: { period: Period; choose: (p: Period) => void }) {
  return (
    <Field label={t.periods.label}>
      {(attributes) => (
        <select
          {...attributes}
          value={period}
          onChange={({ currentTarget }) => choose(currentTarget.value as Period)}
        >
          {PERIODS.map((each) => (
            <option key={each} value={each}>
              {periodName(each)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
