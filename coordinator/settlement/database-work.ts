import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseError } from 'pg';

/**
 * Serialisation failures, deadlocks, and two copies that write the same operation at the same
 * moment.
 */
const PASSING = new Set(['40001', '40P01', '23505']);
const MAX_TRIES = 6;

/**
 * The values of one row do not fit: data exceptions and broken constraints. Anything else may pass
 * by itself.
 */
export function isRowsFault(error: unknown): boolean {
  return error instanceof DatabaseError && /^2[23]/.test(error.code ?? '');
}

/**
 * Tries again what only failed because somebody else did something at the same time; nothing else.
 */
export async function retried<T>(
  work: () => Promise<T>,
  random: () => number = Math.random,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DatabaseError && PASSING.has(error.code ?? '')) || tries === MAX_TRIES)
        throw error;
      await delay(random() * 5 * 2 ** tries);
    }
  }
}

/**
 * An array as Postgres reads it. The client's own way, value by value, costs more than all the rest
 * of a batch.
 */
export function column(values: readonly (string | number | boolean | null)[]): string {
  const text = values
    .map((value) => (value === null ? 'NULL' : typeof value === 'string' ? `"${value}"` : value))
    .join(',');
  // Names and numbers have neither quotes nor backslashes; anything else is written with care.
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
 * Bytes of many rows as one value, and where each row's end; an empty one stands for none. As an
 * array each byte would be written as two.
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
 * Distinct values in order, and where each of the given ones stands among them, counted from 1 as
 * SQL does.
 */
export function numbered(values: readonly string[]): {
  distinct: readonly string[];
  places: readonly number[];
} {
  const distinct = [...new Set(values)].toSorted();
  const places = new Map(distinct.map((value, index) => [value, index + 1]));
  return { distinct, places: values.map((value) => places.get(value) as number) };
}
