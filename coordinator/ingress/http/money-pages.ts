import type { FastifyReply } from 'fastify';
import { type TSchema, Type } from '#bus-schemas/type.ts';
import { asTime, LIST, optional, orNull, timeOf, When } from './api.ts';
import { type Page, sendCsv } from './csv-table.ts';

/** Lists of usage and statements: their query, and their answer as JSON or as CSV. */

/** The place of a row in its table: its time in microseconds since 1970, and its name. */
const CURSOR = String.raw`^[0-8]?\d{1,15} [^\x00-\x1f]{1,150}$`;

export const PageQuery = {
  from: optional(When),
  until: optional(When),
  after: optional(
    Type.String({
      pattern: CURSOR,
      maxLength: 200,
      description: 'The value of `next` from the previous page.',
      'x-rule': 'must be the value of `next` from the previous page',
    }),
  ),
  limit: optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  format: optional(Type.Enum(['json', 'csv'])),
};

export const moneyPageOf = <Row extends TSchema>(row: Row) =>
  Type.Object({
    object: Type.Literal(LIST),
    data: Type.Array(row),
    next: orNull(Type.String()),
    online_since: orNull(
      Type.String({
        description:
          'Charges of jobs before this time are in the archives of the operator and not in this list; null if nothing was archived.',
      }),
    ),
  });

/** Rows of a page of JSON if the request has no `limit`. */
const ROWS = 100;
export interface MoneyPage<Row extends Record<string, unknown>> extends Page<Row> {
  /** Charges before this time are archived, in milliseconds since 1970. */
  readonly onlineSince: number | undefined;
}

const listPage = <Row extends Record<string, unknown>>({
  data,
  next,
  onlineSince,
}: MoneyPage<Row>) => ({
  object: LIST,
  data: [...data],
  next: next ?? null,
  online_since: onlineSince === undefined ? null : asTime(onlineSince),
});

interface Rows<Row extends Record<string, unknown>> {
  readonly columns: readonly string[];
  readonly query: { readonly format?: string; readonly after?: string; readonly limit?: number };
  readonly pageAfter: (after: string | undefined, limit: number) => Promise<MoneyPage<Row>>;
}

/** Sends one page as JSON, or a table of all rows as CSV. */
export async function sendRows<Row extends Record<string, unknown>>(
  reply: FastifyReply,
  { columns, query: { format, after, limit }, pageAfter }: Rows<Row>,
) {
  return format === 'csv'
    ? sendCsv(reply, { columns, after, limit, pageAfter })
    : listPage(await pageAfter(after, limit ?? ROWS));
}

/** Description of `format=csv` for the documentation. */
export const CSV_HELP =
  '`format=csv` returns a table of all rows, or of at most `limit` rows: the header `x-next` then has the value of `after` for the remaining rows.';

export function periodOf(
  from: string | undefined,
  until: string | undefined,
): { from?: number; until?: number } {
  const [start, end] = [timeOf(from, 'from'), timeOf(until, 'until')];
  return { ...(start !== undefined && { from: start }), ...(end !== undefined && { until: end }) };
}
