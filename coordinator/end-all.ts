interface Ending {
  readonly what: string;
  readonly end: () => PromiseLike<unknown>;
}

/**
 * Ends everything in this order, even after a failure, and then throws all failures as one
 * AggregateError.
 */
export async function endAll(endings: readonly Ending[]): Promise<void> {
  const failures: Error[] = [];
  for (const { what, end } of endings) {
    try {
      await end();
    } catch (cause) {
      failures.push(new Error(`${what} could not be ended`, { cause }));
    }
  }
  if (failures.length > 0)
    throw new AggregateError(failures, failures.map(({ message }) => message).join('; '));
}
