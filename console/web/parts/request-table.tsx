import { groupedDigits } from '../format/numbers.ts';
import type { ApiKey, UsageRow } from '../state/answers.ts';
import { t } from '../texts.ts';
import { Ago, Money, Status, type Tone } from './figures.tsx';
import { Table } from './table.tsx';

interface RequestTableProps {
  readonly rows: readonly UsageRow[];
  /** The keys of the account, for their names; undefined while they are not known. */
  readonly keys: readonly ApiKey[] | undefined;
  readonly caption: string;
  /** Opens the details of a request; without it, the rows have none. */
  readonly open?: (job: string) => void;
}

/** Beginning of the name under which requests of the console are counted. */
const CONSOLE_KEY = 'key_console';
const TONES: Readonly<Record<UsageRow['outcome'], Tone>> = {
  settled: 'good',
  refunded: 'notice',
  void: 'quiet',
};

export function RequestTable({ rows, keys, caption, open }: RequestTableProps) {
  const nameOf = (id: string): string => {
    if (id.startsWith(CONSOLE_KEY)) return t.requests.consoleKey;
    const key = keys?.find((each) => each.id === id);
    if (key === undefined) return keys ? t.requests.deletedKey : id;
    return key.name || key.label;
  };
  return (
    <Table
      caption={caption}
      columns={[
        { title: t.requests.time },
        { title: t.requests.model },
        { title: t.requests.key },
        { title: t.requests.tokens, isRight: true },
        { title: t.requests.cost, isRight: true },
        { title: t.requests.outcome },
      ]}
    >
      {rows.map((row) => (
        <tr key={row.job_id}>
          <td data-label={t.requests.time}>
            {open ? (
              <button type="button" class="link" onClick={() => open(row.job_id)}>
                <Ago at={row.at} />
                <span class="visually-hidden">{t.requests.openRow(row.model)}</span>
              </button>
            ) : (
              <Ago at={row.at} />
            )}
          </td>
          <td data-label={t.requests.model}>{row.model}</td>
          <td data-label={t.requests.key}>{nameOf(row.key)}</td>
          <td data-label={t.requests.tokens} class="right">
            <Tokens row={row} />
          </td>
          <td data-label={t.requests.cost} class="right">
            <Money micro={row.cost_micro_usd} />
          </td>
          <td data-label={t.requests.outcome}>
            <Status tone={TONES[row.outcome]} text={t.requests.outcomes[row.outcome]} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Tokens({ row: { prompt_tokens, cached_tokens, completion_tokens } }: { row: UsageRow }) {
  return (
    <span
      class="number"
      {...(cached_tokens > 0 && { title: t.requests.cached(groupedDigits(cached_tokens)) })}
    >
      {groupedDigits(prompt_tokens)} → {groupedDigits(completion_tokens)}
    </span>
  );
}
