import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { csvLine } from '#coordinator/csv.ts';

type Row = Readonly<Record<string, unknown>>;

export interface Page<Of extends Row> {
  readonly data: readonly Of[];
  /** The value of `after` for the next page; absent on the last page. */
  readonly next?: string | undefined;
}

interface Table<Of extends Row> {
  readonly columns: readonly string[];
  readonly after: string | undefined;
  /** Maximum number of rows; without one, the table has every row. */
  readonly limit: number | undefined;
  readonly pageAfter: (after: string | undefined, limit: number) => Promise<Page<Of>>;
}

const ROWS_PER_PAGE = 1_000;
/** Header with the value of `after` for the rows that `limit` excluded. */
const NEXT_HEADER = 'x-next';

/**
 * Sends rows as CSV, page by page, so that at most one page is in memory. A failure before the
 * first row is an ordinary error; a later failure closes the connection.
 */
export async function sendCsv<Of extends Row>(
  reply: FastifyReply,
  { columns, after, limit, pageAfter }: Table<Of>,
): Promise<FastifyReply> {
  const first = await pageAfter(after, limit ?? ROWS_PER_PAGE);
  if (limit !== undefined && first.next !== undefined) reply.header(NEXT_HEADER, first.next);
  async function* lines(): AsyncGenerator<string> {
    yield `${csvLine(columns)}\n`;
    let page = first;
    yield linesOf(page.data, columns);
    while (limit === undefined && page.next !== undefined) {
      page = await pageAfter(page.next, ROWS_PER_PAGE);
      yield linesOf(page.data, columns);
    }
  }
  return reply.type('text/csv; charset=utf-8').send(Readable.from(lines(), { highWaterMark: 1 }));
}

function linesOf(rows: readonly Row[], columns: readonly string[]): string {
  return rows.map((row) => `${csvLine(columns.map((column) => row[column]))}\n`).join('');
}
