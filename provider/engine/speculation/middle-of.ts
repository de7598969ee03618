/** The middle one of some numbers, of an even number of them the larger one; undefined without any. */
export const middleOf = (numbers: readonly number[]): number | undefined =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
