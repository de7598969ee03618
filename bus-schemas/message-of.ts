/** The text of an error for people. Some errors, such as AggregateError, have only a name. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message || error.name : String(error);
