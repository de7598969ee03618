import type { AccountStatement } from '#bus-schemas';
import { iso, usd } from '../printed-values.ts';
import { withBus } from './with-bus.ts';

const CALL = { timeoutMs: 30_000 };
/** Number of lines that one call to settlement returns. */
const PAGE = 1_000;

export interface StatementOptions {
  readonly from?: number;
  readonly until?: number;
  readonly csv?: boolean;
  readonly json?: boolean;
}

type Line = AccountStatement['lines'][number];

/** Prints an account's statement. It reads page by page, so that the number of lines has no limit. */
export async function statement(
  account: string,
  { from, until, csv, json }: StatementOptions,
): Promise<void> {
  const { services } = await import('#bus-schemas');
  const { csvLine } = await import('#coordinator/csv.ts');
  const cellsOf = (line: Line) =>
    CSV_COLUMNS.map((column) => (column === 'at' ? iso(line.at) : line[column]));
  const asText = csv
    ? (line: Line) => csvLine(cellsOf(line))
    : json
      ? (line: Line) => JSON.stringify(line)
      : plainLine;
  if (csv) console.log(csvLine(CSV_COLUMNS));
  await withBus(async (bus) => {
    let after: string | undefined;
    do {
      const request = {
        account,
        limit: PAGE,
        ...(from !== undefined && { from }),
        ...(until !== undefined && { until }),
        ...(after !== undefined && { after }),
      };
      const { lines, next, onlineSince } = await bus.call(
        services.settlement.statement,
        request,
        CALL,
      );
      // Not on standard output, because a program may read the lines.
      if (after === undefined && onlineSince !== undefined && (from ?? 0) < onlineSince)
        console.error(
          `Charges before ${iso(onlineSince)} are in the archives and not listed here.`,
        );
      for (const line of lines) console.log(asText(line));
      after = next;
    } while (after !== undefined);
  });
}

const CSV_COLUMNS = [
  'at',
  'kind',
  'reference',
  'amountMicroUsd',
  'model',
  'key',
  'promptTokens',
  'completionTokens',
  'promotionalMicroUsd',
] as const;

function plainLine({
  at,
  kind,
  reference,
  amountMicroUsd,
  promotionalMicroUsd = 0,
  model = '',
}: Line): string {
  const promotional =
    promotionalMicroUsd === 0 ? '' : `  ${usd(promotionalMicroUsd)} of it promotional`;
  return `${iso(at)}  ${usd(amountMicroUsd).padStart(14)}  ${kind.padEnd(10)}  ${reference}  ${model}${promotional}`;
}
