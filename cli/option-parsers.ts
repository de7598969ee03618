import { InvalidArgumentError } from 'commander';

/** Parsers for command-line arguments that several commands share. */

export const wholeNumber = (text: string): number => numberFrom(0, text, 'must be a whole number');
export const positiveNumber = (text: string): number =>
  numberFrom(1, text, 'must be a whole number from 1 on');

function numberFrom(least: number, text: string, otherwise: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new InvalidArgumentError(otherwise);
  return value;
}
