import type { ComponentChildren } from 'preact';

interface Column {
  readonly title: string;
  /** Numbers stand at the right, so that their digits are in columns. */
  readonly isRight?: boolean;
  /** Explanation under the mouse pointer. */
  readonly hint?: string;
  /** Whether only screen readers read the title, such as that of the buttons of a row. */
  readonly isHidden?: boolean;
}

interface TableProps {
  readonly caption: string;
  readonly columns: readonly Column[];
  /** The rows. */
  readonly children: ComponentChildren;
  readonly note?: string;
}

/** A table in its frame, with a caption for screen readers. On a phone each row becomes a block. */
export function Table({ caption, columns, children, note }: TableProps) {
  return (
    <div class="table-frame">
      <table class="table">
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, isRight, isHidden, hint }) => (
              <th key={title} scope="col" {...(isRight && { class: 'right' })} title={hint}>
                {isHidden ? <span class="visually-hidden">{title}</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
      {note && <p class="hint table-note">{note}</p>}
    </div>
  );
}
