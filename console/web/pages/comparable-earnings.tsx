import { groupedDigits } from '../format/numbers.ts';
import { Money } from '../parts/figures.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { Table } from '../parts/table.tsx';
import { useDemand, useModels } from '../state/answers.ts';
import {
  type ComparableRow,
  comparableRows,
  type KnownMedian,
} from '../state/comparable-earnings.ts';
import { knownValue } from '../state/resource-state.ts';
import { t } from '../texts.ts';

/** More chips would make the table wider than a page; all of them are in the last column. */
const MAX_CHIPS = 3;

/** What machines with these chips, and all machines, earned from each model in a week. */
export function ComparableEarnings({ chips }: { chips: readonly string[] }) {
  const demand = useDemand();
  const models = useModels();
  const offered = (knownValue(models.state) ?? []).map(({ model }) => model.id);
  const shownChips = chips.slice(0, MAX_CHIPS);
  return (
    <>
      <p class="hint">{t.comparable.text}</p>
      <Loaded of={demand} lines={3}>
        {({ earned }) => (
          <EarningsTable
            rows={comparableRows(earned, { models: offered, chips: shownChips })}
            chips={shownChips}
          />
        )}
      </Loaded>
    </>
  );
}

function EarningsTable({
  rows,
  chips,
}: {
  rows: readonly ComparableRow[];
  chips: readonly string[];
}) {
  const columns = chips.map((chip) => (chip === 'other' ? t.comparable.otherChips : chip));
  return (
    <Table
      caption={t.comparable.title}
      columns={[
        { title: t.comparable.model },
        ...columns.map((title) => ({ title, isRight: true })),
        { title: t.comparable.all, isRight: true },
      ]}
    >
      {rows.map(({ model, byChip, all }) => (
        <tr key={model}>
          <td data-label={t.comparable.model}>{model}</td>
          {byChip.map((earned, index) => (
            <td key={columns[index]} data-label={columns[index]} class="right">
              <Median of={earned} />
            </td>
          ))}
          <td data-label={t.comparable.all} class="right">
            <Median of={all} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Median({ of: earned }: { of: KnownMedian }) {
  if (earned === undefined) return <span class="quiet">{t.comparable.notKnown}</span>;
  return (
    <span class="two-lines">
      <Money micro={earned.median_micro_usd} />
      <span class="hint">{t.comparable.machines(groupedDigits(earned.machines))}</span>
    </span>
  );
}
