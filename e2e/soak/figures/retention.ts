import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE = join(import.meta.dirname, '../../../docs/operating/retention.md');

/** How the rows of a table come and go, as docs/operating/retention.md states it. */
export interface RetainedTable {
  readonly table: string;
  readonly growsWith: string;
  readonly keptFor: string;
}

/** The cells of the table below a heading of the page, without backquotes and without its head. */
export function rowsOf(heading: string): string[][] {
  const [, section = ''] = readFileSync(PAGE, 'utf8').split(`\n## ${heading}\n`);
  const [own = ''] = section.split('\n## ');
  return own
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

export const retainedTables = (): RetainedTable[] =>
  rowsOf('Tables').map(([table = '', , growsWith = '', keptFor = '']) => ({
    table,
    growsWith,
    keptFor,
  }));
