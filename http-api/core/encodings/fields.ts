import { MAX_DIMENSIONS, MAX_INPUTS } from '#bus-schemas';
import { invalid, isGiven } from '../json.ts';

/** Reads fields that several APIs for embeddings have. */

export const isText = (value: unknown): value is string =>
  typeof value === 'string' && value !== '';

export const isList = (value: unknown): value is readonly unknown[] =>
  Array.isArray(value) && value.length > 0;

export function checkCount(list: readonly unknown[], name: string): void {
  if (list.length > MAX_INPUTS)
    throw invalid(name, `${name} has ${list.length} texts; a request has at most ${MAX_INPUTS}.`);
}

/** The field `dimensions` as a part of a task. */
export function dimensionsOf(value: unknown): { dimensions?: number } {
  if (!isGiven(value)) return {};
  if (!Number.isInteger(value) || Number(value) < 1 || Number(value) > MAX_DIMENSIONS)
    throw invalid('dimensions', `dimensions must be a whole number from 1 to ${MAX_DIMENSIONS}.`);
  return { dimensions: Number(value) };
}

export function flagOf(value: unknown, name: string, or: boolean): boolean {
  if (!isGiven(value)) return or;
  if (typeof value !== 'boolean') throw invalid(name, `${name} must be true or false.`);
  return value;
}
