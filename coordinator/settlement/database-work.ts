import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseError } from 'pg';

/**
 * Postgres error codes of serialisation failures, of deadlocks, and of two processes that write the
 * same operation at the same moment.
 */
const RETRYABLE_CODES = new Set(['40001', '40P01', '23505']);
const MAX_TRIES = 6;

/**
 * Whether the database rejected the values of a row: data exceptions and violated constraints. Any
 * other error may be gone at the next try.
 */
export function isRowsFault(error: unknown): boolean {
  return error instanceof DatabaseError && /^2[23]/.test(error.code ?? '');
}

/** Repeats work that failed only because of concurrent work. All other errors are thrown. */
export async function retried<T>(
  work: () => Promise<T>,
  random: () => number = Math.random,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (
        !(error instanceof DatabaseError && RETRYABLE_CODES.has(error.code ?? '')) ||
        tries === MAX_TRIES
      )
        throw error;
      await delay(random() * 5 * 2 ** tries);
    }
  }
}

/**
 * Writes an array in the text format of Postgres. The client's own conversion, value by value,
 * takes more time than all other work of a batch.
 */
export function column(values: readonly (string | number | boolean | null)[]): string {
  const text = values
    .map((value) => (value === null ? 'NULL' : typeof value === 'string' ? `"${value}"` : value))
    .join(',');
  // Names and numbers contain neither quotes nor backslashes; other texts are escaped.
  if (
    !text.includes('\\') &&
    !values.some((value) => typeof value === 'string' && value.includes('"'))
  )
    return `{${text}}`;
  const escaped = values.map((value) =>
    typeof value === 'string' ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : String(value ?? 'NULL'),
  );
  return `{${escaped.join(',')}}`;
}

/**
 * Joins the bytes of many rows into one value, with the end position of each row; null becomes an
 * empty range. In an array, each byte would be sent as two characters.
 */
export function packed(values: readonly (Uint8Array | null)[]): {
  readonly bytes: Buffer;
  readonly ends: string;
} {
  let end = 0;
  const ends = values.map((value) => {
    end += value?.length ?? 0;
    return end;
  });
  return { bytes: Buffer.concat(values.filter((value) => value !== null)), ends: column(ends) };
}

export const pluck = <Row, Field extends keyof Row>(
  rows: readonly Row[],
  field: Field,
): Row[Field][] => rows.map((row) => row[field]);

/**
 * Returns the distinct values in order, and for each given value its position among them, counted
 * from 1 as in SQL.
 */
export function numbered(values: readonly string[]): {
  distinct: readonly string[];
  places: readonly number[];
} {
  const distinct = [...new Set(values)].toSorted();
  const places = new Map(distinct.map((value, index) => [value, index + 1]));
  return { distinct, places: values.map((value) => places.get(value) as number) };
}
