import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { groupedDigits } from '../format/numbers.ts';
import { Table } from '../parts/table.tsx';
import { t } from '../texts.ts';
import { o } from './texts.ts';

export interface Column<Row> {
  readonly label: string;
  readonly isRight?: boolean;
  /** The cell has buttons, and its column has no visible heading. */
  readonly hasActions?: boolean;
  readonly cell: (row: Row) => ComponentChildren;
}

interface PagedTableProps<Row> {
  readonly caption: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string;
  /** The text of a row that the search field looks at; without it, there is no search field. */
  readonly textOf?: (row: Row) => string;
}

/** Rows in the page at once: the browser lays out a table of thousands of rows too slowly. */
const PAGE_ROWS = 50;

/** A table of which one part is shown at a time, with a field that finds rows. */
export function PagedTable<Row>({ caption, rows, columns, keyOf, textOf }: PagedTableProps<Row>) {
  const [wanted, setWanted] = useState('');
  const [asked, setAsked] = useState(0);
  const text = wanted.trim().toLowerCase();
  const found =
    textOf === undefined || text === ''
      ? rows
      : rows.filter((row) => textOf(row).toLowerCase().includes(text));
  const pages = Math.max(1, Math.ceil(found.length / PAGE_ROWS));
  const page = Math.min(asked, pages - 1);
  const shown = found.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS);
  return (
    <>
      {textOf !== undefined && rows.length > PAGE_ROWS && (
        <input
          type="search"
          class="search"
          aria-label={`${o.find}: ${caption}`}
          placeholder={o.find}
          value={wanted}
          onInput={({ currentTarget }) => {
            setWanted(currentTarget.value);
            setAsked(0);
          }}
        />
      )}
      {found.length === 0 ? (
        <p class="hint">{o.noMatch}</p>
      ) : (
        <Table
          caption={caption}
          columns={columns.map(({ label, isRight, hasActions }) => ({
            title: label,
            ...(isRight && { isRight }),
            ...(hasActions && { isHidden: true }),
          }))}
        >
          {shown.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <Cell key={column.label} column={column} row={row} />
              ))}
            </tr>
          ))}
        </Table>
      )}
      {pages > 1 && (
        <nav class="pager" aria-label={`${o.pages}: ${caption}`}>
          <span class="hint" role="status">
            {o.rows(
              groupedDigits(page * PAGE_ROWS + 1),
              groupedDigits(page * PAGE_ROWS + shown.length),
              groupedDigits(found.length),
            )}
          </span>
          <button
            type="button"
            class="button"
            disabled={page === 0}
            onClick={() => setAsked(page - 1)}
          >
            {t.pager.previous}
          </button>
          <button
            type="button"
            class="button"
            disabled={page === pages - 1}
            onClick={() => setAsked(page + 1)}
          >
            {t.pager.next}
          </button>
        </nav>
      )}
    </>
  );
}

function Cell<Row>({
  column: { label, isRight, hasActions, cell },
  row,
}: {
  column: Column<Row>;
  row: Row;
}) {
  if (hasActions) return <td class="row-actions">{cell(row)}</td>;
  return (
    <td data-label={label} {...(isRight && { class: 'right number' })}>
      {cell(row)}
    </td>
  );
}
