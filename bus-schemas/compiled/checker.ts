import type { TLocalizedValidationError } from 'typebox/error';

type Faults = readonly TLocalizedValidationError[];

/** Checks values against one schema, under the names of TypeBox. */
export interface Checker<Value> {
  Check(value: unknown): value is Value;
  /** The faults of a value; none if it fits. */
  Errors(value: unknown): Faults;
  /** Returns the value; throws if it does not fit. */
  Parse(value: unknown): Value;
}

/** Names the first fault of a value. The text does not quote the value, which may be secret. */
const unfit = ([first]: Faults): TypeError =>
  new TypeError(
    first === undefined
      ? 'the value does not fit its schema'
      : `${first.instancePath || 'the value'} ${first.message}`,
  );

/** A checker that is made of the two functions of a validator. */
export const checkerFrom = <Value>(
  check: (value: unknown) => boolean,
  faultsOf: (value: unknown) => Faults,
): Checker<Value> => ({
  Check: (value): value is Value => check(value),
  Errors: (value) => (check(value) ? [] : faultsOf(value)),
  Parse: (value) => {
    if (!check(value)) throw unfit(faultsOf(value));
    return value as Value;
  },
});
