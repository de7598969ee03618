import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseError } from 'pg';

/** Serialisation failures, deadlocks, and two copies that write the same operation at the same moment. */
const PASSING = new Set(['40001', '40P01', '23505']);
const MAX_TRIES = 6;

/** The values of one row do not fit: data exceptions and broken constraints. Anything else may pass by itself. */
export function isRowsFault(error: unknown): boolean {
  return error instanceof DatabaseError && /^2[23]/.test(error.code ?? '');
}

/** Tries again what only failed because somebody else did something at the same time; nothing else. */
export async function retried<T>(work: () => Promise<T>, random: () => number = Math.random): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DatabaseError && PASSING.has(error.code ?? '')) || tries === MAX_TRIES) throw error;
      await delay(random() * 5 * 2 ** tries);
    }
  }
}

export const pluck = <Row, Field extends keyof Row>(rows: readonly Row[], field: Field): Row[Field][] => rows.map((row) => row[field]);

/** Distinct values in order, and where each of the given ones stands among them, counted from 1 as SQL does. */
export function numbered(values: readonly string[]): { distinct: readonly string[]; places: readonly number[] } {
  const distinct = [...new Set(values)].toSorted();
  const places = new Map(distinct.map((value, index) => [value, index + 1]));
  return { distinct, places: values.map((value) => places.get(value) as number) };
}
